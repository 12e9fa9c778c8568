// Rows of a table (vocabulary, width).

// ys[token] = scale table[ids[token]], zeros for the padding's id, plus the signal of the token's position, (positions, width), where there
// is one; a block a token.
extern "C" __global__ void __launch_bounds__(THREADS)
embedding_forward(const u32* __restrict__ ids, const float* __restrict__ table, const float* __restrict__ signal,
                  Stored* __restrict__ ys, int positions, int width, float scale, u32 padding) {
    const u32 id = ids[blockIdx.x];
    const size_t to = (size_t)blockIdx.x * width, from = (size_t)id * width;
    if (signal) signal += (size_t)(blockIdx.x % positions) * width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        const float term = signal ? signal[i] : 0.0f;
        narrow(id == padding ? term : fmaf(scale, table[from + i], term), ys[to + i]);
    }
}

// The tokens of one id, added up in their order: those of rows[blockIdx.x] are tokens[starts[blockIdx.x]..starts[blockIdx.x + 1]].
// Other rows of d_table stay as they are; there may be more blocks than rows, which have no tokens.
extern "C" __global__ void __launch_bounds__(THREADS)
embedding_backward(const u32* __restrict__ rows, const u32* __restrict__ starts, const u32* __restrict__ tokens,
                   const Stored* __restrict__ d_ys, float* __restrict__ d_table, int width, float scale) {
    const u32 first = starts[blockIdx.x], last = starts[blockIdx.x + 1];
    if (first == last) return;
    const size_t to = (size_t)rows[blockIdx.x] * width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float sum = 0.0f;
        for (u32 t = first; t < last; ++t) sum += widen(d_ys[(size_t)tokens[t] * width + i]);
        d_table[to + i] += scale * sum;
    }
}
