// Moving and adding elements.

// Every (rows, columns) matrix transposed; 32 x 8 threads for a tile of 32 x 32, blockIdx.z the matrix.
extern "C" __global__ void __launch_bounds__(THREADS)
transpose(const Stored* __restrict__ xs, Stored* __restrict__ ys, int rows, int columns) {
    // One more column, so that the elements of a column lie in different banks.
    __shared__ Stored tile[32][33];
    const size_t matrix = (size_t)blockIdx.z * rows * columns;
    const int row = blockIdx.y * 32, column = blockIdx.x * 32;
    for (int i = threadIdx.y; i < 32; i += 8)
        if (row + i < rows && column + threadIdx.x < columns)
            tile[i][threadIdx.x] = xs[matrix + (size_t)(row + i) * columns + column + threadIdx.x];
    __syncthreads();
    for (int i = threadIdx.y; i < 32; i += 8)
        if (column + i < columns && row + threadIdx.x < rows)
            ys[matrix + (size_t)(column + i) * rows + row + threadIdx.x] = tile[threadIdx.x][i];
}

// ys = xs of another type.
extern "C" __global__ void __launch_bounds__(THREADS)
from_float(const float* __restrict__ xs, Stored* __restrict__ ys, u64 n) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) narrow(xs[i], ys[i]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
to_float(const Stored* __restrict__ xs, float* __restrict__ ys, u64 n) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) ys[i] = widen(xs[i]);
}

// ys = factor xs, VEC elements a thread.
extern "C" __global__ void __launch_bounds__(THREADS)
scaled(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, float factor) {
    const u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (i >= n) return;
    float x[VEC];
    load(xs + i, x);
#pragma unroll
    for (int v = 0; v < VEC; ++v) x[v] *= factor;
    store(x, ys + i);
}

// ys += xs, VEC elements a thread.
extern "C" __global__ void __launch_bounds__(THREADS)
add_to(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n) {
    const u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (i >= n) return;
    float x[VEC], y[VEC];
    load(xs + i, x);
    load(ys + i, y);
#pragma unroll
    for (int v = 0; v < VEC; ++v) y[v] += x[v];
    store(y, ys + i);
}

// ys[row][c] += bias[c]: a channel kernel.
extern "C" __global__ void __launch_bounds__(THREADS)
add_bias(Stored* __restrict__ ys, const float* __restrict__ bias, int rows, int channels) {
    const int channel = first_channel();
    if (channel >= channels) return;
    float b[VEC];
    load_channels(bias + channel, 0.0f, b);
    for (int row = first_row(); row < rows; row += ROW_STEP) {
        float y[VEC];
        load(ys + (size_t)row * channels + channel, y);
#pragma unroll
        for (int v = 0; v < VEC; ++v) y[v] += b[v];
        store(y, ys + (size_t)row * channels + channel);
    }
}

// Of every row `channels` elements from column x_first of xs to column y_first of ys.
extern "C" __global__ void __launch_bounds__(THREADS)
copy_channels(const Stored* __restrict__ xs, int x_stride, int x_first, Stored* __restrict__ ys, int y_stride, int y_first,
              int rows, int channels) {
    const int channel = first_channel();
    if (channel >= channels) return;
    for (int row = first_row(); row < rows; row += ROW_STEP) {
        float x[VEC];
        load(xs + (size_t)row * x_stride + x_first + channel, x);
        store(x, ys + (size_t)row * y_stride + y_first + channel);
    }
}

struct Subsample {
    int n, h, w, c_in, c_out, stride, offset, out_h, out_w;
};

// Every stride-th pixel from pixel `offset` on, zeros beyond the image and in the channels after the first c_in.
extern "C" __global__ void __launch_bounds__(THREADS)
subsample_pad_forward(const Stored* __restrict__ xs, Stored* __restrict__ ys, const Subsample p) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / p.c_out;
    const int c = (int)(at % p.c_out), image = (int)(pixel / p.out_w / p.out_h);
    if (image >= p.n) return;
    const int row = (int)(pixel / p.out_w % p.out_h) * p.stride + p.offset, column = (int)(pixel % p.out_w) * p.stride + p.offset;
    const bool inside = c < p.c_in && row < p.h && column < p.w;
    narrow(inside ? widen(xs[((size_t)(image * p.h + row) * p.w + column) * p.c_in + c]) : 0.0f, ys[at]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
subsample_pad_backward(const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs, const Subsample p) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / p.c_in;
    const int c = (int)(at % p.c_in), image = (int)(pixel / p.w / p.h);
    if (image >= p.n) return;
    const int down = (int)(pixel / p.w % p.h) - p.offset, across = (int)(pixel % p.w) - p.offset;
    const bool taken = down >= 0 && across >= 0 && down % p.stride == 0 && across % p.stride == 0;
    const size_t from = ((size_t)(image * p.out_h + down / p.stride) * p.out_w + across / p.stride) * p.c_out + c;
    narrow(taken ? widen(d_ys[from]) : 0.0f, d_xs[at]);
}

struct Frame {
    int n, h, w, c, top, left, out_h, out_w;
};

// The image in a frame of zeros.
extern "C" __global__ void __launch_bounds__(THREADS)
pad_forward(const Stored* __restrict__ xs, Stored* __restrict__ ys, const Frame p) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / p.c;
    const int image = (int)(pixel / p.out_w / p.out_h);
    if (image >= p.n) return;
    const int row = (int)(pixel / p.out_w % p.out_h) - p.top, column = (int)(pixel % p.out_w) - p.left;
    const bool inside = row >= 0 && row < p.h && column >= 0 && column < p.w;
    narrow(inside ? widen(xs[((size_t)(image * p.h + row) * p.w + column) * p.c + at % p.c]) : 0.0f, ys[at]);
}

// The image without the frame.
extern "C" __global__ void __launch_bounds__(THREADS)
pad_backward(const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs, const Frame p) {
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, pixel = at / p.c;
    const int image = (int)(pixel / p.w / p.h);
    if (image >= p.n) return;
    const int row = (int)(pixel / p.w % p.h) + p.top, column = (int)(pixel % p.w) + p.left;
    d_xs[at] = d_ys[((size_t)(image * p.out_h + row) * p.out_w + column) * p.c + at % p.c];
}
