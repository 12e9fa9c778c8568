// Pooling of NHWC images. A thread makes VEC channels of one pixel; ways back gather, so nothing is added by two threads.

#define NO_CELL 0xffffffffu

struct Pool {
    int n, h, w, c, kh, kw, stride_y, stride_x, top, left, out_h, out_w, count_padding;

    // Cells of the image under the window of an output pixel: rows from[0]..to[0], columns from[1]..to[1].
    __device__ __forceinline__ void window(int y, int x, int (&from)[2], int (&to)[2]) const {
        const int row = y * stride_y - top, column = x * stride_x - left;
        from[0] = max(row, 0), to[0] = max(min(row + kh, h), from[0]);
        from[1] = max(column, 0), to[1] = max(min(column + kw, w), from[1]);
    }

    // What the sum of a window is multiplied by for its average.
    __device__ __forceinline__ float weight(int y, int x) const {
        int from[2], to[2];
        window(y, x, from, to);
        return 1.0f / (count_padding ? kh * kw : max((to[0] - from[0]) * (to[1] - from[1]), 1));
    }

    // The windows over a cell, clipped to those that exist.
    __device__ __forceinline__ void windows(int row, int column, int (&from)[2], int (&to)[2]) const {
        const int y = row + top, x = column + left;
        from[0] = y < kh ? 0 : (y - kh) / stride_y + 1, to[0] = min(y / stride_y + 1, out_h);
        from[1] = x < kw ? 0 : (x - kw) / stride_x + 1, to[1] = min(x / stride_x + 1, out_w);
    }
};

// The image, pixel and first channel of this thread, where `height` x `width` are the pixels; false beyond the last.
__device__ __forceinline__ bool place(const Pool& p, int height, int width, int& image, int& y, int& x, int& channel) {
    const size_t packs = p.c / VEC, at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / packs;
    channel = (int)(at % packs) * VEC;
    x = (int)(pixel % width), y = (int)(pixel / width % height);
    image = (int)(pixel / width / height);
    return image < p.n;
}

// The first of equal ones wins, and the first NaN.
extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_forward(const Stored* __restrict__ xs, Stored* __restrict__ ys, u32* __restrict__ argmax, const Pool p) {
    int image, y, x, channel, from[2], to[2];
    if (!place(p, p.out_h, p.out_w, image, y, x, channel)) return;
    p.window(y, x, from, to);
    float best[VEC];
    u32 cells[VEC];
#pragma unroll
    for (int v = 0; v < VEC; ++v) best[v] = -INFINITY, cells[v] = NO_CELL;
    for (int row = from[0]; row < to[0]; ++row)
        for (int column = from[1]; column < to[1]; ++column) {
            float value[VEC];
            load(xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel, value);
#pragma unroll
            for (int v = 0; v < VEC; ++v)
                if (cells[v] == NO_CELL || value[v] > best[v] || (value[v] != value[v] && best[v] == best[v]))
                    best[v] = value[v], cells[v] = row * p.w + column;
        }
    const size_t at = ((size_t)(image * p.out_h + y) * p.out_w + x) * p.c + channel;
    store(best, ys + at);
#pragma unroll
    for (int v = 0; v < VEC; ++v) argmax[at + v] = cells[v];
}

extern "C" __global__ void __launch_bounds__(THREADS)
max_pool_backward(const u32* __restrict__ argmax, const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs, const Pool p) {
    int image, row, column, channel, from[2], to[2];
    if (!place(p, p.h, p.w, image, row, column, channel)) return;
    p.windows(row, column, from, to);
    float sums[VEC] = {};
    for (int y = from[0]; y < to[0]; ++y)
        for (int x = from[1]; x < to[1]; ++x) {
            const size_t at = ((size_t)(image * p.out_h + y) * p.out_w + x) * p.c + channel;
            float d[VEC];
            load(d_ys + at, d);
#pragma unroll
            for (int v = 0; v < VEC; ++v)
                if (argmax[at + v] == row * p.w + column) sums[v] += d[v];
        }
    store(sums, d_xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel);
}

extern "C" __global__ void __launch_bounds__(THREADS)
avg_pool_forward(const Stored* __restrict__ xs, Stored* __restrict__ ys, const Pool p) {
    int image, y, x, channel, from[2], to[2];
    if (!place(p, p.out_h, p.out_w, image, y, x, channel)) return;
    p.window(y, x, from, to);
    float sums[VEC] = {};
    for (int row = from[0]; row < to[0]; ++row)
        for (int column = from[1]; column < to[1]; ++column) {
            float value[VEC];
            load(xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel, value);
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += value[v];
        }
    const float weight = p.weight(y, x);
#pragma unroll
    for (int v = 0; v < VEC; ++v) sums[v] *= weight;
    store(sums, ys + ((size_t)(image * p.out_h + y) * p.out_w + x) * p.c + channel);
}

extern "C" __global__ void __launch_bounds__(THREADS)
avg_pool_backward(const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs, const Pool p) {
    int image, row, column, channel, from[2], to[2];
    if (!place(p, p.h, p.w, image, row, column, channel)) return;
    p.windows(row, column, from, to);
    float sums[VEC] = {};
    for (int y = from[0]; y < to[0]; ++y)
        for (int x = from[1]; x < to[1]; ++x) {
            float d[VEC];
            load(d_ys + ((size_t)(image * p.out_h + y) * p.out_w + x) * p.c + channel, d);
            const float weight = p.weight(y, x);
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += d[v] * weight;
        }
    store(sums, d_xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel);
}

// ys (n, c) as float, which may start anywhere, from xs (n, pixels, c); a channel kernel with blockIdx.z the image and gridDim.y 1.
extern "C" __global__ void __launch_bounds__(THREADS)
global_avg_forward(const Stored* __restrict__ xs, float* __restrict__ ys, int pixels, int channels) {
    const int channel = first_channel();
    float sums[VEC] = {};
    if (channel < channels)
        for (int pixel = first_row(); pixel < pixels; pixel += ROW_STEP) {
            float x[VEC];
            load(xs + ((size_t)blockIdx.z * pixels + pixel) * channels + channel, x);
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += x[v];
        }
    const float sum = sum_over_rows(sums);
    const int thread = threadIdx.y * blockDim.x + threadIdx.x, mine = blockIdx.x * blockDim.x * VEC + thread;
    if (thread < blockDim.x * VEC && mine < channels) ys[(size_t)blockIdx.z * channels + mine] = sum / pixels;
}

extern "C" __global__ void __launch_bounds__(THREADS)
global_avg_backward(const float* __restrict__ d_ys, Stored* __restrict__ d_xs, int pixels, int channels) {
    const int channel = first_channel();
    if (channel >= channels) return;
    float d[VEC];
    load_channels(d_ys + (size_t)blockIdx.z * channels + channel, 0.0f, d);
#pragma unroll
    for (int v = 0; v < VEC; ++v) d[v] /= pixels;
    for (int pixel = first_row(); pixel < pixels; pixel += ROW_STEP)
        store(d, d_xs + ((size_t)blockIdx.z * pixels + pixel) * channels + channel);
}
