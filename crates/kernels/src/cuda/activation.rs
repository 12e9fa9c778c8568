//! [`ActSource`]: an activation program as two functions of CUDA C++, by the same rules as the interpreter on the CPU.

use std::fmt::Write;

use super::source::fnv1a128;
use crate::act::{Fold, FoldOp, Gated, Join, Plan, Program, Step, Unary};

/// `act_value(x, parameters)` and `act_slope(x, parameters, by_param)`, which returns the derivative by x and writes those by the
/// parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActSource {
    text: String,
    n_params: usize,
    hash: u128,
}

impl ActSource {
    /// Writes the program down.
    pub fn new(program: &Program) -> Self {
        Self::of(functions(&program.plan, ""), program.n_params())
    }

    /// Many programs at once, of which parameter 0 chooses by number; a program's own parameters follow. For checks.
    pub(super) fn switched(programs: &[Program]) -> Self {
        let mut text: String =
            programs.iter().enumerate().map(|(i, program)| functions(&program.plan, &format!("_{i}"))).collect();
        // A program without some of the parameters leaves their derivatives alone.
        let zeros = "    for (int k = 0; k < ACT_PARAMS; ++k) by_param[k] = 0.0f;\n";
        for (name, more, args, first) in
            [("act_value", "", "x, p + 1", ""), ("act_slope", ", float* by_param", "x, p + 1, by_param + 1", zeros)]
        {
            let _ = writeln!(
                text,
                "__device__ float {name}(float x, const float* p{more}) {{\n{first}    switch ((int)p[0]) {{"
            );
            for i in 0..programs.len() {
                let _ = writeln!(text, "        case {i}: return {name}_{i}({args});");
            }
            text += "    }\n    return NAN;\n}\n";
        }
        Self::of(text, 1 + programs.iter().map(Program::n_params).max().unwrap_or(0))
    }

    fn of(functions: String, n_params: usize) -> Self {
        let text = format!("#define ACT_PARAMS {n_params}\n{functions}");
        let hash = fnv1a128(&text);
        Self { text, n_params, hash }
    }

    /// The two functions; `math.cu` has to come before them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of trainable parameters a channel.
    pub fn n_params(&self) -> usize {
        self.n_params
    }

    pub(super) fn hash(&self) -> u128 {
        self.hash
    }
}

/// The two functions, with a suffix to their names.
fn functions(plan: &Plan, suffix: &str) -> String {
    let (values, slopes, result) = (values(plan), slopes(plan), plan.result);
    format!(
        "__device__ __forceinline__ float act_value{suffix}(float s0, const float* p) {{\n{values}    return s{result};\n}}\n\
         __device__ __forceinline__ float act_slope{suffix}(float s0, const float* p, float* by_param) {{\n{values}{slopes}}}\n"
    )
}

/// A number as a literal of f32.
fn literal(x: f64) -> String {
    let x = x as f32;
    if x.is_finite() { format!("{x:e}f") } else { format!("__uint_as_float(0x{:x}u)", x.to_bits()) }
}

/// One line a slot. A swish has its gate in `gN`, a fold its inner function in `uN`.
fn values(plan: &Plan) -> String {
    let mut text = String::new();
    for k in 0..plan.n_params {
        let _ = writeln!(text, "    const float s{} = p[{k}];", 1 + k);
    }
    for (i, &value) in plan.consts.iter().enumerate() {
        let _ = writeln!(text, "    const float s{} = {};", 1 + plan.n_params + i, literal(value));
    }
    for (slot, &step) in (plan.first_step()..).zip(&plan.steps) {
        let value = match step {
            Step::Unary(op, a) => unary(op, &format!("s{a}")),
            Step::Join(op, a, b) => match op {
                Join::Add => format!("s{a} + s{b}"),
                Join::Mul => format!("s{a} * s{b}"),
                Join::Sub => format!("s{a} - s{b}"),
                Join::Div => format!("s{a} / (s{b} + EPSILON)"),
                Join::Max => format!("larger(s{a}, s{b})"),
                Join::Min => format!("smaller(s{a}, s{b})"),
            },
            // (p d) d and not p d^2: no 0 * inf where p is 0 and d^2 overflows.
            Step::Gated(Gated::Gauss, p, a, b) => format!("expf(-((s{p} * (s{a} - s{b})) * (s{a} - s{b})))"),
            Step::Gated(Gated::Laplace, p, a, b) => format!("expf(-(s{p} * fabsf(s{a} - s{b})))"),
            Step::Gated(Gated::Mix, p, a, b) => format!("s{p} * s{a} + (1.0f - s{p}) * s{b}"),
            Step::Swish(a, p) => {
                let argument = p.map_or(format!("s{a}"), |p| format!("s{p} * s{a}"));
                let _ = writeln!(text, "    const float g{slot} = sigmoid({argument});");
                format!("s{a} * g{slot}")
            }
            Step::Fold(fold, a) => {
                let _ = writeln!(text, "    const float u{slot} = {};", unary(fold.inner, &format!("s{a}")));
                let u = if fold.square { format!("(u{slot} * u{slot})") } else { format!("u{slot}") };
                match fold.op {
                    FoldOp::Add => format!("{u} + s{a}"),
                    FoldOp::Sub => format!("{u} - s{a}"),
                    FoldOp::SubFrom => format!("s{a} - {u}"),
                    FoldOp::Mul => format!("{u} * s{a}"),
                    FoldOp::Max => format!("larger({u}, s{a})"),
                    FoldOp::Min => format!("smaller({u}, s{a})"),
                }
            }
        };
        let _ = writeln!(text, "    const float s{slot} = {value};");
    }
    text
}

/// The reverse sweep: `dN` is the derivative of the result by slot N, the sum of what its users contribute.
fn slopes(plan: &Plan) -> String {
    let mut text = String::new();
    let mut contributions = vec![Vec::new(); plan.first_step() + plan.steps.len()];
    contributions[plan.result].push("1.0f".to_string());
    let sum = |terms: &[String]| if terms.is_empty() { "0.0f".to_string() } else { terms.join(" + ") };
    for (i, &step) in plan.steps.iter().enumerate().rev() {
        let slot = plan.first_step() + i;
        if !plan.active[slot] || contributions[slot].is_empty() {
            continue;
        }
        let d = format!("d{slot}");
        let _ = writeln!(text, "    const float {d} = {};", sum(&contributions[slot]));
        let mut add = |operand: usize, term: String| {
            if plan.active[operand] {
                contributions[operand].push(term);
            }
        };
        match step {
            Step::Unary(op, a) => add(a, format!("{d} * ({})", unary_slope(op, &format!("s{a}"), &format!("s{slot}")))),
            Step::Join(op, a, b) => {
                let (by_a, by_b) = match op {
                    Join::Add => (d.clone(), d),
                    Join::Sub => (d.clone(), format!("-{d}")),
                    Join::Mul => (format!("{d} * s{b}"), format!("{d} * s{a}")),
                    Join::Div => {
                        let _ = writeln!(text, "    const float i{slot} = 1.0f / (s{b} + EPSILON);");
                        (format!("{d} * i{slot}"), format!("-({d} * (s{a} * i{slot}) * i{slot})"))
                    }
                    Join::Max => (format!("{d} * is_larger(s{a}, s{b})"), format!("{d} * is_larger(s{b}, s{a})")),
                    Join::Min => (format!("{d} * is_larger(s{b}, s{a})"), format!("{d} * is_larger(s{a}, s{b})")),
                };
                add(a, by_a);
                add(b, by_b);
            }
            Step::Gated(op, p, a, b) => {
                let y = format!("s{slot}");
                let (by_p, by_a, by_b) = match op {
                    // The value first: it is 0 where the square could overflow.
                    Gated::Gauss => {
                        let _ = writeln!(text, "    const float q{slot} = (s{a} - s{b}) * {y};");
                        let side = format!("{d} * (2.0f * s{p} * q{slot})");
                        (format!("-({d} * q{slot} * (s{a} - s{b}))"), format!("-({side})"), side)
                    }
                    Gated::Laplace => {
                        let side = format!("{d} * (s{p} * sign(s{a} - s{b}) * {y})");
                        (format!("-({d} * (fabsf(s{a} - s{b}) * {y}))"), format!("-({side})"), side)
                    }
                    Gated::Mix => {
                        (format!("{d} * (s{a} - s{b})"), format!("{d} * s{p}"), format!("{d} * (1.0f - s{p})"))
                    }
                };
                add(p, by_p);
                add(a, by_a);
                add(b, by_b);
            }
            Step::Swish(a, p) => {
                // s (1 - s) first: it is 0 where the product of the others could overflow.
                let _ = writeln!(text, "    const float q{slot} = s{a} * (g{slot} - g{slot} * g{slot});");
                let factor = p.map_or(String::new(), |p| format!("s{p} * "));
                add(a, format!("{d} * ({factor}q{slot} + g{slot})"));
                if let Some(p) = p {
                    add(p, format!("({d} * s{a}) * q{slot}"));
                }
            }
            Step::Fold(fold, a) => add(a, fold_slope(&mut text, fold, a, slot)),
        }
    }
    for k in 0..plan.n_params {
        let _ = writeln!(text, "    by_param[{k}] = {};", sum(&contributions[1 + k]));
    }
    let _ = writeln!(text, "    return {};", sum(&contributions[0]));
    text
}

/// The contribution of `op(g(f(a)), a)` to a.
fn fold_slope(text: &mut String, fold: Fold, a: usize, slot: usize) -> String {
    let (a, u) = (format!("s{a}"), format!("u{slot}"));
    let inner = unary_slope(fold.inner, &a, &u);
    let (u, inner) = match fold.square {
        true => (format!("({u} * {u})"), format!("({u} + {u}) * ({inner})")),
        false => (u, inner),
    };
    let _ = writeln!(text, "    const float q{slot} = {inner};");
    let q = format!("q{slot}");
    let slope = match fold.op {
        FoldOp::Add => format!("{q} + 1.0f"),
        FoldOp::Sub => format!("{q} - 1.0f"),
        FoldOp::SubFrom => format!("1.0f - {q}"),
        FoldOp::Mul => format!("{a} * {q} + {u}"),
        FoldOp::Max => format!("{u} > {a} ? {q} : {a} > {u} ? 1.0f : 0.5f * ({q} + 1.0f)"),
        FoldOp::Min => format!("{u} < {a} ? {q} : {a} < {u} ? 1.0f : 0.5f * ({q} + 1.0f)"),
    };
    format!("d{slot} * ({slope})")
}

fn unary(op: Unary, x: &str) -> String {
    match op {
        Unary::Neg => format!("-{x}"),
        Unary::Abs => format!("fabsf({x})"),
        Unary::Square => format!("{x} * {x}"),
        Unary::Cube => format!("{x} * {x} * {x}"),
        Unary::Sqrt => format!("sqrtf(relu({x}))"),
        Unary::LogAbs => format!("logf(fabsf({x}) + EPSILON)"),
        Unary::Exp => format!("expf({x})"),
        Unary::Expm1 => format!("expm1f({x})"),
        Unary::Sin => format!("sinf({x})"),
        Unary::Cos => format!("cosf({x})"),
        Unary::Sinh => format!("sinhf({x})"),
        Unary::Cosh => format!("coshf({x})"),
        Unary::Tanh => format!("tanhf({x})"),
        Unary::Asinh => format!("asinhf({x})"),
        Unary::Atan => format!("atanf({x})"),
        Unary::Sinc => format!("sinc({x})"),
        Unary::Relu => format!("relu({x})"),
        Unary::MinZero => format!("min_zero({x})"),
        Unary::Sigmoid => format!("sigmoid({x})"),
        Unary::Softplus => format!("softplus({x})"),
        Unary::Gauss => format!("expf(-({x} * {x}))"),
        Unary::Erf => format!("erff({x})"),
    }
}

/// The derivative from x and the value y.
fn unary_slope(op: Unary, x: &str, y: &str) -> String {
    match op {
        Unary::Neg => "-1.0f".to_string(),
        Unary::Abs => format!("sign({x})"),
        Unary::Square => format!("2.0f * {x}"),
        Unary::Cube => format!("3.0f * {x} * {x}"),
        Unary::Sqrt => format!("{y} > 0.0f ? 0.5f / {y} : 0.0f"),
        Unary::LogAbs => format!("sign({x}) / (fabsf({x}) + EPSILON)"),
        Unary::Exp => y.to_string(),
        Unary::Expm1 => format!("{y} + 1.0f"),
        Unary::Sin => format!("cosf({x})"),
        Unary::Cos => format!("-sinf({x})"),
        Unary::Sinh => format!("coshf({x})"),
        Unary::Cosh => format!("sinhf({x})"),
        Unary::Tanh => format!("1.0f - {y} * {y}"),
        Unary::Asinh => format!("asinh_slope({x})"),
        Unary::Atan => format!("1.0f / (1.0f + {x} * {x})"),
        Unary::Sinc => format!("sinc_slope({x}, {y})"),
        Unary::Relu => format!("{x} > 0.0f ? 1.0f : 0.0f"),
        Unary::MinZero => format!("{x} > 0.0f ? 0.0f : 1.0f"),
        Unary::Sigmoid => format!("{y} * (1.0f - {y})"),
        Unary::Softplus => format!("sigmoid({x})"),
        // x y first: it is 0 where 2 x could overflow.
        Unary::Gauss => format!("-2.0f * ({x} * {y})"),
        Unary::Erf => format!("1.12837917f * expf(-({x} * {x}))"),
    }
}
