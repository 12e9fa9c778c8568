//! Pictures of a search.

use crate::compare::CurveRow;
use crate::error::Result;
use crate::history::History;
use crate::journal::Proposal;
use crate::rerun::{Again, Kind, rank_correlations};
use crate::space::Space;
use std::collections::BTreeSet;
use swish_core::activation::{Activation, Binary, CoreUnits, Input, Unary};
use swish_record::plot::{
    CurveLine, FunctionPanel, FunctionPlot, GroupPanel, GroupPlot, GroupRow, ProgressLine, ProgressPanel, ProgressPlot,
    Reference, ScatterKind, ScatterPlot, ScatterPoint,
};
use swish_record::provenance;

/// Share of the candidates below which a plot's axis may begin.
const FLOOR: f64 = 0.1;

/// Functions that have their formula in a scatter plot; more of them would lie on one another.
const LABELLED: [&str; 5] = ["max(x,0)", "x*sigmoid(beta*x)", "max(x,sigmoid(x))", "cos(x)-x", "sinc(x)+x"];

/// Functions as in Figure 3 of the paper: two panels, x from -5 to 5, parameters at their initial values.
pub fn functions(title: &str, notes: Vec<String>, functions: &[Activation]) -> FunctionPlot {
    let line = |activation: &Activation| CurveLine {
        label: activation.formula(),
        points: sampled(|x| activation.eval(x, &[])),
    };
    let panels = functions.chunks(functions.len().div_ceil(2).max(1)).map(|part| FunctionPanel {
        heading: String::new(),
        y_label: "f(x)".into(),
        y_range: (-4.0, 6.0),
        lines: part.iter().map(line).collect(),
    });
    FunctionPlot { title: title.into(), notes, x_range: X_RANGE, panels: panels.collect() }
}

/// Functions, and in a second panel their derivatives, over x from -5 to 5, parameters at their initial values.
pub fn functions_and_derivatives(title: &str, functions: &[Activation]) -> FunctionPlot {
    let panel = |heading: &str, y_label: &str, of: &dyn Fn(&Activation, f64) -> f64| {
        let line = |activation: &Activation| CurveLine {
            label: activation.to_string(),
            points: sampled(|x| of(activation, x)),
        };
        let lines: Vec<CurveLine> = functions.iter().map(line).collect();
        FunctionPanel { heading: heading.into(), y_label: y_label.into(), y_range: y_range(&lines), lines }
    };
    let panels = vec![
        panel("function", "f(x)", &|activation, x| activation.eval(x, &[])),
        panel("derivative", "f'(x)", &|activation, x| activation.grad(x, &[]).dx),
    ];
    FunctionPlot { title: title.into(), notes: Vec::new(), x_range: X_RANGE, panels }
}

/// Arguments that a plot of functions shows, as those of the paper.
const X_RANGE: (f64, f64) = (-5.0, 5.0);

/// A function's values all over [`X_RANGE`].
fn sampled(f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (-500..=500).map(|i| f64::from(i) / 100.0).map(|x| (x, f(x))).collect()
}

/// All values, with a little room above and below, but none further from 0 than 8.
fn y_range(lines: &[CurveLine]) -> (f64, f64) {
    let values = lines.iter().flat_map(|line| &line.points).map(|point| point.1.clamp(-8.0, 8.0));
    let (low, high) =
        values.filter(|y| y.is_finite()).fold((0.0_f64, 0.0_f64), |(low, high), y| (low.min(y), high.max(y)));
    let room = 0.05 * (high - low).max(0.1);
    (low - room, high + room)
}

/// Every evaluation and the best so far.
pub fn progress(history: &History) -> ProgressPlot {
    let percent: Vec<f64> = history.rewards().into_iter().map(|reward| 100.0 * reward).collect();
    let mut panel = ProgressPanel::of_search("every proposal, and the best so far", ACCURACY, &percent);
    panel.floor = floor(history);
    panel.references = references(history);
    let title = format!("Search: {}", history.config.strategy.name());
    ProgressPlot { title, notes: notes(history), x_label: "proposals".into(), panels: vec![panel] }
}

/// Accuracy by number of core units, by unary and by binary operator.
///
/// # Errors
/// A space that is none.
pub fn groups(history: &History) -> Result<GroupPlot> {
    let space = history.config.space.build()?;
    let members: Vec<(CoreUnits, Option<f64>)> =
        history.proposals.iter().filter_map(|proposal| member(history, &space, proposal)).collect();
    let row = |label: &str, inside: &dyn Fn(&CoreUnits) -> bool| {
        let own = || members.iter().filter(|(units, _)| inside(units)).map(|(_, top1)| top1);
        let values: Vec<f64> = own().flatten().copied().collect();
        GroupRow { label: label.into(), failed: own().count() - values.len(), values }
    };
    let unary = |u: Unary| row(u.notation(), &|units| units.units().iter().any(|unit| unit.unary.contains(&u)));
    let binary = |b: Binary| row(b.notation(), &|units| units.units().iter().any(|unit| unit.binary == b));
    let size = |n: usize| row(&format!("{n}"), &|units| used(units) == n);
    let panel = |heading: &str, rows: Vec<GroupRow>| {
        let rows = rows.into_iter().filter(|row| row.values.len() + row.failed > 0).collect();
        GroupPanel { heading: heading.into(), rows }
    };
    let unary = panel("unary operator", space.unary().iter().copied().map(unary).collect());
    let binary = panel("binary operator", space.binary().iter().copied().map(binary).collect());
    let sizes = panel("core units that reach the output", (1..=space.units()).map(size).collect());
    let right = if space.units() > 1 { vec![sizes, binary] } else { vec![binary] };
    Ok(GroupPlot {
        title: "Accuracy by what a function is made of".into(),
        notes: notes(history),
        axis: ACCURACY.into(),
        floor: floor(history),
        references: references(history),
        columns: vec![vec![unary], right],
    })
}

/// Strategies on a recorded table: means over the seeds, with 95 % confidence intervals. `best` is the table's best accuracy, in percent.
pub fn compare(curves: &[CurveRow], best: f64) -> ProgressPlot {
    let mut names: Vec<&str> = Vec::new();
    for row in curves {
        if !names.contains(&row.strategy.as_str()) {
            names.push(&row.strategy);
        }
    }
    type Point = fn(&CurveRow) -> (f64, Option<f64>, Option<f64>);
    let panel = |heading: &str, point: Point| {
        let line = |name: &&str| {
            let own = || curves.iter().filter(|row| row.strategy == **name);
            let at = |row: &CurveRow| row.evaluation as f64;
            let band = |row: &CurveRow| match point(row) {
                (_, Some(low), Some(high)) => Some((at(row), 100.0 * low, 100.0 * high)),
                _ => None,
            };
            ProgressLine {
                label: (*name).into(),
                points: own().map(|row| (at(row), 100.0 * point(row).0)).collect(),
                band: own().filter_map(band).collect(),
                stepped: false,
            }
        };
        ProgressPanel {
            heading: heading.into(),
            y_label: ACCURACY.into(),
            floor: None,
            lines: names.iter().map(line).collect(),
            dots: Vec::new(),
            references: Vec::new(),
        }
    };
    let mut bests = panel("best so far", |row| (row.best, row.best_low, row.best_high));
    bests.references.push(Reference { value: best, label: "best of the space".into() });
    // The first proposals are drawn blindly; what matters lies near the best.
    bests.floor = Some((0.94 * best).floor());
    let recent = panel("mean of the last 100 proposals", |row| (row.recent, row.recent_low, row.recent_high));
    ProgressPlot {
        title: "Strategies on the recorded one-unit space".into(),
        notes: vec!["means over seeds with 95 % confidence intervals; a failure counts as 0".into()],
        x_label: "proposals".into(),
        panels: vec![bests, recent],
    }
}

/// Accuracies of a rerun against those of the search.
pub fn rerun(history: &History, again: &[Again]) -> ScatterPlot {
    // A function of several kinds is drawn as the one that says most of it.
    let shown = |row: &Again| [Kind::Named, Kind::Best, Kind::Drawn].into_iter().find(|kind| row.kinds.contains(kind));
    let kind = |kind: Kind, name: &str| {
        let points = again.iter().filter(|row| shown(row) == Some(kind)).filter_map(|row| {
            let label = LABELLED.contains(&row.formula.as_str()).then(|| row.formula.clone());
            Some(ScatterPoint { x: row.search_top1?, y: row.top1?, label })
        });
        ScatterKind { name: name.into(), points: points.collect() }
    };
    let steps = again.first().map_or(0, |row| row.steps);
    let mut notes = notes(history);
    notes.push(rank_correlations(again));
    ScatterPlot {
        title: "Does the search's ranking hold?".into(),
        notes,
        x_label: format!("{ACCURACY}, {} steps, one seed", history.config.child.recipe.steps),
        y_label: format!(
            "accuracy on test images (%), {steps} steps, median of {} seeds",
            again.iter().map(|row| row.n).max().unwrap_or(0)
        ),
        kinds: vec![
            kind(Kind::Drawn, "drawn among all"),
            kind(Kind::Best, "best of the search"),
            kind(Kind::Named, "named"),
        ],
    }
}

const ACCURACY: &str = "accuracy on held-out images (%)";

/// A proposal's function and its accuracy, `None` where it failed; nothing for one that has no reward yet.
fn member(history: &History, space: &Space, proposal: &Proposal) -> Option<(CoreUnits, Option<f64>)> {
    let top1 = match history.trial(proposal) {
        None => None,
        Some(id) => history.outcomes.get(id)?.top1,
    };
    Some((space.decode(&proposal.choices), top1))
}

/// Number of units whose output reaches that of the last.
fn used(units: &CoreUnits) -> usize {
    let units = units.units();
    let mut reach = vec![false; units.len()];
    if let Some(last) = reach.last_mut() {
        *last = true;
    }
    for k in (0..units.len()).rev() {
        if reach[k] {
            // A unary operator that is a parameter lets nothing of its input through.
            let through = units[k].inputs.into_iter().zip(units[k].unary).filter(|(_, unary)| *unary != Unary::Beta);
            for (input, _) in through {
                if let Input::Unit(k) = input {
                    reach[k] = true;
                }
            }
        }
    }
    reach.into_iter().filter(|reached| *reached).count()
}

/// Where axes begin: what a tenth of the finished trainings stay below.
fn floor(history: &History) -> Option<f64> {
    let values: Vec<f64> = history.outcomes.values().filter_map(|outcome| outcome.top1).collect();
    swish_record::stats::quantile(&values, FLOOR).map(f64::floor)
}

/// ReLU's and Swish's accuracies, where they are among the candidates.
fn references(history: &History) -> Vec<Reference> {
    let named = ["relu", "swish"].into_iter().filter_map(|name| {
        let wanted = Activation::named(name).ok()?;
        let own = history.proposals.iter().find(|p| p.formula.parse::<Activation>().is_ok_and(|a| a == wanted))?;
        Some(Reference { value: history.outcome(own)?.top1?, label: name.into() })
    });
    named.collect()
}

/// What the numbers come from.
pub fn notes(history: &History) -> Vec<String> {
    let child = &history.config.child;
    let data = history.starts.first().map_or("", |start| start.data.as_str());
    // Those that trained: outcomes may have been there before the search was.
    let commits: BTreeSet<&str> =
        history.outcomes.values().map(|o| provenance::short(&o.commit)).filter(|c| !c.is_empty()).collect();
    let commits = commits.into_iter().collect::<Vec<_>>().join(" ");
    vec![
        format!(
            "child: {}, {} steps of {}, {}, seed {}",
            child.recipe.model, child.recipe.steps, child.recipe.batch, child.precision, child.seed
        ),
        format!("profile {} · data {data} · commit {commits}", child.profile),
    ]
}
