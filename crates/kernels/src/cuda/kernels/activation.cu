// Activation functions, element by element. The lines before define ACT_PARAMS, act_value and act_slope.

struct Act {
    float params[VEC][ACT_PARAMS > 0 ? ACT_PARAMS : 1];

    // Parameter k of channel c is params[k * channels + c].
    __device__ __forceinline__ void read(const float* table, int channel, int channels) {
#pragma unroll
        for (int k = 0; k < ACT_PARAMS; ++k) {
            float values[VEC];
            load_channels(table + (size_t)k * channels + channel, 0.0f, values);
#pragma unroll
            for (int v = 0; v < VEC; ++v) params[v][k] = values[v];
        }
    }
};

// ys = f(xs). Without parameters the channels do not matter and `channels` is VEC.
extern "C" __global__ void __launch_bounds__(THREADS)
act_forward(const Stored* __restrict__ xs, const float* __restrict__ params, Stored* __restrict__ ys, int rows, int channels) {
    const int channel = first_channel();
    if (channel >= channels) return;
    Act act;
    act.read(params, channel, channels);
    for (int row = first_row(); row < rows; row += ROW_STEP) {
        const size_t at = (size_t)row * channels + channel;
        float x[VEC];
        load(xs + at, x);
#pragma unroll
        for (int v = 0; v < VEC; ++v) x[v] = act_value(x[v], act.params[v]);
        store(x, ys + at);
    }
}

// d_xs = d_ys f'(xs), and partial sums of the parameters' derivatives.
extern "C" __global__ void __launch_bounds__(THREADS)
act_backward(const Stored* __restrict__ xs, const float* __restrict__ params, const Stored* __restrict__ d_ys,
             Stored* __restrict__ d_xs, float* __restrict__ partial, int rows, int channels) {
    const int channel = first_channel();
    float sums[ACT_PARAMS > 0 ? ACT_PARAMS : 1][VEC] = {};
    if (channel < channels) {
        Act act;
        act.read(params, channel, channels);
        for (int row = first_row(); row < rows; row += ROW_STEP) {
            const size_t at = (size_t)row * channels + channel;
            float x[VEC], d[VEC];
            load(xs + at, x);
            load(d_ys + at, d);
#pragma unroll
            for (int v = 0; v < VEC; ++v) {
                float by_param[ACT_PARAMS > 0 ? ACT_PARAMS : 1];
                x[v] = d[v] * act_slope(x[v], act.params[v], by_param);
#pragma unroll
                for (int k = 0; k < ACT_PARAMS; ++k) sums[k][v] += d[v] * by_param[k];
            }
            store(x, d_xs + at);
        }
    }
#pragma unroll
    for (int k = 0; k < ACT_PARAMS; ++k) store_partial(k, sums[k], partial, channels);
}
