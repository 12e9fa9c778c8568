// LayerNorm of rows: y = gamma (x - mean) inv_std + beta. A block a row.

extern "C" __global__ void __launch_bounds__(THREADS)
layer_norm_forward(const Stored* __restrict__ xs, const float* __restrict__ gamma, const float* __restrict__ beta,
                   Stored* __restrict__ ys, float* __restrict__ means, float* __restrict__ inv_stds, int width, float epsilon) {
    const size_t first = (size_t)blockIdx.x * width;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < width; i += blockDim.x) sum += widen(xs[first + i]);
    const float near = block_sum(sum) / width;
    float rest = 0.0f, square = 0.0f;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        const float d = widen(xs[first + i]) - near;
        rest += d;
        square += d * d;
    }
    rest = block_sum(rest) / width;
    square = block_sum(square) / width;
    const float mean = near + rest, inv_std = 1.0f / sqrtf(square - rest * rest + epsilon);
    if (threadIdx.x == 0) means[blockIdx.x] = mean, inv_stds[blockIdx.x] = inv_std;
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        narrow((widen(xs[first + i]) - mean) * inv_std * gamma[i] + beta[i], ys[first + i]);
}

extern "C" __global__ void __launch_bounds__(THREADS)
layer_norm_backward(const Stored* __restrict__ xs, const float* __restrict__ means, const float* __restrict__ inv_stds,
                    const float* __restrict__ gamma, const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs, int width) {
    const size_t first = (size_t)blockIdx.x * width;
    const float mean = means[blockIdx.x], inv_std = inv_stds[blockIdx.x];
    float of_g = 0.0f, of_product = 0.0f;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        const float g = widen(d_ys[first + i]) * gamma[i];
        of_g += g;
        of_product += g * ((widen(xs[first + i]) - mean) * inv_std);
    }
    of_g = block_sum(of_g) / width;
    of_product = block_sum(of_product) / width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        const float xhat = (widen(xs[first + i]) - mean) * inv_std;
        narrow(inv_std * (widen(d_ys[first + i]) * gamma[i] - of_g - xhat * of_product), d_xs[first + i]);
    }
}

// Partial sums of d_y xhat and d_y over the rows: a channel kernel.
extern "C" __global__ void __launch_bounds__(THREADS)
layer_norm_reduce(const Stored* __restrict__ xs, const float* __restrict__ means, const float* __restrict__ inv_stds,
                  const Stored* __restrict__ d_ys, float* __restrict__ partial, int rows, int width) {
    const int channel = first_channel();
    float of_gamma[VEC] = {}, of_beta[VEC] = {};
    if (channel < width)
        for (int row = first_row(); row < rows; row += ROW_STEP) {
            const size_t at = (size_t)row * width + channel;
            const float mean = means[row], inv_std = inv_stds[row];
            float x[VEC], d[VEC];
            load(xs + at, x);
            load(d_ys + at, d);
#pragma unroll
            for (int v = 0; v < VEC; ++v) {
                of_gamma[v] += d[v] * ((x[v] - mean) * inv_std);
                of_beta[v] += d[v];
            }
        }
    store_partial(0, of_gamma, partial, width);
    store_partial(1, of_beta, partial, width);
}
