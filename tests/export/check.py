"""Runs exported Python code: check.py TARGET FOLDER.

FOLDER has cases.json, with points and what is expected there, and a file <TARGET>_<n>.py of every case. Every point is a channel, so
the gradients of parameters come out point by point. Ends with 77 where the target's library is not installed.
"""

import importlib.util
import json
import os
import sys

TOLERANCE = 1e-6
MISSING = 77


def load(folder, target, n):
    spec = importlib.util.spec_from_file_location(f"{target}_{n}", f"{folder}/{target}_{n}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_pytorch(module, n, case):
    import torch

    layer = getattr(module, f"Case{n}")(*([len(case["x"])] if case["params"] else [])).double()
    assert [name for name, _ in layer.named_parameters()] == [p["name"] for p in case["params"]]
    for p in case["params"]:
        parameter = getattr(layer, p["name"])
        assert torch.all(parameter == p["init"])
        parameter.data = torch.tensor(p["values"], dtype=torch.float64)
    x = torch.tensor([case["x"]], dtype=torch.float64, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    if case["params"]:  # images, whose channels come second
        few = getattr(module, f"Case{n}")(3)
        assert few(torch.ones(2, 3, 4, 5)).shape == (2, 3, 4, 5)
    return [y, x.grad] + [p.grad for p in layer.parameters()]


def run_jax(module, n, case):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    f = getattr(module, f"case_{n}")
    x = jnp.array([case["x"]])
    if not case["params"]:
        return [f(x), jax.grad(lambda x: f(x).sum())(x)]
    params = getattr(module, f"init_case_{n}")(x.shape[1], jnp.float64)
    assert {name: float(values[0]) for name, values in params.items()} == {p["name"]: p["init"] for p in case["params"]}
    params = {p["name"]: jnp.array(p["values"]) for p in case["params"]}
    dx, d_params = jax.grad(lambda x, params: f(x, params).sum(), argnums=(0, 1))(x, params)
    assert f(x.T, params, channel_axis=0).shape == (x.shape[1], 1)
    return [f(x, params), dx] + [d_params[p["name"]] for p in case["params"]]


def run_tensorflow(module, n, case):
    import numpy as np
    import tensorflow as tf

    layer = getattr(module, f"Case{n}")(dtype="float64")
    x = tf.constant([case["x"]], dtype=tf.float64)
    layer(x)
    assert [w.name for w in layer.weights] == [p["name"] for p in case["params"]]
    assert all(w.numpy()[0] == p["init"] for w, p in zip(layer.weights, case["params"]))
    layer.set_weights([np.array(p["values"]) for p in case["params"]])
    variables = list(layer.trainable_variables)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    gradients = tape.gradient(y, [x] + variables)
    return [y] + [tf.convert_to_tensor(g) for g in gradients]


def check(case, found):
    """The largest error relative to numbers from 1 on, where there is an expectation."""
    worst = 0.0
    assert len(found) == 2 + len(case["params"])
    for k, values in enumerate(found):
        values = values.detach() if hasattr(values, "detach") else values
        values = [float(v) for v in values.numpy().reshape(-1)] if hasattr(values, "numpy") else values.reshape(-1).tolist()
        assert len(values) == len(case["x"])
        for i, (value, expected) in enumerate(zip(values, case["expected"])):
            if expected is not None:
                error = abs(value - expected[k]) / max(1.0, abs(expected[k]))
                if not error <= TOLERANCE:
                    what = ["value", "derivative"][k] if k < 2 else f"derivative by {case['params'][k - 2]['name']}"
                    sys.exit(f"{case['activation']}: {what} at {case['x'][i]} is {value}, expected {expected[k]}")
                worst = max(worst, error)
    return worst


def main():
    target, folder = sys.argv[1:]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    try:
        importlib.import_module({"pytorch": "torch"}.get(target, target))
    except ImportError:
        sys.exit(MISSING)
    with open(f"{folder}/cases.json") as file:
        cases = json.load(file)
    run = globals()[f"run_{target}"]
    worst = max(check(case, run(load(folder, target, n), n, case)) for n, case in enumerate(cases))
    print(f"{target}: {len(cases)} functions, largest error {worst:.1e}")


main()
