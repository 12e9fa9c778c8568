//! Values and derivatives: named functions, documented points, the compiled programs.

use swish_core::activation::{Activation, CoreUnits, Expr, NAMED, Symbol, Unary};
use swish_kernels::act;

use super::{BETAS, POINTS, difference, parsed};

/// Each function against its definition, written with the standard library alone.
#[test]
fn named_functions_have_their_values() {
    let s = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (scale, a) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
    type F<'a> = (&'a str, &'a dyn Fn(f64) -> f64);
    let closed: [F; 18] = [
        ("identity", &|x| x),
        ("relu", &|x| if x > 0.0 { x } else { 0.0 }),
        ("relu6", &|x| x.clamp(0.0, 6.0)),
        ("lrelu", &|x| if x > 0.0 { x } else { 0.01 * x }),
        ("prelu", &|x| if x > 0.0 { x } else { 0.25 * x }),
        ("softplus", &|x| (1.0 + x.exp()).ln()),
        ("elu", &|x| if x > 0.0 { x } else { x.exp() - 1.0 }),
        ("selu", &|x| scale * if x > 0.0 { x } else { a * (x.exp() - 1.0) }),
        ("gelu", &|x| x * normal_cdf(x)),
        ("swish-1", &|x| x * s(x)),
        ("swish", &|x| x * s(x)),
        ("max_x_sigmoid", &|x| x.max(s(x))),
        ("cos_minus_x", &|x| x.cos() - x),
        ("min_x_sin", &|x| x.min(x.sin())),
        ("atan2_minus_x", &|x| x.atan().powi(2) - x),
        ("max_x_tanh", &|x| x.max(x.tanh())),
        ("sinc_plus_x", &|x| x.sin() / x + x),
        ("x_asinh2", &|x| x * (x + (x * x + 1.0).sqrt()).ln().powi(2)),
    ];
    assert_eq!(closed.len(), NAMED.len());
    for (name, f) in closed {
        let activation = Activation::named(name).unwrap();
        for x in POINTS {
            let value = activation.eval(x, &[]);
            assert!(difference(value, f(x)) < 1e-12, "{name}({x}) = {value}, expected {}", f(x));
        }
    }
}

/// The normal distribution function by Simpson's rule on the density.
fn normal_cdf(x: f64) -> f64 {
    let n = 4000;
    let h = x / f64::from(n);
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let weight = |i: i32| {
        if i == 0 || i == n {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    0.5 + h / 3.0 * (0..=n).map(|i| weight(i) * density(h * f64::from(i))).sum::<f64>()
}

/// From Python's math.erf, math.exp, math.expm1 and math.log1p, as repr prints them; GELU(1) is 0.5*(1+erf(sqrt(1/2))).
#[test]
fn values_from_python() {
    for (text, x, expected) in [
        ("erf(x)", 0.5, 0.520_499_877_813_046_5),
        ("erf(x)", 2.9, 0.999_958_902_121_900_5),
        ("erf(x)", 3.1, 0.999_988_351_342_632_8),
        ("erf(x)", -1e-9, -1.128_379_167_095_512_7e-9),
        ("swish", 1.5, 1.226_361_714_290_465_5),
        ("gelu", 1.0, 0.841_344_746_068_542_9),
        ("elu", -1.0, -0.632_120_558_828_557_7),
        ("selu", -1.0, -1.111_330_737_812_562_5),
        ("softplus", -20.0, 2.061_153_620_314_381e-9),
    ] {
        let value = parsed(text).eval(x, &[]);
        assert!((value / expected - 1.0).abs() < 1e-14, "{text} at {x}: {value:e}, expected {expected:e}");
    }
}

#[test]
fn documented_points() {
    let at = |text: &str, x: f64| parsed(text).grad(x, &[]);
    assert_eq!(at("softplus", 100.0).value, 100.0);
    assert_eq!(at("softplus(x)", 800.0).value, 800.0);
    assert_eq!((at("sinc", 0.0).value, at("sinc", 0.0).dx), (1.0, 0.0));
    assert_eq!((at("sqrt(x)", -1.0).value, at("sqrt(x)", -1.0).dx), (0.0, 0.0));
    assert_eq!((at("sqrt(x)", 0.0).value, at("sqrt(x)", 0.0).dx), (0.0, 0.0));
    assert_eq!((at("log(|x|+eps)", 0.0).value, at("log(|x|+eps)", 0.0).dx), (1e-7_f64.ln(), 0.0));
    assert_eq!(at("relu", 0.0).dx, 0.0);
    assert_eq!(at("min(x,0)", 0.0).dx, 1.0);
    assert_eq!(at("|x|", 0.0).dx, 0.0);
    assert_eq!(at("max(x,sin(x))", 0.0).dx, 1.0);
    assert_eq!(at("max(x,2*x)", 0.0).dx, 1.5);
    assert_eq!(at("1/(x+eps)", 0.0).value, 1e7);
    assert_eq!((at("sigmoid", -800.0).value, at("sigmoid", 800.0).value), (0.0, 1.0));
    assert_eq!(at("asinh", 1e308).value, 1e308_f64.ln() + std::f64::consts::LN_2);
    for f in Unary::ALL {
        for x in [0.0, -0.0, 30.0, -30.0, 1e-300, -1e-300] {
            let g = Activation::from_expr(f.apply(Expr::X, Symbol::BETA)).unwrap().grad(x, &[]);
            assert!(g.value.is_finite() && g.dx.is_finite(), "{} at {x}", f.notation());
        }
    }
}

/// Runs the kernels' interpreter in f64 and compares value and derivatives with the reference, which shares no code with it.
fn assert_program_agrees(a: &Activation, x: f64, beta: f64) {
    let program = a.program();
    assert_eq!(program.n_params(), a.params().len());
    let params = vec![beta; a.params().len()];
    let expected = a.grad(x, &params);
    let (mut y, mut dx, mut dparams) = ([0.0], [0.0], params.clone());
    act::forward(&program, 1, &[x], &params, &mut y);
    act::backward(&program, 1, &[x], &params, &[1.0], &mut dx, &mut dparams);
    let pairs = [(y[0], expected.value), (dx[0], expected.dx)];
    for (got, want) in pairs.into_iter().chain(dparams.into_iter().zip(expected.dparams)) {
        assert!(difference(got, want) < 1e-9, "{a} at {x}, beta {beta}: {got}, expected {want}");
    }
}

#[test]
fn programs_compute_what_the_reference_does() {
    for units in CoreUnits::all_single() {
        let a = units.activation().unwrap();
        for (i, x) in POINTS.into_iter().enumerate().filter(|(i, _)| i % 4 == 2) {
            assert_program_agrees(&a, x, BETAS[i % 3]);
        }
    }
    let with_names = Unary::ALL
        .map(Unary::notation)
        .into_iter()
        .chain(NAMED.iter().map(|n| n.name))
        .chain(["expm1(x)", "x^7", "x^9"]);
    for a in with_names.map(parsed) {
        for x in [0.0, -0.0, 1e-9, -1e-4, 1e-2, 6.0, 30.0, -30.0] {
            assert_program_agrees(&a, x, 0.7);
        }
    }
}

#[test]
fn programs_share_equal_parts_and_fold_constants() {
    let ops = |text: &str| parsed(text).program().ops().len();
    assert_eq!(ops("x"), 1);
    assert_eq!(ops("tanh(x)+sin(tanh(x))"), 4);
    assert_eq!(ops("x*sin(2)*exp(1)"), 3);
    assert_eq!(ops("exp(-x^2)"), 2);
    assert_eq!(ops("x^8"), 4);
    assert_eq!(ops("x*sigmoid(beta*x)"), 5);
    assert!(parsed("x+0").program().is_identity());
}
