//! PyTorch: a function, and a module that has its parameters. Autograd finds the derivatives, at kinks and ties the same as ours.

use super::code::code;
use super::graph::Prim;
use super::python::{Library, body, docstring, listed};
use super::{Names, Source};

const LIBRARY: Library = Library {
    module: "torch",
    names: &[
        (Prim::SafeSqrt, "_safe_sqrt"),
        (Prim::Sinc, "_sinc"),
        (Prim::MinZero, "_min_zero"),
        (Prim::Softplus, "_softplus"),
    ],
    choices: ["torch.maximum", "torch.minimum"],
    choices_with_number: ["_above", "_below"],
    helpers: &[
        (
            "_safe_sqrt",
            r#"
def _safe_sqrt(x: torch.Tensor) -> torch.Tensor:
    """sqrt(max(x, 0)), with derivative 0 where x <= 0."""
    inside = torch.where(x <= 0, 1.0, x)
    return torch.where(x <= 0, 0.0, torch.sqrt(inside))
"#,
        ),
        (
            "_sinc",
            r#"
def _sinc(x: torch.Tensor) -> torch.Tensor:
    """sin(x) / x, near 0 by its series."""
    small = torch.abs(x) < 0.25
    square = torch.where(small, x, 0.0) ** 2
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    inside = torch.where(small, 1.0, x)
    return torch.where(small, series, torch.sin(inside) / inside)
"#,
        ),
        (
            "_min_zero",
            r#"
def _min_zero(x: torch.Tensor) -> torch.Tensor:
    """min(x, 0), with derivative 1 at 0."""
    return torch.where(x > 0, 0.0, x)
"#,
        ),
        (
            "_above",
            r#"
def _above(x: torch.Tensor, limit: float) -> torch.Tensor:
    """max(x, limit), with half of the derivative at a tie."""
    return torch.maximum(x, torch.full_like(x, limit))
"#,
        ),
        (
            "_below",
            r#"
def _below(x: torch.Tensor, limit: float) -> torch.Tensor:
    """min(x, limit), with half of the derivative at a tie."""
    return torch.minimum(x, torch.full_like(x, limit))
"#,
        ),
        (
            "_softplus",
            r#"
def _softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + exp(x)) without overflow."""
    return torch.logaddexp(x, torch.zeros_like(x))
"#,
        ),
    ],
};

/// The file.
pub(super) fn source(source: &Source<'_>) -> String {
    let Source { names: Names { function, class, .. }, params, .. } = source;
    let (graph, value) = source.value();
    let code = code(&graph, &[value], &LIBRARY, &source.param_names(), &["x", "torch", "nn"]);
    let tensors = std::iter::once("x").chain(params.iter().map(|p| p.name.as_str()));
    let args: Vec<String> = tensors.map(|name| format!("{name}: torch.Tensor")).collect();
    let mut text = "import torch\nfrom torch import nn\n".to_owned();
    text += &LIBRARY.needed(&code);
    text += "\n\n";
    text += &listed(&format!("def {function}("), &args, ") -> torch.Tensor:");
    text += "\n";
    text += &docstring(&source.about());
    text += &body(&code);
    text += "\n\n";
    text += &format!("class {class}(nn.Module):\n");
    if params.is_empty() {
        text += &docstring(&[format!("The function `{function}` as a module.")]);
        text += "\n    def forward(self, x: torch.Tensor) -> torch.Tensor:\n";
        return text + &format!("        return {function}(x)\n");
    }
    text += &docstring(&[
        format!("The function `{function}` with trainable parameters, one a channel."),
        String::new(),
        "Args:".into(),
        "    channels: channels of the input".into(),
        "    channel_dim: the input's dimension that holds them".into(),
    ]);
    text += "\n    def __init__(self, channels: int, channel_dim: int = 1) -> None:\n";
    text += "        super().__init__()\n        self.channel_dim = channel_dim\n";
    for p in *params {
        text += &format!("        self.{} = nn.Parameter(torch.full((channels,), {:?}))\n", p.name, p.init);
    }
    text += "\n    def forward(self, x: torch.Tensor) -> torch.Tensor:\n";
    text += "        shape = [1] * x.dim()\n        shape[self.channel_dim] = -1\n";
    let views: Vec<String> = params.iter().map(|p| format!("self.{}.view(shape)", p.name)).collect();
    let items: Vec<String> = std::iter::once("x".to_owned()).chain(views).collect();
    text + &listed(&format!("        return {function}("), &items, ")") + "\n"
}
