// Optimizer steps over flat slices of all parameters, one launch a step. The parameters lie in groups, of which each has its L2
// penalty: group k from element starts[k] up to that of the next. What changes from step to step is read from memory, `numbers`, so that
// a launch can be recorded and started again: the rate, Adam's root, and 1 less the decay of averages.

struct Groups {
    const u32* starts;
    const float* decays;
    int count;

    // The penalty of element i.
    __device__ __forceinline__ float decay(u32 i) const {
        int low = 0, high = count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            if (starts[middle] <= i) low = middle;
            else high = middle;
        }
        return decays[low];
    }
};

// What comes before and after every rule: the gradient with its penalty, times the factor of clipping where there is one; the weight,
// and its moving average where it is kept.
struct Slices {
    float* w;
    const float* g;
    const float* clip;
    float* average;
    float rest;

    __device__ __forceinline__ float gradient(u32 i, const Groups& groups) const {
        const float g_i = g[i] + groups.decay(i) * w[i];
        return clip ? clip[0] * g_i : g_i;
    }
    __device__ __forceinline__ void put(u32 i, float value) const {
        w[i] = value;
        if (average) average[i] -= rest * (average[i] - value);
    }
};

#define SLICES \
    float *__restrict__ w, const float *__restrict__ g, const float *__restrict__ clip, float *__restrict__ average, \
        const u32 *__restrict__ stop, const u32 *__restrict__ starts, const float *__restrict__ decays, int count, u32 n, \
        const float *__restrict__ numbers
// Nothing is changed where `stop` says so.
#define EACH_ELEMENT                                    \
    if (*stop) return;                                  \
    const Groups groups = {starts, decays, count};      \
    const Slices s = {w, g, clip, average, numbers[2]}; \
    const float rate = numbers[0];                      \
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)

extern "C" __global__ void __launch_bounds__(THREADS)
sgd(SLICES, float* __restrict__ momentum_buf, float momentum, int nesterov) {
    EACH_ELEMENT {
        const float d = s.gradient(i, groups), buf = momentum * momentum_buf[i] + d;
        momentum_buf[i] = buf;
        s.put(i, w[i] - rate * (nesterov ? d + momentum * buf : buf));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
rms_prop(SLICES, float* __restrict__ mean_square, float* __restrict__ momentum_buf, float decay, float new_share, float momentum,
         float epsilon) {
    EACH_ELEMENT {
        const float d = s.gradient(i, groups), ms = decay * mean_square[i] + new_share * (d * d);
        const float buf = momentum * momentum_buf[i] + rate * d / sqrtf(ms + epsilon);
        mean_square[i] = ms;
        momentum_buf[i] = buf;
        s.put(i, w[i] - buf);
    }
}

// The rate is lr / (1 - beta1^t), the root 1 / sqrt(1 - beta2^t).
extern "C" __global__ void __launch_bounds__(THREADS)
adam(SLICES, float* __restrict__ mean, float* __restrict__ mean_square, float epsilon, float beta1, float share1, float beta2,
     float share2) {
    const float root = numbers[1];
    EACH_ELEMENT {
        const float d = s.gradient(i, groups), m = beta1 * mean[i] + share1 * d, v = beta2 * mean_square[i] + share2 * (d * d);
        mean[i] = m;
        mean_square[i] = v;
        s.put(i, w[i] - rate * m / (sqrtf(v) * root + epsilon));
    }
}

// Partial sums of the squares of the gradient with its penalty, one a block.
extern "C" __global__ void __launch_bounds__(THREADS)
gradient_squares(const float* __restrict__ w, const float* __restrict__ g, const u32* __restrict__ starts,
                 const float* __restrict__ decays, int count, u32 n, double* __restrict__ partial) {
    const Groups groups = {starts, decays, count};
    double sum = 0.0;
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const double d = (double)g[i] + (double)groups.decay(i) * (double)w[i];
        sum += d * d;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// What the gradient is multiplied by so that its norm is at most `limit`; one block.
extern "C" __global__ void __launch_bounds__(THREADS)
clip_factor(const double* __restrict__ partial, int blocks, float limit, float* __restrict__ factor) {
    double sum = 0.0;
    for (int b = threadIdx.x; b < blocks; b += blockDim.x) sum += partial[b];
    const double norm = sqrt(block_sum(sum));
    if (threadIdx.x == 0) factor[0] = norm > (double)limit ? (float)((double)limit / norm) : 1.0f;
}

// averages -= rest (averages - xs), unless `stop` says otherwise.
extern "C" __global__ void __launch_bounds__(THREADS)
ema(const float* __restrict__ xs, float* __restrict__ averages, const u32* __restrict__ stop, u32 n, const float* __restrict__ numbers) {
    if (*stop) return;
    const float rest = numbers[2];
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        averages[i] -= rest * (averages[i] - xs[i]);
}
