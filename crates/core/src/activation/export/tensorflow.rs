//! TensorFlow: a function, and a Keras layer that has its parameters.

use super::code::code;
use super::graph::Prim;
use super::python::{Library, body, docstring, listed};
use super::{Names, Source};

const LIBRARY: Library = Library {
    module: "tf.math",
    names: &[
        (Prim::SafeSqrt, "_safe_sqrt"),
        (Prim::Sinc, "_sinc"),
        (Prim::MinZero, "_min_zero"),
        (Prim::Relu, "tf.nn.relu"),
    ],
    // TensorFlow's own give all of the gradient to the first at a tie.
    choices: ["_maximum", "_minimum"],
    choices_with_number: ["_maximum", "_minimum"],
    helpers: &[
        (
            "_safe_sqrt",
            r#"
def _safe_sqrt(x: tf.Tensor) -> tf.Tensor:
    """sqrt(max(x, 0)), with derivative 0 where x <= 0."""
    inside = tf.where(x <= 0, tf.ones_like(x), x)
    return tf.where(x <= 0, tf.zeros_like(x), tf.math.sqrt(inside))
"#,
        ),
        (
            "_sinc",
            r#"
def _sinc(x: tf.Tensor) -> tf.Tensor:
    """sin(x) / x, near 0 by its series."""
    small = tf.math.abs(x) < 0.25
    square = tf.math.square(tf.where(small, x, tf.zeros_like(x)))
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    inside = tf.where(small, tf.ones_like(x), x)
    return tf.where(small, series, tf.math.sin(inside) / inside)
"#,
        ),
        (
            "_min_zero",
            r#"
def _min_zero(x: tf.Tensor) -> tf.Tensor:
    """min(x, 0), with derivative 1 at 0."""
    return tf.where(x > 0, tf.zeros_like(x), x)
"#,
        ),
        (
            "_maximum",
            r#"
def _maximum(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """max(a, b); at a tie each takes half of the gradient."""
    return tf.where(tf.equal(a, b), (a + b) / 2, tf.math.maximum(a, b))
"#,
        ),
        (
            "_minimum",
            r#"
def _minimum(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """min(a, b); at a tie each takes half of the gradient."""
    return tf.where(tf.equal(a, b), (a + b) / 2, tf.math.minimum(a, b))
"#,
        ),
    ],
};

/// The file.
pub(super) fn source(source: &Source<'_>) -> String {
    let Source { names: Names { function, class, .. }, params, .. } = source;
    let (graph, value) = source.value();
    let code = code(&graph, &[value], &LIBRARY, &source.param_names(), &["x", "tf"]);
    let tensors = std::iter::once("x").chain(params.iter().map(|p| p.name.as_str()));
    let args: Vec<String> = tensors.map(|name| format!("{name}: tf.Tensor")).collect();
    let mut text = "import tensorflow as tf\n".to_owned();
    text += &LIBRARY.needed(&code);
    text += "\n\n";
    text += &listed(&format!("def {function}("), &args, ") -> tf.Tensor:");
    text += "\n";
    text += &docstring(&source.about());
    text += &body(&code);
    text += &format!("\n\n@tf.keras.utils.register_keras_serializable(package=\"{class}\")\n");
    text += &format!("class {class}(tf.keras.layers.Layer):\n");
    if params.is_empty() {
        text += &docstring(&[format!("The function `{function}` as a layer.")]);
        return text + &format!("\n    def call(self, x: tf.Tensor) -> tf.Tensor:\n        return {function}(x)\n");
    }
    text += &docstring(&[
        format!("The function `{function}` with trainable parameters, one a channel."),
        String::new(),
        "Args:".into(),
        "    axis: the input's axis that holds the channels".into(),
    ]);
    text += "\n    def __init__(self, axis: int = -1, **kwargs) -> None:\n";
    text += "        super().__init__(**kwargs)\n        self.axis = axis\n";
    text += "\n    def build(self, input_shape) -> None:\n        shape = (input_shape[self.axis],)\n";
    for p in *params {
        text += &format!("        self.{0} = self.add_weight(\n            name=\"{0}\",\n", p.name);
        text += "            shape=shape,\n";
        text += &format!("            initializer=tf.keras.initializers.Constant({:?}),\n        )\n", p.init);
    }
    text += "\n    def call(self, x: tf.Tensor) -> tf.Tensor:\n";
    text += "        shape = [1] * x.shape.rank\n        shape[self.axis] = -1\n";
    let views: Vec<String> = params.iter().map(|p| format!("tf.reshape(self.{}, shape)", p.name)).collect();
    let items: Vec<String> = std::iter::once("x".to_owned()).chain(views).collect();
    text += &listed(&format!("        return {function}("), &items, ")");
    text += "\n\n    def get_config(self) -> dict:\n";
    text + "        return {**super().get_config(), \"axis\": self.axis}\n"
}
