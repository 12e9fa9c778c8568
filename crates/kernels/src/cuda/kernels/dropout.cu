// ys = xs mask / (1 - p), also the way back. The mask is a function of the seed and the element's index alone: of 32 elements the first
// 16 take the low halves of 16 random numbers, the others the high ones; an element is kept where its 32 bits reach the threshold.
// With `by_row` every row of n elements, blockIdx.y, has the stream of its number for its seed.
extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, u64 seed, u64 threshold, float scale, int by_row) {
    xs += blockIdx.y * n, ys += blockIdx.y * n;
    if (by_row) seed = random_at(seed, blockIdx.y);
    const u64 number = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 i = number / 16 * 32 + number % 16;
    if (i >= n) return;
    const u64 bits = random_at(seed, number);
    narrow((bits & 0xffffffffu) >= threshold ? widen(xs[i]) * scale : 0.0f, ys[i]);
    if (i + 16 < n) narrow((bits >> 32) >= threshold ? widen(xs[i + 16]) * scale : 0.0f, ys[i + 16]);
}
