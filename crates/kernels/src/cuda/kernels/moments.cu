// Mean and variance of each channel of (rows, channels), for BatchNorm.

// Packs of a map that a thread asks for before it opens the first.
#define AT_ONCE 4

// What a norm keeps of a batch: mean, 1 / sqrt(variance + epsilon) and gamma times it; the running statistics, which it moves, have an
// unbiased variance.
struct Statistics {
    const float* gamma;
    float *mean, *inv_std, *scale, *running_mean, *running_var;
    float epsilon, momentum;

    // From partial sums of `blocks` blocks, for `across` channels from blockIdx.x * across on. All threads call it.
    __device__ __forceinline__ void finish(const Stored* xs, const float* partial, int blocks, int rows, int channels, int across) const {
        const int thread = threadIdx.y * blockDim.x + threadIdx.x, c = blockIdx.x * across + thread;
        double sums[2];
        sum_partials(partial, blocks, channels, across, sums);
        if (thread >= across || c >= channels) return;
        const double rest = sums[0] / rows, center = (double)widen(xs[c]) + rest;
        const double var = sums[1] / rows - rest * rest;
        const double inverse = 1.0 / sqrt((var > 0.0 || var != var ? var : 0.0) + (double)epsilon);
        mean[c] = (float)center;
        inv_std[c] = (float)inverse;
        scale[c] = (float)(inverse * (gamma ? gamma[c] : 1.0f));
        if (running_mean) {
            const double keep = 1.0 - (double)momentum, unbiased = rows / (rows > 1 ? rows - 1.0 : 1.0);
            running_mean[c] = (float)(keep * running_mean[c] + (double)momentum * center);
            running_var[c] = (float)(keep * running_var[c] + (double)momentum * var * unbiased);
        }
    }
};

#define STATISTICS \
    const float *__restrict__ gamma, float *__restrict__ mean, float *__restrict__ inv_std, float *__restrict__ scale, \
        float *__restrict__ running_mean, float *__restrict__ running_var, float epsilon, float momentum
#define THE_STATISTICS {gamma, mean, inv_std, scale, running_mean, running_var, epsilon, momentum}

// Partial sums of x - pivot and its square; the pivot is the channel's first value, so that a mean that is large beside the
// deviation costs few digits. `whole` grids go on to the statistics. With more than four blocks a multiprocessor the compiler would ask
// for one pack after the other.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
norm_moments(const Stored* __restrict__ xs, float* __restrict__ partial, int rows, int channels, STATISTICS, int whole) {
    const int channel = first_channel();
    float sums[VEC] = {}, squares[VEC] = {};
    if (channel < channels) {
        float pivot[VEC];
        load(xs + channel, pivot);
        const auto add = [&](const Pack<Stored>& pack) {
            float x[VEC];
            open(pack, x);
#pragma unroll
            for (int v = 0; v < VEC; ++v) {
                const float d = x[v] - pivot[v];
                sums[v] += d;
                squares[v] += d * d;
            }
        };
        const int step = ROW_STEP;
        int row = first_row();
        for (; rows - row > (AT_ONCE - 1) * step; row += AT_ONCE * step) {
            Pack<Stored> packs[AT_ONCE];
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) packs[i] = take(xs + (size_t)(row + i * step) * channels + channel);
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) add(packs[i]);
        }
        for (; row < rows; row += step) add(take(xs + (size_t)row * channels + channel));
    }
    store_partial(0, sums, partial, channels);
    store_partial(1, squares, partial, channels);
    if (!whole || !is_last_block()) return;
    const Statistics statistics = THE_STATISTICS;
    statistics.finish(xs, partial, gridDim.y, rows, channels, blockDim.x * VEC);
}

// The second stage by itself: a block of 32 x 16 threads for 32 channels.
extern "C" __global__ void __launch_bounds__(512)
norm_statistics(const Stored* __restrict__ xs, const float* __restrict__ partial, int blocks, int rows, int channels, STATISTICS) {
    const Statistics statistics = THE_STATISTICS;
    statistics.finish(xs, partial, blocks, rows, channels, 32);
}

// inv_std and scale from running statistics.
extern "C" __global__ void __launch_bounds__(THREADS)
norm_running(const float* __restrict__ running_var, const float* __restrict__ gamma, float* __restrict__ inv_std,
             float* __restrict__ scale, int channels, float epsilon) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    const double inverse = 1.0 / sqrt((double)running_var[c] + (double)epsilon);
    inv_std[c] = (float)inverse;
    scale[c] = (float)(inverse * (gamma ? gamma[c] : 1.0f));
}
