//! Spaces: sizes, choices, merging of equal functions, rejection of hopeless ones.

use swish_core::activation::{Activation, Binary, CoreUnits, Unary};
use swish_kernels::rng::Rng;
use swish_search::Space;
use swish_search::space::{Classes, Rejection, SpaceConfig, screen};

/// Size of the space: 25 * 25 * 10 for one unit, its square times 4 choices of inputs for two, its cube times 36 for three.
#[test]
fn sizes_are_the_papers() {
    let count = |units| Space::full(units).unwrap().count();
    assert_eq!([count(1), count(2), count(3)], [6_250, 156_250_000, 8_789_062_500_000]);
    let some = SpaceConfig { units: 2, unary: vec!["x".into(), "sin".into()], binary: vec!["max(x1, x2)".into()] };
    assert_eq!(some.build().unwrap().count(), 2 * 2 * 4 * 2 * 2);
}

#[test]
fn one_unit_is_enumerated_as_the_core_does() {
    let space = Space::full(1).unwrap();
    assert!(space.iter().eq(CoreUnits::all_single()));
}

#[test]
fn choices_and_functions_are_one_to_one() {
    let mut rng = Rng::new(5);
    for units in 1..=4 {
        let space = Space::full(units).unwrap();
        for _ in 0..200 {
            let member = space.sample(&mut rng);
            let choices = space.encode(&member).unwrap();
            assert_eq!(space.decode(&choices), member);
            let other = space.encode(&space.mutate(&member, &mut rng)).unwrap();
            assert_eq!(choices.iter().zip(&other).filter(|(a, b)| a != b).count(), 1, "a mutation changes one choice");
        }
    }
    let space =
        SpaceConfig { units: 2, unary: vec!["x".into(), "sin".into()], binary: vec!["max".into()] }.build().unwrap();
    let mut all: Vec<Vec<usize>> = space.iter().map(|units| space.encode(&units).unwrap()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len() as u128, space.count());
    // A function of another space has no choices here.
    assert_eq!(space.encode(&Space::full(1).unwrap().at(0)), None);
    assert_eq!(space.encode(&Space::full(2).unwrap().at(156_249_999)), None);
}

#[test]
fn drawing_is_even() {
    let space = SpaceConfig { units: 1, unary: vec!["x".into(), "sin".into()], binary: Vec::new() }.build().unwrap();
    let mut rng = Rng::new(1);
    let mut counts = std::collections::HashMap::new();
    for _ in 0..40_000 {
        *counts.entry(space.encode(&space.sample(&mut rng)).unwrap()).or_insert(0) += 1;
    }
    // 40 members, 1,000 each: five standard deviations are 156.
    assert_eq!(counts.len(), 40);
    assert!(counts.values().all(|n| (*n - 1_000_i32).abs() < 156), "{counts:?}");
}

#[test]
fn what_is_no_space_is_refused() {
    let config = |units, unary: &[&str], binary: &[&str]| SpaceConfig {
        units,
        unary: unary.iter().map(|s| s.to_string()).collect(),
        binary: binary.iter().map(|s| s.to_string()).collect(),
    };
    for (config, word) in [
        (config(0, &[], &[]), "from 1 to 4"),
        (config(5, &[], &[]), "from 1 to 4"),
        (config(1, &["sine"], &[]), "one of identity"),
        (config(1, &[], &["max", "max(x1,x2)"]), "each operator once"),
    ] {
        let message = config.build().unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

/// Values at other points and parameters than those that merging looks at.
fn values(activation: &Activation) -> Vec<f64> {
    let params = activation.params().len();
    let settings: &[f64] = if params == 0 { &[0.0] } else { &[0.81, -0.57, 1.9] };
    let at = |beta: f64| {
        let setting: Vec<f64> = (0..params).map(|k| beta + 0.1 * k as f64).collect();
        (-60..60).map(move |i| f64::from(i) * 0.173 + 0.051).map(|x| activation.eval(x, &setting)).collect::<Vec<_>>()
    };
    settings.iter().flat_map(|beta| at(*beta)).collect()
}

/// Whether values agree to `tolerance`, relative to their size or, below `small`, to that.
fn agree(a: &[f64], b: &[f64], tolerance: f64, small: f64) -> bool {
    let same = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(small)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Over the whole one-unit space: what is merged agrees elsewhere too, and no two that are kept apart agree.
#[test]
fn merging_is_right_in_the_one_unit_space() {
    let mut classes = Classes::default();
    let mut merged = 0;
    let mut by_values = 0;
    for units in Space::full(1).unwrap().iter() {
        let activation = units.activation().unwrap();
        let before = classes.len();
        let class = classes.insert(&activation);
        if classes.len() == before {
            merged += 1;
            let first = classes.first(class);
            by_values += usize::from(first.canonical() != activation.canonical());
            assert!(agree(&values(first), &values(&activation), 1e-9, 1e-2), "{first} and {activation}");
        }
    }
    assert_eq!(classes.len() + merged, 6_250);
    assert!(by_values > 0, "the canonical form alone would have done");
    println!("{} classes, {merged} merged, {by_values} of them by their values", classes.len());

    let kept: Vec<(&Activation, Vec<f64>)> = classes.firsts().map(|a| (a, values(a))).collect();
    for (i, (a, va)) in kept.iter().enumerate() {
        for (b, vb) in &kept[..i] {
            // To more digits: sinh(x)+cosh(x) is exp(x) on paper, and far left of 0 something else in any arithmetic.
            assert!(!agree(va, vb, 1e-12, 1e-4) || far_apart(a, b), "{a} and {b} are kept apart and agree");
        }
    }
}

/// Whether two functions that agree near 0 differ further out.
fn far_apart(a: &Activation, b: &Activation) -> bool {
    let differ = |x: f64| (a.eval(x, &[]) - b.eval(x, &[])).abs() > 1e-9 * a.eval(x, &[]).abs().max(1.0);
    [-37.0, -15.0, 15.0, 37.0].into_iter().any(differ)
}

#[test]
fn hopeless_functions_are_told() {
    let says = |text: &str| screen(&text.parse().unwrap());
    for constant in ["x-x", "beta", "max(beta,-50)", "exp(-beta*(x-x)^2)", "x*0+2"] {
        assert_eq!(says(constant), Some(Rejection::Constant), "{constant}");
    }
    for endless in ["exp(exp(exp(x^2)))", "sinh(x^9)*exp(x^9)"] {
        assert_eq!(says(endless), Some(Rejection::NotFinite), "{endless}");
    }
    // The last two are constant at first and no longer once beta has moved.
    for fine in ["x-beta*x", "min(cosh(x),beta)", "relu", "swish", "x^3", "1/(x+eps)", "log(|x|+eps)", "x*asinh(x)^2"] {
        assert_eq!(says(fine), None, "{fine}");
    }
}

#[test]
fn a_space_survives_being_written_down() {
    for space in [Space::full(3).unwrap(), Space::new(2, vec![Unary::Sin, Unary::Identity], vec![Binary::Max]).unwrap()]
    {
        let text = serde_json::to_string(&space.config()).unwrap();
        let read: SpaceConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read.build().unwrap(), space);
    }
}
