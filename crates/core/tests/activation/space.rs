//! Properties of whole search spaces.

use std::collections::{BTreeMap, HashMap};

use swish_core::activation::eval::{self, Env};
use swish_core::activation::{Activation, Binary, CoreUnit, CoreUnits, Expr, Input, Symbol, Unary};

use super::{BETAS, Lcg, POINTS, difference, parsed};

/// Values of the expression as written and of its canonical form, given as an activation.
fn assert_same_values(expr: &Expr, canonical: &Activation, betas: &[f64], tolerance: f64) {
    let symbols = expr.symbols();
    for x in POINTS {
        for &beta in betas {
            let written = eval::value(expr, x, Env { symbols: &symbols, values: &[beta] });
            let value = canonical.eval(x, &[beta]);
            assert!(
                difference(written, value) < tolerance,
                "{expr} = {written}, {} = {value} at {x}, {beta}",
                canonical.canonical()
            );
        }
    }
}

/// All of the one-unit space: text round trip, canonical form a fixed point and equal in value. Distinct forms are distinct functions
/// as far as the points tell: the number of forms is checked against the number of value vectors.
#[test]
fn the_one_unit_space() {
    let mut forms: BTreeMap<String, CoreUnits> = BTreeMap::new();
    let mut ids = HashMap::new();
    let mut count = 0;
    for units in CoreUnits::all_single() {
        count += 1;
        let a = units.activation().unwrap();
        let expr = units.expr();
        let printed = parsed(&a.to_string());
        assert_eq!(printed, a, "{a}");
        assert_eq!(parsed(&a.canonical()).canonical(), a.canonical(), "{a}");
        assert_same_values(&expr, &a, &BETAS, 1e-9);
        ids.insert(a.id(), a.canonical());
        forms.entry(a.canonical()).or_insert(units);
    }
    assert_eq!((count, ids.len()), (6250, forms.len()));
    let mut vectors: BTreeMap<Vec<i64>, Vec<&str>> = BTreeMap::new();
    for (text, units) in &forms {
        let a = units.activation().unwrap();
        let values = POINTS.iter().flat_map(|x| BETAS.map(|b| a.eval(*x, &[b])));
        // Ten digits.
        let key =
            values.map(|v| if v == 0.0 { 0 } else { (v.abs().ln() * 1e9).round() as i64 / 2 * 2 + i64::from(v > 0.0) });
        vectors.entry(key.collect()).or_default().push(text);
    }
}

/// Derivatives of the one-unit space by central differences; a point where the differences of the two sides disagree is a kink.
#[test]
fn gradients_agree_with_finite_differences() {
    let (mut checked, mut kinks) = (0, 0);
    for units in CoreUnits::all_single() {
        let a = units.activation().unwrap();
        for (i, x) in POINTS.into_iter().enumerate().filter(|(i, _)| i % 3 == 1) {
            let beta = BETAS[i % 2];
            let g = a.grad(x, &[beta]);
            let f = |x: f64, beta: f64| a.eval(x, &[beta]);
            let mut check = |exact: f64, f: &dyn Fn(f64) -> f64| {
                let h = 1e-5;
                let (low, mid, high) = (f(-h), f(0.0), f(h));
                let numeric = (high - low) / (2.0 * h);
                // What the rounding of the values does to the quotient.
                let noise = 1e-15 * low.abs().max(high.abs()) / h;
                let bend = ((high - mid) - (mid - low)).abs() / h;
                if bend > 0.02 * numeric.abs().max(exact.abs()).max(1.0) {
                    kinks += 1;
                    return;
                }
                checked += 1;
                let allowed = 1e-6 * exact.abs().max(1.0) + 10.0 * noise;
                assert!((numeric - exact).abs() <= allowed, "{a} at {x}, beta {beta}: {exact} but {numeric}");
            };
            check(g.dx, &|h| f(x + h, beta));
            if let [dparam] = g.dparams[..] {
                check(dparam, &|h| f(x, beta + h));
            }
        }
    }
    println!("{checked} derivatives checked, {kinks} skipped at kinks");
    assert!(kinks * 50 < checked, "{kinks} of {checked} skipped");
}

/// Two and three units drawn at random with two betas: round trips and values as for one unit.
#[test]
fn larger_spaces() {
    let mut random = Lcg(11);
    let mut refused = 0;
    for i in 0..3000 {
        let units = (0..2 + i % 2).map(|k| {
            let input = |random: &mut Lcg| match random.below(k + 1) {
                0 => Input::X,
                j => Input::Unit(j - 1),
            };
            CoreUnit {
                inputs: [input(&mut random), input(&mut random)],
                unary: [(); 2].map(|()| Unary::ALL[random.below(25)]),
                binary: Binary::ALL[random.below(10)],
                beta: random.below(3) as u8,
            }
        });
        let units = CoreUnits::new(units.collect()).unwrap();
        let Ok(a) = units.activation() else {
            refused += 1;
            continue;
        };
        assert_eq!(parsed(&a.to_string()), a, "{a}");
        assert_eq!(parsed(&a.canonical()).canonical(), a.canonical(), "{a}");
        // Names may change places, so all betas have the same value.
        let symbols = units.expr().symbols();
        for x in POINTS.into_iter().step_by(3) {
            let written = eval::value(&units.expr(), x, Env { symbols: &symbols, values: &[0.7; 3] });
            let value = a.eval(x, &[0.7; 3]);
            // Where a part overflows, or a wave or a tie turns on the last bits of a huge argument, rounding decides.
            if written.is_finite() && value.is_finite() && stable(&units.expr(), x, &symbols) {
                assert!(difference(written, value) < 1e-6, "{a} = {written}, {} = {value} at {x}", a.canonical());
            }
        }
    }
    assert!(refused < 30, "{refused}");
}

/// True where a tiny change of x changes the value little.
fn stable(expr: &Expr, x: f64, symbols: &[Symbol]) -> bool {
    let at = |x: f64| eval::value(expr, x, Env { symbols, values: &[0.7; 3] });
    difference(at(x), at(x * (1.0 + 1e-12))) < 1e-8
}
