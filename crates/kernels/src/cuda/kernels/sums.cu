// Sums over rows, for each channel.

// Partial sums of (rows, channels).
extern "C" __global__ void __launch_bounds__(THREADS)
column_sums(const Stored* __restrict__ xs, float* __restrict__ partial, int rows, int channels) {
    const int channel = first_channel();
    float sums[VEC] = {};
    if (channel < channels)
        for (int row = first_row(); row < rows; row += ROW_STEP) {
            float x[VEC];
            load(xs + (size_t)row * channels + channel, x);
#pragma unroll
            for (int v = 0; v < VEC; ++v) sums[v] += x[v];
        }
    store_partial(0, sums, partial, channels);
}

// sums[q][c] from partial[q][blocks][c]: a block of 32 x 16 threads for 32 channels, blockIdx.y the quantity.
extern "C" __global__ void __launch_bounds__(512)
finish_sums(const float* __restrict__ partial, float* __restrict__ sums, int blocks, int channels) {
    const int c = blockIdx.x * 32 + threadIdx.x;
    double sum[1];
    sum_partials(partial + (size_t)blockIdx.y * blocks * channels, blocks, channels, 32, sum);
    if (threadIdx.y == 0 && c < channels) sums[(size_t)blockIdx.y * channels + c] = (float)sum[0];
}
