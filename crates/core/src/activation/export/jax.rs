//! JAX: a pure function of the input and a dictionary of parameters, and one that makes the dictionary.

use super::code::code;
use super::graph::Prim;
use super::python::{Library, body, docstring, listed};
use super::{Names, Source};

const LIBRARY: Library = Library {
    module: "jnp",
    names: &[
        (Prim::Abs, "_abs"),
        (Prim::SafeSqrt, "_safe_sqrt"),
        (Prim::Sinc, "_sinc"),
        (Prim::MinZero, "_min_zero"),
        (Prim::Asinh, "jnp.arcsinh"),
        (Prim::Atan, "jnp.arctan"),
        (Prim::Relu, "jax.nn.relu"),
        (Prim::Sigmoid, "jax.nn.sigmoid"),
        (Prim::Softplus, "jax.nn.softplus"),
        (Prim::Erf, "jax.scipy.special.erf"),
    ],
    choices: ["jnp.maximum", "jnp.minimum"],
    choices_with_number: ["jnp.maximum", "jnp.minimum"],
    helpers: &[
        (
            "_abs",
            r#"
def _abs(x: jax.Array) -> jax.Array:
    """|x|, with derivative 0 at 0."""
    return jnp.where(x == 0, 0.0, jnp.abs(x))
"#,
        ),
        (
            "_safe_sqrt",
            r#"
def _safe_sqrt(x: jax.Array) -> jax.Array:
    """sqrt(max(x, 0)), with derivative 0 where x <= 0."""
    inside = jnp.where(x <= 0, 1.0, x)
    return jnp.where(x <= 0, 0.0, jnp.sqrt(inside))
"#,
        ),
        (
            "_sinc",
            r#"
def _sinc(x: jax.Array) -> jax.Array:
    """sin(x) / x, near 0 by its series."""
    small = jnp.abs(x) < 0.25
    square = jnp.where(small, x, 0.0) ** 2
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    inside = jnp.where(small, 1.0, x)
    return jnp.where(small, series, jnp.sin(inside) / inside)
"#,
        ),
        (
            "_min_zero",
            r#"
def _min_zero(x: jax.Array) -> jax.Array:
    """min(x, 0), with derivative 1 at 0."""
    return jnp.where(x > 0, 0.0, x)
"#,
        ),
    ],
};

/// The file.
pub(super) fn source(source: &Source<'_>) -> String {
    let Source { names: Names { function, .. }, params, .. } = source;
    let (graph, value) = source.value();
    let taken = ["x", "jax", "jnp", "params", "channel_axis", "shape"];
    let code = code(&graph, &[value], &LIBRARY, &source.param_names(), &taken);
    let mut text = "import jax\nimport jax.numpy as jnp\n".to_owned();
    text += &LIBRARY.needed(&code);
    if params.is_empty() {
        text += &format!("\n\ndef {function}(x: jax.Array) -> jax.Array:\n");
        text += &docstring(&source.about());
        return text + &body(&code);
    }
    text += &format!("\n\ndef init_{function}(channels: int, dtype=jnp.float32) -> dict[str, jax.Array]:\n");
    text += &docstring(&[format!("Parameters of `{function}` at the start of training.")]);
    text += "    return {\n";
    for p in *params {
        text += &format!("        \"{}\": jnp.full((channels,), {:?}, dtype),\n", p.name, p.init);
    }
    text += "    }\n\n\n";
    let args = ["x: jax.Array", "params: dict[str, jax.Array]", "channel_axis: int = -1"].map(String::from);
    text += &listed(&format!("def {function}("), &args, ") -> jax.Array:");
    text += "\n";
    let mut about = source.about();
    about.extend([
        String::new(),
        format!("`params` are those of `init_{function}`; `channel_axis` is the axis of `x` that holds the"),
        "channels.".into(),
    ]);
    text += &docstring(&about);
    text += "    shape = [1] * x.ndim\n    shape[channel_axis] = -1\n";
    for p in *params {
        text += &format!("    {0} = params[\"{0}\"].reshape(shape)\n", p.name);
    }
    text + &body(&code)
}
