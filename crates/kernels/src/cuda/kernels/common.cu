// What every file here stands on. The lines before it define BF16 (0 or 1: what feature maps are stored in) and VEC (elements a
// thread takes at once; it divides the channels).

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

// Threads of a block, unless a kernel says otherwise.
#define THREADS 256

#ifndef EMULATED
#define CHECK_ALIGNED(pointer, bytes)
#define INFINITY __uint_as_float(0x7f800000u)
#define NAN __uint_as_float(0x7fffffffu)
#endif

struct bf16 {
    unsigned short bits;
};

#if BF16
typedef bf16 Stored;
#else
typedef float Stored;
#endif

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

// To the nearest, ties to even.
__device__ __forceinline__ void narrow(float x, float& y) { y = x; }
__device__ __forceinline__ void narrow(float x, bf16& y) {
#ifdef EMULATED
    const u32 bits = __float_as_uint(x);
    y.bits = x != x ? 0x7fff : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
#else
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#endif
}

template <class T> struct alignas(sizeof(T) * VEC) Pack {
    T at[VEC];
};

template <class T> __device__ __forceinline__ void load(const T* from, float (&to)[VEC]) {
    CHECK_ALIGNED(from, sizeof(Pack<T>));
    const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(from);
#pragma unroll
    for (int v = 0; v < VEC; ++v) to[v] = widen(pack.at[v]);
}

template <class T> __device__ __forceinline__ void store(const float (&from)[VEC], T* to) {
    CHECK_ALIGNED(to, sizeof(Pack<T>));
    Pack<T> pack;
#pragma unroll
    for (int v = 0; v < VEC; ++v) narrow(from[v], pack.at[v]);
    *reinterpret_cast<Pack<T>*>(to) = pack;
}

// Values of VEC channels, from tables that may start anywhere; `otherwise` without a table.
__device__ __forceinline__ void load_channels(const float* table, float otherwise, float (&to)[VEC]) {
#pragma unroll
    for (int v = 0; v < VEC; ++v) to[v] = table ? table[v] : otherwise;
}

// Channel kernels work on (rows, channels): a block of blockDim.x x blockDim.y threads, powers of two, of which each takes VEC
// channels and every ROW_STEP-th row.
__device__ __forceinline__ int first_channel() { return (blockIdx.x * blockDim.x + threadIdx.x) * VEC; }
__device__ __forceinline__ int first_row() { return blockIdx.y * blockDim.y + threadIdx.y; }
#define ROW_STEP (gridDim.y * blockDim.y)

// Adds up over threadIdx.y, always in the same order; threadIdx.y == 0 has the sum. All threads call it.
__device__ __forceinline__ float sum_over_rows(float x) {
    __shared__ float shared[THREADS];
    const int at = threadIdx.y * blockDim.x + threadIdx.x;
    __syncthreads();
    shared[at] = x;
    __syncthreads();
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) shared[at] += shared[at + half * blockDim.x];
        __syncthreads();
    }
    return shared[at];
}

// Writes the block's sums of quantity `q`: partial[q][blockIdx.y][channel]. All threads call it.
__device__ __forceinline__ void store_partial(int q, const float (&sums)[VEC], float* partial, int channels) {
    const int channel = first_channel();
#pragma unroll
    for (int v = 0; v < VEC; ++v) {
        const float sum = sum_over_rows(sums[v]);
        if (threadIdx.y == 0 && channel < channels)
            partial[((size_t)q * gridDim.y + blockIdx.y) * channels + channel + v] = sum;
    }
}

// The second stage of a sum: column `c` of (blocks, channels), in double precision and always in the same order; threadIdx.y == 0
// of a block of 32 x 16 threads has it. All threads call it.
__device__ __forceinline__ double sum_partials(const float* partial, int blocks, int channels, int c) {
    __shared__ double shared[16][33];
    double sum = 0.0;
    if (c < channels)
        for (int b = threadIdx.y; b < blocks; b += 16) sum += partial[(size_t)b * channels + c];
    __syncthreads();
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    for (int half = 8; half > 0; half /= 2) {
        if (threadIdx.y < half) shared[threadIdx.y][threadIdx.x] += shared[threadIdx.y + half][threadIdx.x];
        __syncthreads();
    }
    return shared[0][threadIdx.x];
}

// Sum over a block of one row of threads, whole warps; every thread gets it. All threads call it.
template <class T> __device__ __forceinline__ T block_sum(T x) {
    __shared__ T shared[THREADS / 32];
    for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    T sum = shared[0];
    for (int warp = 1; warp < blockDim.x / 32; ++warp) sum += shared[warp];
    return sum;
}

// As block_sum, the largest; NaN is passed over.
__device__ __forceinline__ float block_max(float x) {
    __shared__ float shared[THREADS / 32];
    for (int lane = 16; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    float max = shared[0];
    for (int warp = 1; warp < blockDim.x / 32; ++warp) max = fmaxf(max, shared[warp]);
    return max;
}

// Output number u64 `index` of SplitMix64 started with `seed`.
__device__ __forceinline__ u64 random_at(u64 seed, u64 index) {
    u64 z = seed + (index + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
