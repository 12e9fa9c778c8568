// Augmentation of images of bytes (count, h, w, 3) to normalised (n, h, w, 3): flip, pad, crop back to size at a random place.
// A block an image; the random numbers are those of the CPU's generator for the same seed.

// xoshiro256++, seeded by SplitMix64.
struct Generator {
    u64 s[4];

    __device__ explicit Generator(u64 seed) {
        for (int i = 0; i < 4; ++i) s[i] = random_at(seed, i);
    }
    __device__ static u64 rotated(u64 x, int by) { return (x << by) | (x >> (64 - by)); }
    __device__ u64 next() {
        const u64 result = rotated(s[0] + s[3], 23) + s[0], t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotated(s[3], 45);
        return result;
    }
    // Uniform among 0..n without bias.
    __device__ u32 below(u64 n) {
        for (;;) {
            const u64 bits = next(), low = bits * n;
            if (low >= n || low >= (0 - n) % n) return (u32)__umul64hi(bits, n);
        }
    }
};

struct Augment {
    int h, w, pad, reflect, crop, flip, per_image;
    float mean[3], std[3];

    // The index in an axis of length n that a place of the padded axis shows; -1 is a zero.
    __device__ __forceinline__ int source(int padded, int n) const {
        const int i = padded - pad;
        if (i >= 0 && i < n) return i;
        return !reflect ? -1 : i < 0 ? -i : 2 * (n - 1) - i;
    }
};

extern "C" __global__ void __launch_bounds__(THREADS)
augment(const u8* __restrict__ images, const u32* __restrict__ indices, const u64* __restrict__ seeds, Stored* __restrict__ ys,
        const Augment a) {
    __shared__ int drawn[3];
    if (threadIdx.x == 0) {
        Generator random(seeds[blockIdx.x]);
        drawn[0] = a.flip ? random.below(2) : 0;
        drawn[1] = a.crop ? random.below(2 * a.pad + 1) : a.pad;
        drawn[2] = a.crop ? random.below(2 * a.pad + 1) : a.pad;
    }
    __syncthreads();
    const int flipped = drawn[0], top = drawn[1], left = drawn[2], values = a.h * a.w * 3;
    const u8* image = images + (size_t)indices[blockIdx.x] * values;
    Stored* out = ys + (size_t)blockIdx.x * values;
    // Of value i the byte, or -1 outside the image.
    const auto byte = [&](int i) {
        const int row = a.source(i / 3 / a.w + top, a.h);
        int column = a.source(i / 3 % a.w + left, a.w);
        if (row < 0 || column < 0) return -1;
        if (flipped) column = a.w - 1 - column;
        return (int)image[(row * a.w + column) * 3 + i % 3];
    };
    if (!a.per_image) {
        for (int i = threadIdx.x; i < values; i += blockDim.x) {
            const int b = byte(i);
            narrow(b < 0 ? 0.0f : ((float)b - a.mean[i % 3]) / a.std[i % 3], out[i]);
        }
        return;
    }
    // Whole numbers: exact in any order.
    u64 sum = 0, squares = 0;
    for (int i = threadIdx.x; i < values; i += blockDim.x) {
        const int b = max(byte(i), 0);
        sum += b;
        squares += b * b;
    }
    const double mean = (double)block_sum(sum) / values;
    const double variance = (double)block_sum(squares) / values - mean * mean;
    const double deviation = fmax(sqrt(fmax(variance, 0.0)), 1.0 / sqrt((double)values));
    for (int i = threadIdx.x; i < values; i += blockDim.x) narrow((float)((max(byte(i), 0) - mean) / deviation), out[i]);
}
