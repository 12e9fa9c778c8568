// BatchNorm with a residual and an activation behind it: y = f(u), u = (x - mean) scale + beta (+ residual), on (rows, channels).
// The way back makes u again from x in both of its passes. `struct Act` is that of activation.cu.

struct Channels {
    float mean[VEC], scale[VEC], beta[VEC];

    __device__ __forceinline__ void read(const float* mean_, const float* scale_, const float* beta_, int channel) {
        load_channels(mean_ ? mean_ + channel : mean_, 0.0f, mean);
        load_channels(scale_ ? scale_ + channel : scale_, 1.0f, scale);
        load_channels(beta_ ? beta_ + channel : beta_, 0.0f, beta);
    }

    // x - mean in `x`, and u.
    __device__ __forceinline__ void input(const Stored* xs, const Stored* residual, size_t at, float (&x)[VEC], float (&u)[VEC]) const {
        load(xs + at, x);
#pragma unroll
        for (int v = 0; v < VEC; ++v) {
            x[v] -= mean[v];
            u[v] = x[v] * scale[v] + beta[v];
        }
        if (residual) {
            float r[VEC];
            load(residual + at, r);
#pragma unroll
            for (int v = 0; v < VEC; ++v) u[v] += r[v];
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS)
norm_act_forward(const Stored* __restrict__ xs, const Stored* __restrict__ residual, const float* __restrict__ mean,
                 const float* __restrict__ scale, const float* __restrict__ beta, const float* __restrict__ params,
                 Stored* __restrict__ ys, int rows, int channels) {
    const int channel = first_channel();
    if (channel >= channels) return;
    Channels norm;
    norm.read(mean, scale, beta, channel);
    Act act;
    act.read(params, channel, channels);
    for (int row = first_row(); row < rows; row += ROW_STEP) {
        const size_t at = (size_t)row * channels + channel;
        float x[VEC], u[VEC];
        norm.input(xs, residual, at, x, u);
#pragma unroll
        for (int v = 0; v < VEC; ++v) u[v] = act_value(u[v], act.params[v]);
        store(u, ys + at);
    }
}

// What comes of the sums of du, du (x - mean) and the activation's parameters' derivatives, du = d_y f'(u): the parameters' gradients, and
// what the statistics pull at the input: d_x = scale du + pull (x - mean) + term. Frozen statistics do not pull: pull and term are 0. A
// null inv_std stands for 1.
struct Gradients {
    const float *scale, *inv_std;
    float *d_params, *d_gamma, *d_beta, *pull, *term;
    int frozen;

    // From partial sums of `blocks` blocks, for `across` channels from blockIdx.x * across on. All threads call it.
    __device__ __forceinline__ void finish(const float* partial, int blocks, int rows, int channels, int across) const {
        const int thread = threadIdx.y * blockDim.x + threadIdx.x, c = blockIdx.x * across + thread;
        double sums[2 + ACT_PARAMS];
        sum_partials(partial, blocks, channels, across, sums);
        if (thread >= across || c >= channels) return;
        const double d_u = sums[0], d_u_x = sums[1];
        for (int k = 0; k < ACT_PARAMS; ++k) d_params[(size_t)k * channels + c] = (float)sums[2 + k];
        const double inverse = inv_std ? inv_std[c] : 1.0, slope = scale ? scale[c] : 1.0;
        if (d_gamma) d_gamma[c] = (float)(d_u_x * inverse);
        if (d_beta) d_beta[c] = (float)d_u;
        pull[c] = frozen ? 0.0f : (float)(-slope * inverse * inverse * d_u_x / rows);
        term[c] = frozen ? 0.0f : (float)(-slope * d_u / rows);
    }
};

#define GRADIENTS \
    const float *__restrict__ inv_std, float *__restrict__ d_params, float *__restrict__ d_gamma, float *__restrict__ d_beta, \
        float *__restrict__ pull, float *__restrict__ term, int frozen
#define THE_GRADIENTS {scale, inv_std, d_params, d_gamma, d_beta, pull, term, frozen}

// Blocks that a multiprocessor has at the same time at least: otherwise the compiler takes so many registers that too few loads are on
// their way.
#define REDUCE_BLOCKS (BF16 ? 3 : 4)
#define APPLY_BLOCKS (BF16 ? 3 : 1)

// The partial sums; `whole` grids go on to what comes of them.
extern "C" __global__ void __launch_bounds__(THREADS, REDUCE_BLOCKS)
norm_act_reduce(const Stored* __restrict__ xs, const Stored* __restrict__ residual, const Stored* __restrict__ d_ys,
                const float* __restrict__ mean, const float* __restrict__ scale, const float* __restrict__ beta,
                const float* __restrict__ params, float* __restrict__ partial, int rows, int channels, GRADIENTS, int whole) {
    const int channel = first_channel();
    float sums[2 + ACT_PARAMS][VEC] = {};
    if (channel < channels) {
        Channels norm;
        norm.read(mean, scale, beta, channel);
        Act act;
        act.read(params, channel, channels);
        for (int row = first_row(); row < rows; row += ROW_STEP) {
            const size_t at = (size_t)row * channels + channel;
            float x[VEC], u[VEC], d[VEC];
            norm.input(xs, residual, at, x, u);
            load(d_ys + at, d);
#pragma unroll
            for (int v = 0; v < VEC; ++v) {
                float by_param[ACT_PARAMS > 0 ? ACT_PARAMS : 1];
                const float d_u = d[v] * act_slope(u[v], act.params[v], by_param);
                sums[0][v] += d_u;
                sums[1][v] += d_u * x[v];
#pragma unroll
                for (int k = 0; k < ACT_PARAMS; ++k) sums[2 + k][v] += d[v] * by_param[k];
            }
        }
    }
#pragma unroll
    for (int q = 0; q < 2 + ACT_PARAMS; ++q) store_partial(q, sums[q], partial, channels);
    if (!whole || !is_last_block()) return;
    const Gradients gradients = THE_GRADIENTS;
    gradients.finish(partial, gridDim.y, rows, channels, blockDim.x * VEC);
}

// The second stage by itself: a block of 32 x 16 threads for 32 channels.
extern "C" __global__ void __launch_bounds__(512)
norm_act_finish(const float* __restrict__ partial, const float* __restrict__ scale, int blocks, int rows, int channels, GRADIENTS) {
    const Gradients gradients = THE_GRADIENTS;
    gradients.finish(partial, blocks, rows, channels, 32);
}

// d_xs (+)= scale du + pull (x - mean) + term, d_residual (+)= du: those that are wanted.
extern "C" __global__ void __launch_bounds__(THREADS, APPLY_BLOCKS)
norm_act_apply(const Stored* __restrict__ xs, const Stored* __restrict__ residual, const Stored* __restrict__ d_ys,
               const float* __restrict__ mean, const float* __restrict__ scale, const float* __restrict__ beta,
               const float* __restrict__ params, const float* __restrict__ pull, const float* __restrict__ term,
               Stored* __restrict__ d_xs, Stored* __restrict__ d_residual, int rows, int channels, int add,
               int add_residual) {
    const int channel = first_channel();
    if (channel >= channels) return;
    Channels norm;
    norm.read(mean, scale, beta, channel);
    Act act;
    act.read(params, channel, channels);
    float pulls[VEC], terms[VEC];
    load_channels(pull + channel, 0.0f, pulls);
    load_channels(term + channel, 0.0f, terms);
    for (int row = first_row(); row < rows; row += ROW_STEP) {
        const size_t at = (size_t)row * channels + channel;
        float x[VEC], u[VEC], d[VEC];
        norm.input(xs, residual, at, x, u);
        load(d_ys + at, d);
#pragma unroll
        for (int v = 0; v < VEC; ++v) {
            float by_param[ACT_PARAMS > 0 ? ACT_PARAMS : 1];
            d[v] *= act_slope(u[v], act.params[v], by_param);
        }
        if (d_residual) {
            float r[VEC] = {};
            if (add_residual) load(d_residual + at, r);
#pragma unroll
            for (int v = 0; v < VEC; ++v) r[v] += d[v];
            store(r, d_residual + at);
        }
        if (!d_xs) continue;
#pragma unroll
        for (int v = 0; v < VEC; ++v) x[v] = d[v] * norm.scale[v] + (x[v] * pulls[v] + terms[v]);
        if (add) {
            load(d_xs + at, d);
#pragma unroll
            for (int v = 0; v < VEC; ++v) x[v] += d[v];
        }
        store(x, d_xs + at);
    }
}
