// ys = xs mask / (1 - p), also the way back. The mask is a function of the seed and the element's index alone: of 32 elements the first
// 16 take the low halves of 16 random numbers, the others the high ones; an element is kept where its 32 bits reach the threshold.
// blockIdx.y is the row, of n elements; where `streams` is set each has the seed random_at(seed, row).
extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, u64 seed, int streams, u64 threshold, float scale) {
    const u64 number = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 i = number / 16 * 32 + number % 16;
    if (i >= n) return;
    const u64 bits = random_at(streams ? random_at(seed, blockIdx.y) : seed, number);
    xs += blockIdx.y * n, ys += blockIdx.y * n;
    narrow((bits & 0xffffffffu) >= threshold ? widen(xs[i]) * scale : 0.0f, ys[i]);
    if (i + 16 < n) narrow((bits >> 32) >= threshold ? widen(xs[i + 16]) * scale : 0.0f, ys[i + 16]);
}
