// ys = xs mask / (1 - p), also the way back. The mask is a function of the seed and the element's index alone: of 32 elements the first
// 16 take the low halves of 16 random numbers, the others the high ones; an element is kept where its 32 bits reach the threshold.
// Every row of `width` elements begins with 32 of its own. blockIdx.y is the part, of n elements; where `streams` is set each has the seed
// random_at(seed, part). The seed is random_at(base[0], site): the base changes from pass to pass, a recorded launch's arguments do not.
extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, u64 width, const u64* __restrict__ base, u64 site, int streams,
        u64 threshold, float scale) {
    const u64 number = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 blocks = (width + 31) / 32, row = number / 16 / blocks, column = number / 16 % blocks * 32 + number % 16;
    const u64 i = row * width + column;
    if (column >= width || i >= n) return;
    const u64 seed = random_at(base[0], site);
    const u64 bits = random_at(streams ? random_at(seed, blockIdx.y) : seed, number);
    xs += blockIdx.y * n, ys += blockIdx.y * n;
    narrow((bits & 0xffffffffu) >= threshold ? widen(xs[i]) * scale : 0.0f, ys[i]);
    if (column + 16 < width) narrow((bits >> 32) >= threshold ? widen(xs[i + 16]) * scale : 0.0f, ys[i + 16]);
}

// Where a thread finds its two elements of rows of `width`, the second 16 behind the first, where the row has them.
struct Pair {
    u64 first, column, bits;
    bool inside;
};

__device__ __forceinline__ Pair pair_of(u64 n, u64 width, const u64* base, u64 site) {
    const u64 number = (u64)blockIdx.x * blockDim.x + threadIdx.x, blocks = (width + 31) / 32;
    const u64 row = number / 16 / blocks, column = number / 16 % blocks * 32 + number % 16, first = row * width + column;
    return {first, column, random_at(random_at(base[0], site), number), column < width && first < n};
}

// ys = residual + dropout of (xs + bias): the end of a Transformer's sublayer. Masks as above, in one part.
extern "C" __global__ void __launch_bounds__(THREADS)
residual_forward(const Stored* __restrict__ xs, const float* __restrict__ bias, const float* __restrict__ residual,
                 float* __restrict__ ys, u64 n, u64 width, const u64* __restrict__ base, u64 site, u64 threshold, float scale) {
    const Pair at = pair_of(n, width, base, site);
    for (int i = 0; at.inside && i < 32 && at.column + i < width; i += 16) {
        const float x = widen(xs[at.first + i]) + (bias ? bias[at.column + i] : 0.0f);
        const bool kept = (at.bits >> 2 * i & 0xffffffffu) >= threshold;
        ys[at.first + i] = residual[at.first + i] + (kept ? x * scale : 0.0f);
    }
}

// d_xs = dropout of d_ys.
extern "C" __global__ void __launch_bounds__(THREADS)
residual_backward(const float* __restrict__ d_ys, Stored* __restrict__ d_xs, u64 n, u64 width, const u64* __restrict__ base, u64 site,
                  u64 threshold, float scale) {
    const Pair at = pair_of(n, width, base, site);
    for (int i = 0; at.inside && i < 32 && at.column + i < width; i += 16) {
        const bool kept = (at.bits >> 2 * i & 0xffffffffu) >= threshold;
        narrow(kept ? d_ys[at.first + i] * scale : 0.0f, d_xs[at.first + i]);
    }
}
