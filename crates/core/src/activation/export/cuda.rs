//! CUDA: the functions of C for the device, and a kernel for each direction.

use super::c::{CLike, comment};
use super::{Names, Source};

/// The file. It includes nothing, so that NVRTC takes it as it is.
pub(super) fn source(source: &Source<'_>) -> String {
    let c = CLike { names: &source.names, precision: source.precision, qualifier: "__device__ __forceinline__" };
    let kernels = if source.params.is_empty() { plain(source, &c) } else { per_channel(source, &c) };
    format!("{}{}\n{kernels}", c.starts(source), c.functions(source))
}

/// Kernels of a function without parameters: a thread an element.
fn plain(source: &Source<'_>, c: &CLike<'_>) -> String {
    let (Names { function, .. }, real) = (&source.names, c.real());
    let index = "    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;\n";
    let mut text = comment(&["y = f(x) for n numbers, one a thread.".into()]);
    text += &format!(
        "extern \"C\" __global__ void {function}_forward(const {real} *x, {real} *y, long long n) {{\n{index}"
    );
    text += &format!("    if (i < n) {{\n        y[i] = {function}(x[i]);\n    }}\n}}\n\n");
    text += &comment(&["dx = dy f'(x) for n numbers, one a thread.".into()]);
    text += &format!(
        "extern \"C\" __global__ void {function}_backward(const {real} *x, const {real} *dy, {real} *dx, long long n) {{\n{index}"
    );
    text + &format!("    if (i < n) {{\n        dx[i] = dy[i] * {function}_grad(x[i]);\n    }}\n}}\n")
}

/// Kernels of a function with parameters. The sums over a channel are made by one block in a fixed order: the same bits every time.
fn per_channel(source: &Source<'_>, c: &CLike<'_>) -> String {
    let (Names { function, .. }, real) = (&source.names, c.real());
    let params = source.param_names();
    let each = |form: &dyn Fn(&str) -> String| params.iter().map(|p| form(p)).collect::<String>();
    let given = each(&|p| format!("const {real} *{p}, "));
    let values = each(&|p| format!(", {p}[channel]"));
    let mut text = comment(&[
        "y = f(x), one number a thread. x is (outer, channels, inner), contiguous: inner is 1".into(),
        "where channels come last, height * width for NCHW.".into(),
    ]);
    text += &format!(
        "extern \"C\" __global__ void {function}_forward(
    const {real} *x, {given}{real} *y,
    long long outer, int channels, long long inner
) {{
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < outer * channels * inner) {{
        const int channel = i / inner % channels;
        y[i] = {function}(x[i]{values});
    }}
}}

"
    );
    text += &comment(&["The sum over all threads of a block.".into()]);
    text += &format!(
        "__device__ {real} {function}_block_sum({real} value) {{
    __shared__ {real} sums[1024];
    sums[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {{
        if (threadIdx.x < half) {{
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }}
        __syncthreads();
    }}
    const {real} sum = sums[0];
    __syncthreads();
    return sum;
}}

"
    );
    let list = params.iter().map(|p| format!("d_{p}")).collect::<Vec<_>>().join(", ");
    text += &comment(&[
        format!("dx = dy f'(x), and the gradients {list} of the parameters, (channels)."),
        "A block a channel: gridDim.x is channels, blockDim.x a power of two up to 1024.".into(),
    ]);
    let gradients = each(&|p| format!(", {real} *d_{p}"));
    let sums = each(&|p| format!("    {real} sum_{p} = 0;\n"));
    let slopes = each(&|p| format!("        {real} slope_{p};\n"));
    let pointers = each(&|p| format!(", &slope_{p}"));
    let added = each(&|p| format!("        sum_{p} += dy[i] * slope_{p};\n"));
    let reduced = each(&|p| format!("    sum_{p} = {function}_block_sum(sum_{p});\n"));
    let written = each(&|p| format!("        d_{p}[channel] = sum_{p};\n"));
    text + &format!(
        "extern \"C\" __global__ void {function}_backward(
    const {real} *x, {given}const {real} *dy,
    {real} *dx{gradients},
    long long outer, int channels, long long inner
) {{
    const int channel = blockIdx.x;
{sums}    for (long long k = threadIdx.x; k < outer * inner; k += blockDim.x) {{
        const long long i = (k / inner * channels + channel) * inner + k % inner;
{slopes}        dx[i] = dy[i] * {function}_grad(x[i]{values}{pointers});
{added}    }}
{reduced}    if (threadIdx.x == 0) {{
{written}    }}
}}
"
    )
}
