// Depthwise convolution of NHWC images; the lines before define KH and KW. Filters are (tap, channel) in f32. A thread makes VEC
// channels of one pixel.

struct Conv {
    int n, h, w, c, stride_y, stride_x, top, left, out_h, out_w;
};

extern "C" __global__ void __launch_bounds__(THREADS)
depthwise_forward(const Stored* __restrict__ xs, const float* __restrict__ filters, Stored* __restrict__ ys, const Conv p) {
    const size_t packs = p.c / VEC, at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / packs;
    const int channel = (int)(at % packs) * VEC, x = (int)(pixel % p.out_w), y = (int)(pixel / p.out_w % p.out_h);
    const int image = (int)(pixel / p.out_w / p.out_h);
    if (image >= p.n) return;
    float sums[VEC] = {};
#pragma unroll
    for (int i = 0; i < KH; ++i) {
        const int row = y * p.stride_y + i - p.top;
        if (row < 0 || row >= p.h) continue;
#pragma unroll
        for (int j = 0; j < KW; ++j) {
            const int column = x * p.stride_x + j - p.left;
            if (column < 0 || column >= p.w) continue;
            float value[VEC];
            load(xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel, value);
            const float* filter = filters + (i * KW + j) * p.c + channel;
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += value[v] * filter[v];
        }
    }
    store(sums, ys + pixel * p.c + channel);
}

// The gradient of the input: tap (i, j) of window y, x has read the pixel where y * stride + i - top is its row.
extern "C" __global__ void __launch_bounds__(THREADS)
depthwise_backward_data(const Stored* __restrict__ d_ys, const float* __restrict__ filters, Stored* __restrict__ d_xs, const Conv p) {
    const size_t packs = p.c / VEC, at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / packs;
    const int channel = (int)(at % packs) * VEC, column = (int)(pixel % p.w), row = (int)(pixel / p.w % p.h);
    const int image = (int)(pixel / p.w / p.h);
    if (image >= p.n) return;
    float sums[VEC] = {};
#pragma unroll
    for (int i = 0; i < KH; ++i) {
        const int down = row + p.top - i, y = down / p.stride_y;
        if (down < 0 || down % p.stride_y != 0 || y >= p.out_h) continue;
#pragma unroll
        for (int j = 0; j < KW; ++j) {
            const int across = column + p.left - j, x = across / p.stride_x;
            if (across < 0 || across % p.stride_x != 0 || x >= p.out_w) continue;
            float d[VEC];
            load(d_ys + ((size_t)(image * p.out_h + y) * p.out_w + x) * p.c + channel, d);
            const float* filter = filters + (i * KW + j) * p.c + channel;
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += d[v] * filter[v];
        }
    }
    store(sums, d_xs + pixel * p.c + channel);
}

// Partial sums of the filters' gradient, quantity (tap): a channel kernel over output pixels, blockIdx.z the filters' row.
extern "C" __global__ void __launch_bounds__(THREADS)
depthwise_backward_weight(const Stored* __restrict__ xs, const Stored* __restrict__ d_ys, float* __restrict__ partial, const Conv p) {
    const int channel = first_channel(), i = blockIdx.z, pixels = p.n * p.out_h * p.out_w;
    float sums[KW][VEC] = {};
    if (channel < p.c)
        for (int pixel = first_row(); pixel < pixels; pixel += ROW_STEP) {
            const int x = pixel % p.out_w, y = pixel / p.out_w % p.out_h, image = pixel / p.out_w / p.out_h;
            const int row = y * p.stride_y + i - p.top;
            if (row < 0 || row >= p.h) continue;
            float d[VEC];
            load(d_ys + (size_t)pixel * p.c + channel, d);
#pragma unroll
            for (int j = 0; j < KW; ++j) {
                const int column = x * p.stride_x + j - p.left;
                if (column < 0 || column >= p.w) continue;
                float value[VEC];
                load(xs + ((size_t)(image * p.h + row) * p.w + column) * p.c + channel, value);
#pragma unroll
                for (int v = 0; v < VEC; ++v) sums[j][v] += d[v] * value[v];
            }
        }
    for (int j = 0; j < KW; ++j) store_partial(i * KW + j, sums[j], partial, p.c);
}

// (channel, tap), as PyTorch has the weights, from the sums as (tap, channel), or the other way round with rows and columns exchanged.
extern "C" __global__ void __launch_bounds__(THREADS)
depthwise_transpose(const float* __restrict__ xs, float* __restrict__ ys, int rows, int columns) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < rows * columns) ys[at % columns * rows + at / columns] = xs[at];
}
