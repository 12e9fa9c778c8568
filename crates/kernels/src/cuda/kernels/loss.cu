// Softmax cross-entropy with label smoothing; a block a row of (n, classes) logits.

// A row of this target has no part in the loss.
#define IGNORED 0xffffffffu

// losses[row], and d_logits = weight times the gradient of the sum of losses / count[0]. Another target that is no class gives NaN.
extern "C" __global__ void __launch_bounds__(THREADS)
softmax_cross_entropy(const Stored* __restrict__ logits, const u32* __restrict__ targets, float* __restrict__ losses,
                      Stored* __restrict__ d_logits, int classes, float smoothing, const float* __restrict__ count, float weight) {
    const size_t first = (size_t)blockIdx.x * classes;
    const u32 target = targets[blockIdx.x];
    if (target >= (u32)classes) {
        const float fill = target == IGNORED ? 0.0f : NAN;
        if (threadIdx.x == 0) losses[blockIdx.x] = fill;
        if (d_logits)
            for (int i = threadIdx.x; i < classes; i += blockDim.x) narrow(fill, d_logits[first + i]);
        return;
    }
    float max = -INFINITY;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) max = fmaxf(max, widen(logits[first + i]));
    max = block_max(max);
    float sum = 0.0f, below = 0.0f;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        const float z = widen(logits[first + i]) - max;
        sum += expf(z);
        below += z;
    }
    sum = block_sum(sum);
    below = block_sum(below);
    if (threadIdx.x == 0) {
        // Differences from the maximum, so that nothing large cancels.
        const float to_target = logf(sum) - (widen(logits[first + target]) - max);
        const float to_all = logf(sum) - below / classes;
        losses[blockIdx.x] = smoothing == 0.0f ? to_target : (1.0f - smoothing) * to_target + smoothing * to_all;
    }
    if (!d_logits) return;
    const float scale = 1.0f / (sum * count[0]), floor = smoothing / (classes * count[0]), at_target = (1.0f - smoothing) / count[0];
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        const float d = expf(widen(logits[first + i]) - max) * scale - floor;
        narrow(weight * (i == target ? d - at_target : d), d_logits[first + i]);
    }
}

// mean[0] = sum of losses / count[0], in double precision; one block.
extern "C" __global__ void __launch_bounds__(THREADS)
mean_loss(const float* __restrict__ losses, float* __restrict__ mean, int n, const float* __restrict__ count) {
    double sum = 0.0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += losses[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) mean[0] = (float)(sum / count[0]);
}

// The next of `totals` is losses[0] + weight losses[1] - least, without the second where its weight is 0. `state` is how many there are,
// and 1 where one was not finite.
extern "C" __global__ void __launch_bounds__(THREADS)
total_loss(const float* __restrict__ losses, float* __restrict__ totals, u32 room, u32* __restrict__ state, float weight, float least) {
    if (threadIdx.x != 0) return;
    const float loss = (weight == 0.0f ? losses[0] : losses[0] + weight * losses[1]) - least;
    const u32 count = state[0];
    if (count < room) totals[count] = loss;
    state[0] = count + 1;
    if (!(fabsf(loss) < INFINITY)) state[1] = 1;
}
