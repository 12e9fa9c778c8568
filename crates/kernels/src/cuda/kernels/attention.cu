// Softmax of attention scores (batch, heads, queries, keys): of each row scale * score over the keys that the query may see, the first
// lengths[batch] ones (all without lengths) and, where causal, none after the query's own place. Others get 0, as does every key of
// a row that sees none. A block a row.
extern "C" __global__ void __launch_bounds__(THREADS)
attention_softmax_forward(const Stored* __restrict__ xs, const u32* __restrict__ lengths, Stored* __restrict__ ys, int heads,
                          int queries, int keys, float scale, int causal) {
    const size_t first = (size_t)blockIdx.x * keys;
    const int query = blockIdx.x % queries;
    int seen = lengths ? min((int)lengths[blockIdx.x / queries / heads], keys) : keys;
    if (causal) seen = min(seen, query + 1);
    float max = -INFINITY;
    for (int i = threadIdx.x; i < seen; i += blockDim.x) max = fmaxf(max, scale * widen(xs[first + i]));
    max = block_max(max);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < seen; i += blockDim.x) sum += expf(scale * widen(xs[first + i]) - max);
    const float inverse = 1.0f / block_sum(sum);
    for (int i = threadIdx.x; i < keys; i += blockDim.x) {
        const float y = i < seen ? expf(scale * widen(xs[first + i]) - max) * inverse : 0.0f;
        narrow(y, ys[first + i]);
    }
}

// d_xs = scale y (d_y - sum(d_y y)).
extern "C" __global__ void __launch_bounds__(THREADS)
attention_softmax_backward(const Stored* __restrict__ ys, const Stored* __restrict__ d_ys, Stored* __restrict__ d_xs,
                           int keys, float scale) {
    const size_t first = (size_t)blockIdx.x * keys;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < keys; i += blockDim.x) sum += widen(ys[first + i]) * widen(d_ys[first + i]);
    sum = block_sum(sum);
    for (int i = threadIdx.x; i < keys; i += blockDim.x)
        narrow(scale * widen(ys[first + i]) * (widen(d_ys[first + i]) - sum), d_xs[first + i]);
}

// Attention of single queries. That of a row, its first heads * size channels of `stride`, sees the rows of kv (keys of all heads, then
// values) that its `most` places begin with, seen[row] of them. `weights` (rows, heads, most) is for in between. A block a row and head.
extern "C" __global__ void __launch_bounds__(THREADS)
attention_single(const Stored* __restrict__ q, const Stored* __restrict__ kv, const u32* __restrict__ places,
                 const u32* __restrict__ seen, float* __restrict__ weights, Stored* __restrict__ ys, int heads, int size, int stride,
                 int most, float scale) {
    const int row = blockIdx.x / heads, first = blockIdx.x % heads * size, width = heads * size, n = seen[row];
    q += (size_t)row * stride + first;
    kv += first;
    places += (size_t)row * most;
    weights += (size_t)blockIdx.x * most;
    float max = -INFINITY;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const Stored* key = kv + (size_t)places[i] * 2 * width;
        float sum = 0.0f;
        for (int j = 0; j < size; ++j) sum += widen(q[j]) * widen(key[j]);
        weights[i] = scale * sum;
        max = fmaxf(max, weights[i]);
    }
    max = block_max(max);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += expf(weights[i] - max);
    const float inverse = 1.0f / block_sum(sum);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        // Rounded as those of whole sentences are.
        Stored weight;
        narrow(expf(weights[i] - max) * inverse, weight);
        weights[i] = widen(weight);
    }
    __syncthreads();
    for (int j = threadIdx.x; j < size; j += blockDim.x) {
        float y = 0.0f;
        for (int i = 0; i < n; ++i) y += weights[i] * widen(kv[(size_t)places[i] * 2 * width + width + j]);
        narrow(y, ys[(size_t)row * width + first + j]);
    }
}

// Where element i of (batch, heads, tokens, size) lies in rows (batch, tokens, stride) that have all heads' channels from `first` on.
__device__ __forceinline__ size_t in_rows(size_t i, int heads, int tokens, int size, int stride, int first) {
    const size_t row = i / size, head = row / tokens;
    return (head / heads * tokens + row % tokens) * stride + first + head % heads * size + i % size;
}

// ys (batch, heads, tokens, size) from rows.
extern "C" __global__ void __launch_bounds__(THREADS)
heads_apart(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, int heads, int tokens, int size, int stride, int first) {
    const u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (i >= n) return;
    float x[VEC];
    load(xs + in_rows(i, heads, tokens, size, stride, first), x);
    store(x, ys + i);
}

// The way back; other channels of the rows stay as they are.
extern "C" __global__ void __launch_bounds__(THREADS)
heads_together(const Stored* __restrict__ xs, Stored* __restrict__ ys, u64 n, int heads, int tokens, int size, int stride, int first) {
    const u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (i >= n) return;
    float x[VEC];
    load(xs + i, x);
    store(x, ys + in_rows(i, heads, tokens, size, stride, first));
}
