//! Text to function and back: names, printing, errors, operators, core units.

use swish_core::activation::{
    Activation, Binary, CoreUnit, CoreUnits, Expr, Input, NAMED, Problem, Symbol, Unary, UnitsError,
};

use super::{Lcg, parsed};

#[test]
fn names_are_found_however_written() {
    for (text, name) in [
        ("Swish_1", "swish-1"),
        ("swish1", "swish-1"),
        ("SiLU", "swish-1"),
        ("swish-1", "swish-1"),
        (" ReLU ", "relu"),
        ("linear", "identity"),
        ("max-x-sigmoid", "max_x_sigmoid"),
    ] {
        let a = parsed(text);
        assert_eq!(a.name(), Some(name), "{text}");
        assert_eq!(a.to_string(), name);
        assert_eq!(Activation::named(text).unwrap(), a);
    }
    assert_eq!(parsed("max(x,0)").name(), Some("relu"));
    assert_eq!(parsed("max(x,0)").to_string(), "max(x,0)");
    assert_eq!(parsed("x*sigmoid(beta7*x)").name(), Some("swish"));
    assert_eq!(parsed("tanh(x)").name(), None);
    assert!(parsed("linear").is_identity() && parsed("-(-x)").is_identity() && !parsed("relu").is_identity());
    assert_eq!(Activation::identity(), parsed("x"));
    assert_eq!(Activation::identity().id(), parsed("x").id());
    let params = |text: &str| parsed(text).params().iter().map(|p| (p.name.clone(), p.init)).collect::<Vec<_>>();
    assert_eq!(params("swish"), [("beta".to_owned(), 1.0)]);
    assert_eq!(params("prelu"), [("alpha".to_owned(), 0.25)]);
    assert_eq!(params("swish-1"), []);
    assert_eq!(
        params("beta3*x+sin(beta1*x)+alpha9"),
        [("beta".to_owned(), 1.0), ("beta2".to_owned(), 1.0), ("alpha".to_owned(), 0.25)]
    );
}

#[test]
fn every_name_prints_and_parses() {
    for row in NAMED {
        let a = Activation::named(row.name).unwrap();
        assert_eq!(parsed(&a.to_string()), a);
        assert_eq!(parsed(&a.formula()), a, "{}", a.formula());
        assert_eq!(parsed(&a.canonical()).canonical(), a.canonical());
        assert_eq!(parsed(row.formula), a);
        assert_eq!(a.id().len(), 16);
        for alias in row.aliases {
            assert_eq!(Activation::named(alias).unwrap(), a);
        }
    }
    assert_eq!(Activation::named("swish").unwrap().formula(), "x*sigmoid(beta*x)");
    assert_eq!(Activation::named("swish").unwrap().canonical(), "x*sigmoid(beta*x)");
}

fn message(text: &str) -> String {
    text.parse::<Activation>().expect_err(text).to_string()
}

#[test]
fn errors_say_what_and_where() {
    for (text, expected) in [
        ("relu(", "activation \"relu(\": column 6: expected an argument and \")\", found the end"),
        ("relu(x", "activation \"relu(x\": column 7: expected an operator, \",\" or \")\", found the end"),
        ("swishh", "activation \"swishh\": column 1: unknown name \"swishh\"; did you mean \"swish\"?"),
        (
            "x*sigmoyd(x)",
            "activation \"x*sigmoyd(x)\": column 3: unknown function \"sigmoyd\"; did you mean \"sigmoid\"?",
        ),
        ("x^2.5", "activation \"x^2.5\": column 3: the exponent 2.5 is not taken: an integer from 1 to 9 is"),
        ("x^-1", "activation \"x^-1\": column 3: the exponent -1 is not taken: an integer from 1 to 9 is"),
        ("x^x", "activation \"x^x\": column 3: the exponent x is not taken: an integer from 1 to 9 is"),
        ("2x", "activation \"2x\": column 2: expected an operator or the end, found \"x\""),
        (
            "x+",
            "activation \"x+\": column 3: expected x, a number, a parameter, a function, \"(\" or \"|\", found the end",
        ),
        ("x $ 1", "activation \"x $ 1\": column 3: '$' belongs to no formula"),
        ("1e999", "activation \"1e999\": column 1: the number 1e999 is not finite"),
        ("x+eps", "activation \"x+eps\": column 3: eps stands only in log(|x|+eps) and in a denominator, a/(b+eps)"),
        ("log(x)", "activation \"log(x)\": column 4: log is taken only of |x|+eps (or |x|) and of 1+exp(x)"),
        ("x/0", "activation \"x/0\": column 3: division by the number 0"),
        ("max(x)", "activation \"max(x)\": column 4: max takes two arguments, 1 given"),
        ("sin(x,x)", "activation \"sin(x,x)\": column 4: sin takes one argument, 2 given"),
        ("sin()", "activation \"sin()\": column 4: sin takes one argument, 0 given"),
        ("beta300", "activation \"beta300\": column 1: the number of parameter beta300 is above 255"),
        ("x*exp(1000)", "activation \"x*exp(1000)\": a constant part of the formula is not finite"),
        ("x+sin", "activation \"x+sin\": column 6: expected \"(\" after sin, found the end"),
        ("", "activation \"\": the text is empty; give a name (swish) or a formula (x*sigmoid(beta*x))"),
        (" \t\n", "activation \" \\t\\n\": the text is empty; give a name (swish) or a formula (x*sigmoid(beta*x))"),
        ("nan", "activation \"nan\": column 1: unknown name \"nan\""),
    ] {
        assert_eq!(message(text), expected);
    }
    assert!(Activation::named("rellu").unwrap_err().to_string().contains("did you mean \"relu\""));
}

#[test]
fn extreme_texts_are_refused_not_crashed_on() {
    let problem = |text: &str| text.parse::<Activation>().expect_err("refused").problem;
    assert!(matches!(problem(&"(".repeat(10_000)), Problem::TooLong { .. }));
    assert!(matches!(problem(&"(".repeat(3_999)), Problem::TooDeep { .. }));
    assert!(matches!(problem(&"-".repeat(3_999)), Problem::TooDeep { .. }));
    assert!(matches!(problem(&"|".repeat(3_999)), Problem::TooDeep { .. }));
    assert!(matches!(problem(&"sin(".repeat(900)), Problem::TooDeep { .. }));
    assert!(matches!(problem(&format!("x{}", "+x".repeat(1_900))), Problem::TooLarge { .. }));
    assert!(matches!(problem("beta1+beta2+beta3+beta4+alpha1+alpha2+alpha3"), Problem::Parameters { given: 7, .. }));
    // The longest chains that are taken, on a thread with a small stack.
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let chain: Vec<String> = (0..330).map(|i| format!("sin({i}+x)")).filter(|t| t.len() < 11).collect();
        let long = parsed(&chain[..195].join("*"));
        assert_eq!(parsed(&long.canonical()), long);
        let deep = format!("{}x{}", "exp(-".repeat(49), ")".repeat(49));
        assert_eq!(parsed(&parsed(&deep).canonical()), parsed(&deep));
    });
    small.unwrap().join().unwrap();
    // Six parameters in symmetric places: every naming is tried.
    let many = parsed("x*beta1*sin(beta2)+cos(beta3)*beta4+beta5*beta6");
    assert_eq!(many.params().len(), 6);
}

#[test]
fn any_text_is_parsed_or_refused() {
    let words = [
        "x", "beta", "(", ")", "+", "-", "*", "/", "^", "2", "|", ",", "eps", "sin(", "max(", "log(", "0.5", "relu",
        "exp(", "1",
    ];
    let mut random = Lcg(7);
    let mut taken = 0;
    for _ in 0..20_000 {
        let text: String = (0..1 + random.below(9)).map(|_| words[random.below(words.len())]).collect();
        if let Ok(a) = text.parse::<Activation>() {
            taken += 1;
            assert_eq!(parsed(&a.to_string()), a, "{text}");
            assert_eq!(parsed(&a.canonical()).canonical(), a.canonical(), "{text}");
        }
    }
    assert!(taken > 500, "{taken}");
}

#[test]
fn operator_tables_are_whole() {
    for (i, u) in Unary::ALL.into_iter().enumerate() {
        assert_eq!((u as usize, Unary::from_name(u.name())), (i, Some(u)));
        assert_eq!(Activation::from_expr(u.apply(Expr::X, Symbol::BETA)).unwrap(), parsed(u.notation()));
    }
    for (i, b) in Binary::ALL.into_iter().enumerate() {
        assert_eq!((b as usize, Binary::from_name(b.name())), (i, Some(b)));
        let written = b.notation().replace("x1", "sin(x)").replace("x2", "cos(x)");
        assert_eq!(parsed(&format!("{}(sin(x),cos(x))", b.name())), parsed(&written));
    }
}

#[test]
fn units_compose() {
    let first = CoreUnit::of_x(Unary::Identity, Unary::BetaMul, Binary::SigmoidMul);
    let swish = CoreUnits::new(vec![CoreUnit { unary: [Unary::BetaMul, Unary::Identity], ..first }]).unwrap();
    assert_eq!(swish.activation().unwrap(), parsed("swish"));
    let second = CoreUnit {
        inputs: [Input::Unit(0), Input::X],
        unary: [Unary::Square, Unary::BetaAdd],
        binary: Binary::Mix,
        beta: 2,
    };
    let two = CoreUnits::new(vec![first, second]).unwrap().activation().unwrap();
    assert_eq!(two, parsed("beta2*(sigmoid(x)*(beta*x))^2+(1-beta2)*(x+beta2)"));
    assert_eq!(two.params().len(), 2);
    assert_eq!(CoreUnits::new(vec![]), Err(UnitsError::Count(0)));
    assert_eq!(CoreUnits::new(vec![second]), Err(UnitsError::Input { unit: 0, input: 0 }));
    let full = CoreUnit { inputs: [Input::Unit(0); 2], unary: [Unary::BetaMul; 2], binary: Binary::Mix, beta: 0 };
    let mut units = vec![CoreUnit { inputs: [Input::X; 2], ..full }];
    units.extend((0..5).map(|i| CoreUnit { inputs: [Input::Unit(i); 2], ..full }));
    let largest = CoreUnits::new(units).unwrap().activation().unwrap();
    assert_eq!(parsed(&largest.to_string()), largest);
}
