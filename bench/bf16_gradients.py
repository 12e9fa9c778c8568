"""How far gradients in bfloat16 are from the exact ones: ours beside PyTorch's autocast, on the same training step.

    python bench/bf16_gradients.py --swish target/release/swish --output results/bench/bf16_gradients.csv

Weights, images and targets are those of tests/golden/make.py at another batch size; the exact gradients are PyTorch's in float64. One row
a model: the relative error (norm of the difference over the norm) of each parameter's gradient, as median, 90th percentile and largest
over the parameters, for both programs in bfloat16, and for both in float32.
"""

import argparse
import csv
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = [("resnet20", "swish"), ("resnet-preact-11", "swish"), ("wrn-10-1", "atan2_minus_x"), ("densenet-bc-22-12", "swish")]
FORMULAS = {"max_x_sin": "max(x, sin(x))", "atan2_minus_x": "atan(x)^2 - x"}


def golden():
    spec = importlib.util.spec_from_file_location("golden", ROOT / "tests/golden/make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(make, model, act, dtype):
    net = make.NETS[model](act).to(dtype)
    names = {p: n.removeprefix("stem.") for n, p in net.named_parameters()}
    with torch.no_grad():
        for p, name in names.items():
            p.copy_(make.value(name, p.shape))
    return net.train(), names


def torch_gradients(make, model, act, xs, target, dtype, autocast):
    net, names = network(make, model, act, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = F.cross_entropy(net(xs.to(dtype)), target)
    loss.backward()
    return {name: p.grad.double() for p, name in names.items()}


def our_gradients(swish, model, act, tensors, folder, precision):
    out = folder / f"{precision}.safetensors"
    command = [swish, "forward", "--train", "--model", model, "--activation", FORMULAS.get(act, act), "--precision", precision]
    for flag, name in (("--weights", "weights"), ("--input", "input")):
        save_file(tensors[name], folder / f"{name}.safetensors")
        command += [flag, folder / f"{name}.safetensors"]
    subprocess.run([*command, "--output", out], check=True)
    return {k[5:]: v.double() for k, v in load_file(out).items() if k.startswith("grad/")}


def errors(got, exact):
    """Relative errors of all parameters: median, 90th percentile, largest."""
    relative = [((got[name] - g).norm() / g.norm()).item() for name, g in exact.items()]
    return [float(np.quantile(relative, q)) for q in (0.5, 0.9, 1.0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swish", default=str(ROOT / "target/release/swish"), help="our program")
    parser.add_argument("--output", default=str(ROOT / "results/bench/bf16_gradients.csv"), help="the CSV to write")
    parser.add_argument("--batch", type=int, default=64, help="images of the step")
    args = parser.parse_args()
    make = golden()
    make.BATCH = args.batch
    line = subprocess.run([args.swish, "bench", "activation", "x", "--elements", "16"], check=True, capture_output=True).stdout
    made_by = json.loads(line)
    rows = []
    for model, act in MODELS:
        xs = make.uniform("input", (args.batch, 3, 32, 32)) * np.float32(np.sqrt(3.0))
        target = torch.from_numpy((make.bits(f"{make.SEED}:target", args.batch) >> np.uint64(33)).astype(np.int64) % make.CLASSES)
        gradients = lambda dtype, autocast: torch_gradients(make, model, act, xs, target, dtype, autocast)
        exact = gradients(torch.float64, False)
        weights = {name: make.value(name, g.shape) for name, g in exact.items()}
        tensors = {"weights": weights, "input": {"input": xs.contiguous(), "target": target}}
        with tempfile.TemporaryDirectory() as folder:
            ours = lambda precision: our_gradients(args.swish, model, act, tensors, pathlib.Path(folder), precision)
            found = {
                "ours_bf16": ours("bf16"),
                "torch_bf16": gradients(torch.float32, True),
                "ours_f32": ours("f32"),
                "torch_f32": gradients(torch.float32, False),
            }
        row = {"model": model, "activation": FORMULAS.get(act, act), "batch": args.batch}
        for name, got in found.items():
            row |= {f"{name}_{q}": f"{e:.3g}" for q, e in zip(("median", "p90", "max"), errors(got, exact))}
        row |= {"torch": torch.__version__, "commit": made_by["commit"], "dirty": made_by["dirty"], "cpu": made_by["cpu"], "simd": made_by["simd"]}
        rows.append(row)
        print(row, file=sys.stderr)
    temporary = args.output + ".tmp"
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, args.output)


if __name__ == "__main__":
    main()
