//! The plots of a search for activation functions, from made-up numbers.

use super::*;

/// A number in 0..1 that depends on `n` alone.
fn unit(n: usize) -> f64 {
    (n as f64 * 0.618_033_988_75 + (n as f64 * 12.9898).sin() * 0.5 + 0.5).fract()
}

/// A formula of the paper, with its function.
type Formula = (&'static str, fn(f64) -> f64);

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The best functions the paper found, three of each kind, beside Swish and ReLU.
const FORMULAS: [[Formula; 5]; 2] = [
    [
        ("relu", |x| x.max(0.0)),
        ("x*sigmoid(beta*x)", |x| x * sigmoid(x)),
        ("max(x,sigmoid(x))", |x| x.max(sigmoid(x))),
        ("cos(x)-x", |x| x.cos() - x),
        ("min(x,sin(x))", |x| x.min(x.sin())),
    ],
    [
        ("(atan(x))^2-x", |x| x.atan().powi(2) - x),
        ("max(x,tanh(x))", |x| x.max(x.tanh())),
        ("sinc(x)+x", |x| if x == 0.0 { 1.0 } else { x.sin() / x + x }),
        ("x*(asinh(x))^2", |x| x * x.asinh().powi(2)),
        ("log(|x|+eps)", |x| x.abs().ln()),
    ],
];

fn curve((label, function): Formula) -> CurveLine {
    let points = (-100..=100).map(|n| f64::from(n) / 20.0).map(|x| (x, function(x)));
    CurveLine { label: label.into(), points: points.collect() }
}

fn functions() -> FunctionPlot {
    let panel = |heading: &str, formulas: [Formula; 5]| FunctionPanel {
        heading: heading.into(),
        y_label: "f(x)".into(),
        y_range: (-3.0, 5.0),
        lines: formulas.map(curve).to_vec(),
    };
    FunctionPlot {
        title: "Figure 3: the best functions found, made-up choice".into(),
        notes: vec!["beta = 1 · cut at −3 and 5".into()],
        x_range: (-5.0, 5.0),
        panels: vec![panel("One unit", FORMULAS[0]), panel("One unit, continued", FORMULAS[1])],
    }
}

#[test]
fn function_plots_are_readable_and_written() {
    let folder = Folder::new();
    let mut plot = functions();
    assert_readable(&plot.picture());
    assert_written(plot.write(folder.base("functions")).unwrap());
    // Formulas wider than a panel, and more panels than stand side by side.
    plot.panels[0].lines[4].label = "max(sigmoid(beta*x)*x,min(x,sin(x)))-exp(-beta*|x-tanh(x)|)".into();
    plot.panels.extend(functions().panels);
    assert_readable(&plot.picture());
    plot.write(folder.base("functions-long")).unwrap();
}

/// Lines end where they leave the range, begin again where they come back, and are not drawn without values.
#[test]
fn functions_are_cut_at_the_range() {
    let mut plot = functions();
    plot.panels.truncate(1);
    plot.panels[0].lines =
        vec![curve(("1/x", |x| 1.0 / x)), curve(("x^3", |x| x.powi(3))), curve(("nan", |_| f64::NAN))];
    let picture = plot.picture();
    assert_readable(&picture);
    let lines = |shown: &FunctionPlot| {
        let marks = shown.picture().marks;
        marks.iter().filter(|mark| matches!(mark, Mark::Line { .. })).count()
    };
    let mut without = plot.clone();
    without.panels[0].lines.iter_mut().for_each(|line| line.points.clear());
    // Two branches of 1/x, and x^3.
    assert!(lines(&plot) >= lines(&without) + 3);
}

/// Rewards of three strategies: mean and its interval over seeds.
fn strategies(smooth: bool) -> Vec<ProgressLine> {
    [("random", 0.5, 0.012), ("reinforcement learning", 1.6, 0.008), ("evolution", 2.2, 0.005)]
        .into_iter()
        .enumerate()
        .map(|(k, (label, speed, spread))| {
            let value = |n: usize| {
                let t = n as f64 / 400.0;
                let wiggle = if smooth { 0.0 } else { 0.01 * unit(n + 1000 * k) };
                0.86 + 0.062 * (1.0 - (-speed * 3.0 * t).exp()) + wiggle - if smooth { 0.0 } else { 0.07 }
            };
            let at = (1..=40).map(|n| n * 10);
            let points: Vec<(f64, f64)> = at.map(|n| (n as f64, value(n))).collect();
            let band = points.iter().map(|&(x, y)| (x, y - spread, y + spread)).collect();
            ProgressLine { label: label.into(), points, band, stepped: smooth }
        })
        .collect()
}

fn reference(value: f64, label: &str) -> Reference {
    Reference { value, label: label.into() }
}

/// What three strategies reach over the evaluations.
fn progress() -> ProgressPlot {
    let references = vec![reference(0.931, "best of the space"), reference(0.9125, "swish"), reference(0.911, "relu")];
    let panel = |heading: &str, lines, references| ProgressPanel {
        heading: heading.into(),
        y_label: "accuracy on the validation set".into(),
        floor: None,
        lines,
        dots: Vec::new(),
        references,
    };
    ProgressPlot {
        title: "Strategies on a space that is known, made-up numbers".into(),
        notes: vec!["mean of 20 seeds · bands: 95 % confidence interval of the mean".into()],
        x_label: "evaluations".into(),
        panels: vec![
            panel("best so far", strategies(true), references),
            panel("mean of the last 50 proposals", strategies(false), Vec::new()),
        ],
    }
}

/// One search of 600 evaluations, a tenth of them failures.
fn one_search() -> ProgressPlot {
    let reward = |n: usize| match unit(3 * n) {
        u if u < 0.06 => f64::NAN,
        u if u < 0.12 => 10.0,
        u => 91.5 - (12.0 - 8.0 * n as f64 / 600.0) * (u - 0.12).powi(2) + 2.0 * unit(7 * n),
    };
    let rewards: Vec<f64> = (0..600).map(reward).collect();
    let mut panel = ProgressPanel::of_search("resnet20 · cifar10 · one seed", "validation accuracy (%)", &rewards);
    panel.floor = Some(80.0);
    panel.references = vec![reference(91.3, "relu")];
    ProgressPlot {
        title: "A search, made-up numbers".into(),
        notes: vec!["values below 80 % lie on the edge".into()],
        x_label: "evaluations".into(),
        panels: vec![panel],
    }
}

#[test]
fn progress_plots_are_readable_and_written() {
    let folder = Folder::new();
    for (name, plot) in [("progress", progress()), ("progress-one", one_search())] {
        assert_readable(&plot.picture());
        assert_written(plot.write(folder.base(name)).unwrap());
    }
}

/// Neither a floor above all values nor references far from them do harm.
#[test]
fn references_are_always_in_the_panel() {
    let mut plot = one_search();
    plot.panels[0].floor = Some(120.0);
    plot.panels[0].references = vec![reference(99.0, "high"), reference(5.0, "low"), reference(f64::NAN, "none")];
    let picture = plot.picture();
    assert_readable(&picture);
    let texts: Vec<String> = boxes(&picture).into_iter().map(|text| text.4).collect();
    assert!(texts.contains(&"high".into()) && texts.contains(&"low".into()) && !texts.contains(&"none".into()));
}

const UNARY: [&str; 25] = [
    "x",
    "-x",
    "|x|",
    "x^2",
    "x^3",
    "sqrt(x)",
    "beta*x",
    "x+beta",
    "log(|x|+eps)",
    "exp(x)",
    "sin(x)",
    "cos(x)",
    "sinh(x)",
    "cosh(x)",
    "tanh(x)",
    "asinh(x)",
    "atan(x)",
    "sinc(x)",
    "max(x,0)",
    "min(x,0)",
    "sigmoid(x)",
    "log(1+exp(x))",
    "exp(-x^2)",
    "erf(x)",
    "beta",
];
const BINARY: [&str; 10] = [
    "x1+x2",
    "x1*x2",
    "x1-x2",
    "x1/(x2+eps)",
    "max(x1,x2)",
    "min(x1,x2)",
    "sigmoid(x1)*x2",
    "exp(-beta*(x1-x2)^2)",
    "exp(-beta*|x1-x2|)",
    "beta*x1+(1-beta)*x2",
];

/// Candidates by units and operators; some groups fail often and some entirely.
fn groups() -> GroupPlot {
    let row = |seed: usize, label: &str| {
        let n = 20 + (unit(seed) * 300.0) as usize;
        let mean = 80.0 + 9.0 * unit(seed + 50);
        let values = (0..n).map(|k| match unit(seed * 1000 + k) {
            _ if label == "sinh(x)" => 10.0,
            _ if label == "beta" => f64::NAN,
            u if u < 0.1 => 10.0,
            u => mean - 16.0 * (u - 0.1).powi(2) + 3.0 * unit(seed * 77 + k),
        });
        GroupRow { label: label.into(), values: values.collect(), failed: (unit(seed + 9) * 40.0) as usize }
    };
    let panel = |heading: &str, labels: &[&str]| GroupPanel {
        heading: heading.into(),
        rows: labels.iter().enumerate().map(|(n, label)| row(n + labels.len(), label)).collect(),
    };
    GroupPlot {
        title: "Which parts make a good activation, made-up numbers".into(),
        notes: vec!["candidates of three searches · a candidate counts in every group it belongs to".into()],
        axis: "validation accuracy (%)".into(),
        floor: Some(70.0),
        references: vec![reference(90.1, "relu"), reference(91.0, "swish")],
        columns: vec![
            vec![panel("By unary operator", &UNARY)],
            vec![panel("By number of core units", &["1", "2", "3"]), panel("By binary operator", &BINARY)],
        ],
    }
}

#[test]
fn group_plots_are_readable_and_written() {
    let folder = Folder::new();
    let mut plot = groups();
    assert_readable(&plot.picture());
    assert_written(plot.write(folder.base("groups")).unwrap());
    plot.floor = None;
    plot.columns.truncate(1);
    assert_readable(&plot.picture());
    plot.write(folder.base("groups-all")).unwrap();
}

/// Two budgets, the second a noisy better version of the first; labels for the best.
fn scatter() -> ScatterPlot {
    let kind = |name: &str, first: usize, n: usize, labels: &[&str]| {
        let point = |k: usize| {
            let x = 78.0 + 12.0 * unit(k + first).sqrt();
            let y = 90.0 + 0.3 * (x - 84.0) + 2.2 * unit(3 * k + first) - 1.1;
            ScatterPoint { x, y, label: labels.get(k).map(|label| (*label).to_owned()) }
        };
        ScatterKind { name: name.into(), points: (0..n).map(point).collect() }
    };
    ScatterPlot {
        title: "Does the small budget predict the larger one? (made-up numbers)".into(),
        notes: vec!["rank correlation 0.81 (Spearman) over 138 candidates".into()],
        x_label: "accuracy after 1 epoch (%)".into(),
        y_label: "accuracy after 10 epochs (%)".into(),
        kinds: vec![
            kind("random", 0, 100, &[]),
            kind("found by the search", 300, 30, &["max(x,sigmoid(x))", "cos(x)-x", "min(x,sin(x))", "sinc(x)+x"]),
            kind("known", 700, 8, &["relu", "swish", "elu", "selu", "gelu", "softplus"]),
        ],
    }
}

#[test]
fn scatter_plots_are_readable_and_written() {
    let folder = Folder::new();
    let mut plot = scatter();
    assert_readable(&plot.picture());
    assert_written(plot.write(folder.base("scatter")).unwrap());
    // Many points at one place, all with labels.
    let crowd = |n: usize| ScatterPoint { x: 90.0 + 0.01 * unit(n), y: 92.0, label: Some(format!("f{n}(x)+sin(x)")) };
    plot.kinds[1].points.extend((0..10).map(crowd));
    assert_readable(&plot.picture());
    plot.write(folder.base("scatter-crowd")).unwrap();
}

/// Nothing at all, nothing in a panel, one point, and values that are not finite.
#[test]
fn degenerate_plots_are_whole() {
    let line = |points: &[(f64, f64)]| ProgressLine {
        label: "line".into(),
        points: points.to_vec(),
        band: points.iter().map(|&(x, y)| (x, y, y)).collect(),
        stepped: true,
    };
    let inputs: [&[(f64, f64)]; 4] =
        [&[], &[(1.0, 2.0)], &[(f64::NAN, 1.0), (1.0, f64::NAN)], &[(0.0, f64::INFINITY), (1.0, 3.0), (2.0, 3.0)]];
    for points in inputs {
        let mut plot = functions();
        plot.panels.truncate(1);
        plot.panels[0].lines = vec![CurveLine { label: "f".into(), points: points.to_vec() }];
        assert_readable(&plot.picture());

        let mut plot = progress();
        plot.panels.iter_mut().for_each(|panel| panel.references.clear());
        plot.panels[0].lines = vec![line(points)];
        plot.panels[1].lines.clear();
        plot.panels[1].dots = points.to_vec();
        assert_readable(&plot.picture());

        let mut plot = groups();
        let values = points.iter().map(|point| point.1).collect();
        plot.columns = vec![vec![GroupPanel {
            heading: "group".into(),
            rows: vec![GroupRow { label: "row".into(), values, failed: 0 }],
        }]];
        plot.references.clear();
        for floor in [None, Some(1.0), Some(50.0)] {
            plot.floor = floor;
            assert_readable(&plot.picture());
        }

        let mut plot = scatter();
        let point = |&(x, y): &(f64, f64)| ScatterPoint { x, y, label: Some("here".into()) };
        plot.kinds = vec![ScatterKind { name: "kind".into(), points: points.iter().map(point).collect() }];
        assert_readable(&plot.picture());
    }
    let (mut one, mut two, mut three, mut four) = (functions(), progress(), groups(), scatter());
    one.panels.clear();
    two.panels.clear();
    three.columns.clear();
    four.kinds.clear();
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("empty");
    for picture in [one.picture(), two.picture(), three.picture(), four.picture()] {
        assert_readable(&picture);
        picture.write(&base).unwrap();
    }
}
