// What every file here stands on. The lines before it define BF16 (0 or 1: what feature maps are stored in) and VEC (elements a
// thread takes at once; it divides the channels).

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

// Threads of a block, unless a kernel says otherwise.
#define THREADS 256
// Columns of a grid whose blocks add up their partial sums themselves, at most.
#define MAX_COLUMNS 64

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

#ifndef EMULATED
// 2^x and 1 / x by the special function unit, 2 ulp off; what is smaller than the least normal number is 0.
__device__ __forceinline__ float fast_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ float fast_reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

// What a thread takes at once: VEC elements as they are stored.
template <class T> struct alignas(sizeof(T) * VEC) Pack {
    T at[VEC];
};

template <class T> __device__ __forceinline__ Pack<T> take(const T* from) {
    CHECK_ALIGNED(from, sizeof(Pack<T>));
    return *reinterpret_cast<const Pack<T>*>(from);
}

template <class T> __device__ __forceinline__ void open(const Pack<T>& pack, float (&to)[VEC]) {
#pragma unroll
    for (int v = 0; v < VEC; ++v) to[v] = widen(pack.at[v]);
}

template <class T> __device__ __forceinline__ void close(const float (&from)[VEC], Pack<T>& pack) {
#pragma unroll
    for (int v = 0; v < VEC; ++v) narrow(from[v], pack.at[v]);
}

#if VEC % 2 == 0
// Two to a word: an instruction opens one, and one closes both.
template <> struct alignas(2 * VEC) Pack<bf16> {
    u32 at[VEC / 2];
};

__device__ __forceinline__ void open(const Pack<bf16>& pack, float (&to)[VEC]) {
#pragma unroll
    for (int v = 0; v < VEC; v += 2) {
        to[v] = __uint_as_float(pack.at[v / 2] << 16);
        to[v + 1] = __uint_as_float(pack.at[v / 2] & 0xffff0000u);
    }
}

__device__ __forceinline__ void close(const float (&from)[VEC], Pack<bf16>& pack) {
#pragma unroll
    for (int v = 0; v < VEC; v += 2) {
#ifdef EMULATED
        bf16 low, high;
        narrow(from[v], low);
        narrow(from[v + 1], high);
        pack.at[v / 2] = low.bits | (u32)high.bits << 16;
#else
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pack.at[v / 2]) : "f"(from[v + 1]), "f"(from[v]));
#endif
    }
}
#endif

template <class T> __device__ __forceinline__ void load(const T* from, float (&to)[VEC]) { open(take(from), to); }

template <class T> __device__ __forceinline__ void store(const float (&from)[VEC], T* to) {
    CHECK_ALIGNED(to, sizeof(Pack<T>));
    Pack<T> pack;
    close(from, pack);
    *reinterpret_cast<Pack<T>*>(to) = pack;
}

// Values of VEC channels, from tables that may start anywhere; `otherwise` without a table.
__device__ __forceinline__ void load_channels(const float* table, float otherwise, float (&to)[VEC]) {
#if VEC % 4 == 0
    struct alignas(16) Four {
        float at[4];
    };
    if (table && (size_t)table % sizeof(Four) == 0) {
#pragma unroll
        for (int v = 0; v < VEC; v += 4) {
            const Four four = *reinterpret_cast<const Four*>(table + v);
#pragma unroll
            for (int w = 0; w < 4; ++w) to[v + w] = four.at[w];
        }
        return;
    }
#endif
#pragma unroll
    for (int v = 0; v < VEC; ++v) to[v] = table ? table[v] : otherwise;
}

// Channel kernels work on (rows, channels): a block of blockDim.x x blockDim.y threads, powers of two, of which each takes VEC
// channels and every ROW_STEP-th row.
__device__ __forceinline__ int first_channel() { return (blockIdx.x * blockDim.x + threadIdx.x) * VEC; }
__device__ __forceinline__ int first_row() { return blockIdx.y * blockDim.y + threadIdx.y; }
#define ROW_STEP (gridDim.y * blockDim.y)

// Adds up the VEC channels of each thread over threadIdx.y, in an order that depends on the sizes only. Thread t of the block has the
// sum of channel t of the blockDim.x * VEC that the block has, and those behind have none. All threads call it.
__device__ __forceinline__ float sum_over_rows(const float (&xs)[VEC]) {
    __shared__ Pack<float> packs[THREADS];
    float* shared = packs[0].at;
    const int across = blockDim.x * VEC, thread = threadIdx.y * blockDim.x + threadIdx.x;
    const int channel = thread % across, part = thread / across;
    __syncthreads();
    close(xs, packs[thread]);
    __syncthreads();
    // As many threads as values, of which each adds up VEC rows.
    float sum = 0.0f;
#pragma unroll
    for (int v = 0; v < VEC; ++v) sum += shared[(part * VEC + v) * across + channel];
    __syncthreads();
    shared[thread] = sum;
    __syncthreads();
    for (int half = THREADS / across / 2; half > 0; half /= 2) {
        if (part < half) shared[thread] += shared[thread + half * across];
        __syncthreads();
    }
    return shared[thread];
}

// Writes the block's sums of quantity `q`: partial[q][blockIdx.y][channel]. All threads call it.
__device__ __forceinline__ void store_partial(int q, const float (&sums)[VEC], float* partial, int channels) {
    const float sum = sum_over_rows(sums);
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, channel = blockIdx.x * blockDim.x * VEC + thread;
    if (thread < blockDim.x * VEC && channel < channels)
        partial[((size_t)q * gridDim.y + blockIdx.y) * channels + channel] = sum;
}

// The second stage of a sum, for `across` channels from blockIdx.x * across on: each of Q times (blocks, channels), in double precision
// and in an order that depends on the sizes only. Thread t < across has channel t of them. All threads call it, at most 512.
template <int Q>
__device__ __forceinline__ void sum_partials(const float* partial, int blocks, int channels, int across, double (&sums)[Q]) {
    __shared__ double shared[512];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, parts = blockDim.x * blockDim.y / across;
    const int channel = blockIdx.x * across + thread % across, part = thread / across;
#pragma unroll
    for (int q = 0; q < Q; ++q) sums[q] = 0.0;
    if (channel < channels) {
#pragma unroll 4
        for (int b = part; b < blocks; b += parts) {
            // Past the first cache, in which other blocks of this launch may have written.
#pragma unroll
            for (int q = 0; q < Q; ++q) sums[q] += __ldcg(partial + ((size_t)q * blocks + b) * channels + channel);
        }
    }
    for (int q = 0; q < Q; ++q) {
        __syncthreads();
        shared[thread] = sums[q];
        __syncthreads();
        for (int half = parts / 2; half > 0; half /= 2) {
            if (part < half) shared[thread] += shared[thread + half * across];
            __syncthreads();
        }
        sums[q] = shared[thread];
    }
}

// Blocks of each column of a grid that have written their partial sums; all 0 between launches.
__device__ u32 arrived[MAX_COLUMNS];

// Whether all other blocks of this one's column have come here before: then it can read what they have written, and as it is the last
// one, whichever that is, adds up all. All threads call it, once.
__device__ __forceinline__ bool is_last_block() {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        last = atomicAdd(&arrived[blockIdx.x], 1u) == gridDim.y - 1;
        if (last) arrived[blockIdx.x] = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
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
