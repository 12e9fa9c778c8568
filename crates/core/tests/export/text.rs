//! What the code looks like, and what is refused.

use swish_core::activation::Activation;
use swish_core::activation::export::{Precision, Target, export};

fn code(text: &str, target: Target, name: Option<&str>) -> String {
    let activation: Activation = text.parse().unwrap();
    export(&activation, target, name, Precision::F32).unwrap()
}

#[test]
fn common_parts_are_named_and_parentheses_are_needed() {
    let c = code("swish", Target::C, None);
    let expected = "static inline float swish_grad(float x, float beta, float *d_beta) {
    const float gate = swish_sigmoid(beta * x);
    const float product = x * gate * (1.0f - gate);
    *d_beta = product * x;
    return gate + product * beta;
}
";
    assert!(c.ends_with(expected), "{c}");
    let python = code("atan(x)^2-x", Target::PyTorch, None);
    assert!(python.contains("    return torch.atan(x) ** 2 - x\n"), "{python}");
    let python = code("x*(1-x)/(2-x+eps)-(x-3)", Target::Jax, Some("f"));
    assert!(python.contains("    return 3.0 + x * (1.0 - x) / (2.0 - x + 1e-7) - x\n"), "{python}");
}

/// Where it comes from is said, and only what is needed is brought along.
#[test]
fn code_tells_its_origin_and_brings_what_it_needs() {
    for target in Target::ALL {
        let swish = code("swish", target, None);
        assert!(swish.contains("f(x) = x*sigmoid(beta*x)") && swish.contains("section 4"), "{swish}");
        assert!(code("max(x,tanh(x))", target, None).contains("Table 1"));
        assert!(code("x*cos(x)", target, None).contains("a search of the program swish"));
        let relu = code("relu", target, None);
        assert!(!relu.contains("sinc") && !relu.contains("beta"), "{relu}");
        assert!(swish.lines().all(|line| line.len() <= 100 && line.trim_end() == line), "{swish}");
    }
}

#[test]
fn names_that_cannot_stand_are_refused() {
    let swish: Activation = "swish".parse().unwrap();
    for name in [
        "", "1st", "a b", "Swish", "lambda", "beta", "d_beta2", "x", "torch", "größe", "y", "pow", "template", "tensor",
    ] {
        let error = export(&swish, Target::C, Some(name), Precision::F32).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{name}\"")), "{error}");
    }
    let constant: Activation = "beta*2".parse().unwrap();
    assert!(
        export(&constant, Target::C, None, Precision::F32).unwrap_err().to_string().contains("does not depend on x")
    );
    assert_eq!(
        "c++".parse::<Target>().unwrap_err().to_string(),
        "export to \"c++\": expected pytorch, jax, tensorflow, cuda, c or candle"
    );
}
