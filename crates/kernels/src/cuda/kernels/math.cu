// Functions of one number in forms that neither overflow nor cancel. NaN in gives NaN out, but for sign
// and is_larger, which are 0 there.

#define EPSILON 1e-7f

__device__ __forceinline__ float relu(float x) { return x <= 0.0f ? 0.0f : x; }
__device__ __forceinline__ float min_zero(float x) { return x > 0.0f ? 0.0f : x; }
__device__ __forceinline__ float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f; }
__device__ __forceinline__ float larger(float a, float b) { return a > b || a != a ? a : b; }
__device__ __forceinline__ float smaller(float a, float b) { return a < b || a != a ? a : b; }
// 1 where a > b, 1/2 at a tie, else 0.
__device__ __forceinline__ float is_larger(float a, float b) { return a > b ? 1.0f : a == b ? 0.5f : 0.0f; }

#if BF16
// 4e-6 off at most, small beside the 2e-3 of what is stored; below -87 it is 0.
__device__ __forceinline__ float sigmoid(float x) { return fast_reciprocal(1.0f + fast_exp2(x * -1.44269504f)); }
#else
__device__ __forceinline__ float sigmoid(float x) {
    const float e = expf(-fabsf(x));
    // The divisor is in 1..2, where the fast division is exact to 2 ulp.
    const float s = __fdividef(1.0f, 1.0f + e);
    return x < 0.0f ? e * s : s;
}
#endif

__device__ __forceinline__ float softplus(float x) { return relu(x) + log1pf(expf(-fabsf(x))); }

__device__ __forceinline__ float sinc(float x) { return x == 0.0f ? 1.0f : sinf(x) / x; }

// From x and y = sinc(x). Below 1 the difference of cos and sinc cancels and the Taylor series takes over; its first term left out
// is below 2e-9.
__device__ __forceinline__ float sinc_slope(float x, float y) {
    if (fabsf(x) >= 1.0f || x != x) return (cosf(x) - y) / x;
    const float z = x * x;
    return x * (-1.0f / 3.0f + z * (1.0f / 30.0f + z * (-1.0f / 840.0f + z * (1.0f / 45360.0f - z * (1.0f / 3991680.0f)))));
}

// For large x 1 / x, where the square would overflow.
__device__ __forceinline__ float asinh_slope(float x) {
    const float a = fminf(fabsf(x), 1e18f);
    return x != x ? x : rsqrtf(1.0f + a * a);
}
