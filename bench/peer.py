"""Training steps and activation functions in PyTorch, timed as `swish bench` times ours: one JSON line on standard output.

    python bench/peer.py version
    python bench/peer.py step --model resnet20 --activation swish --batch 128 --precision bf16 --mode compile
    python bench/peer.py activation 'max(x, sin(x))' --elements 10000000 --mode compile
    python bench/peer.py params --activation swish

A step is what `swish bench step` does: forward, cross-entropy, backward, SGD with Nesterov momentum and weight decay.
PyTorch gets what makes it fast and changes no result: the fused optimizer, and the loss compiled with the network.
A failure is a JSON line too, with its reason in `err`, and exit code 1.
"""

import argparse
import ast
import contextlib
import ctypes
import json
import os
import sys
import time

# Read when torch is loaded: threads that spin while they wait take the cores from whatever runs beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 10
# Mode: memory format of images and weights, and what torch.compile is told (None: not compiled).
MODES = {
    "eager": (torch.contiguous_format, None),
    "channels_last": (torch.channels_last, None),
    "compile": (torch.contiguous_format, {}),
    "compile_channels_last": (torch.channels_last, {}),
    "max_autotune": (torch.channels_last, {"mode": "max-autotune"}),
}
ACTIVATION_MODES = ["eager", "compile"]


# ---------------------------------------------------------------------------------------------------- activations


def larger(a, b):
    if isinstance(b, (int, float)):
        return torch.relu(a) if b == 0 else torch.clamp(a, min=b)
    return torch.maximum(a, b)


def smaller(a, b):
    return torch.clamp(a, max=b) if isinstance(b, (int, float)) else torch.minimum(a, b)


FUNCTIONS = {"max": larger, "min": smaller, "abs": torch.abs, "atan": torch.atan, "log": torch.log, "erf": torch.erf}
FUNCTIONS |= {name: getattr(torch, name) for name in "sin cos tan sinh cosh tanh asinh exp expm1 sqrt sigmoid".split()}
NAMES = {"swish": "x*sigmoid(beta*x)", "swish-1": "x*sigmoid(x)", "relu": "max(x,0)"}
INITIAL = {"alpha": 0.25, "beta": 1.0}
NODES = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Load, ast.operator, ast.unaryop)


def function_of(text):
    """A name or an expression as a function of x and its parameters, and the names of those."""
    source = NAMES.get(text, text).replace("^", "**")
    nodes = list(ast.walk(ast.parse(source.strip(), mode="eval")))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    unknown = names - {"x"} - FUNCTIONS.keys() - INITIAL.keys()
    if unknown or not all(isinstance(node, NODES) for node in nodes):
        raise ValueError(f"{text}: not an expression of x that is known here {sorted(unknown)}")
    params = sorted(names & INITIAL.keys())
    # Every name in the source is one of the tables above.
    return eval(f"lambda x, {', '.join(params)}: {source}", dict(FUNCTIONS)), params


class Act(nn.Module):
    """An activation with one value of each parameter a channel."""

    def __init__(self, text, channels):
        super().__init__()
        self.function, self.names = function_of(text)
        for name in self.names:
            setattr(self, name, nn.Parameter(torch.full((channels, 1, 1), INITIAL[name])))

    def forward(self, x):
        return self.function(x, *(getattr(self, name) for name in self.names))


# --------------------------------------------------------------------------------------------------------- models


def conv(c_in, c_out, size, stride=1):
    return nn.Conv2d(c_in, c_out, size, stride, size // 2, bias=False)


def norm_act(act, channels):
    return nn.Sequential(nn.BatchNorm2d(channels), Act(act, channels))


class BasicV1(nn.Module):
    """Block of ResNet v1 (He et al. 2015) with shortcut A: every other pixel, new channels zero."""

    def __init__(self, c_in, c_out, stride, act):
        super().__init__()
        self.first = nn.Sequential(conv(c_in, c_out, 3, stride), norm_act(act, c_out))
        self.second = nn.Sequential(conv(c_out, c_out, 3), nn.BatchNorm2d(c_out))
        self.act, self.stride, self.new = Act(act, c_out), stride, c_out - c_in

    def forward(self, x):
        y = self.second(self.first(x))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return self.act(y + x)


class PreAct(nn.Module):
    """Block of ResNet v2 (He et al. 2016). `convs` are (in, out, size, stride), each after a BatchNorm and activation."""

    def __init__(self, convs, act):
        super().__init__()
        (c_in, _, _, stride), c_out = convs[0], convs[-1][1]
        self.head, self.first = norm_act(act, c_in), conv(*convs[0])
        self.rest = nn.Sequential(*(nn.Sequential(norm_act(act, c[0]), conv(*c)) for c in convs[1:]))
        self.shortcut = conv(c_in, c_out, 1, stride) if c_in != c_out else None

    def forward(self, x):
        h = self.head(x)
        return self.rest(self.first(h)) + (x if self.shortcut is None else self.shortcut(h))


class DenseLayer(nn.Module):
    """Layer of DenseNet-BC (Huang et al. 2017)."""

    def __init__(self, c_in, growth, act):
        super().__init__()
        wide = 4 * growth
        self.new = nn.Sequential(norm_act(act, c_in), conv(c_in, wide, 1), norm_act(act, wide), conv(wide, growth, 3))

    def forward(self, x):
        return torch.cat((x, self.new(x)), 1)


def classifier(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def resnet_v1(n, act):
    layers, c = [conv(3, 16, 3), norm_act(act, 16)], 16
    for width in (16, 32, 64):
        for block in range(n):
            layers.append(BasicV1(c, width, 2 if width > 16 and block == 0 else 1, act))
            c = width
    return nn.Sequential(*layers, *classifier(c))


def resnet_v2(n, widths, bottleneck, act):
    layers, c = [conv(3, 16, 3)], 16
    for group, width in enumerate(widths):
        for block in range(n):
            stride, m = 2 if group and block == 0 else 1, width // 4
            narrow = [(c, m, 1, stride), (m, m, 3, 1), (m, width, 1, 1)]
            layers.append(PreAct(narrow if bottleneck else [(c, width, 3, stride), (width, width, 3, 1)], act))
            c = width
    return nn.Sequential(*layers, norm_act(act, c), *classifier(c))


def densenet_bc(depth, growth, act):
    c = 2 * growth
    layers = [conv(3, c, 3)]
    for block in range(3):
        for _ in range((depth - 4) // 6):
            layers.append(DenseLayer(c, growth, act))
            c += growth
        if block < 2:
            layers += [norm_act(act, c), conv(c, c // 2, 1), nn.AvgPool2d(2)]
            c //= 2
    return nn.Sequential(*layers, norm_act(act, c), *classifier(c))


MODELS = {
    "resnet20": lambda act: resnet_v1(3, act),
    "resnet164": lambda act: resnet_v2(18, (64, 128, 256), True, act),
    "wrn28_10": lambda act: resnet_v2(4, (160, 320, 640), False, act),
    "densenet100_12_bc": lambda act: densenet_bc(100, 12, act),
}


def count(net):
    return sum(p.numel() for p in net.parameters())


# ------------------------------------------------------------------------------------------------------ measuring


def timed(run, repeats, warm_up):
    """Seconds of each of `repeats` calls of `run`, sorted."""
    seconds = []
    for i in range(repeats + warm_up):
        start = time.perf_counter()
        run()
        if i >= warm_up:
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)


def spread(name, seconds, factor):
    """Median, 20th and 80th percentile, as `swish bench` takes them."""
    at = lambda share: seconds[int((len(seconds) - 1) * share + 0.5)] * factor
    return {f"{name}_median": at(0.5), f"{name}_p20": at(0.2), f"{name}_p80": at(0.8)}


def peak_rss_mib():
    """Peak resident memory of this process; None where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def keep_memory():
    """Tells glibc to keep large blocks that are given back.

    Otherwise every result of an activation on 10^7 elements comes from the system page by page, and the time is the system's.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_max = -1, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, -1)


def compiled(function, options):
    return function if options is None else torch.compile(function, **options)


def step(args):
    layout, options = MODES[args.mode]
    torch.manual_seed(1)
    net = MODELS[args.model](args.activation).to(memory_format=layout).train()
    images = torch.randn(args.batch, 3, 32, 32).contiguous(memory_format=layout)
    labels = torch.randint(CLASSES, (args.batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    loss_of = compiled(lambda images, labels: F.cross_entropy(net(images), labels), options)

    def run():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        if not torch.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss.item()}")

    times = spread("ms", timed(run, args.steps, warm_up=3), 1e3)
    return {
        "model": args.model, "activation": args.activation, "batch": args.batch, "steps": args.steps,
        "precision": args.precision, "params": count(net),
        **times, "images_per_second": args.batch / (times["ms_median"] / 1e3),
    }  # fmt: skip


def activation(args):
    keep_memory()
    torch.manual_seed(1)
    function, names = function_of(args.expr)
    channels = args.channels if names else 1
    rows = args.elements // channels
    xs = torch.randn(rows, channels).requires_grad_()
    params = [torch.full((channels,), INITIAL[name]).requires_grad_() for name in names]
    d_ys = torch.randn(rows, channels)
    call = compiled(function, MODES[args.mode][1])

    def forward():
        with torch.no_grad():
            call(xs, *params)

    def both():
        torch.autograd.grad(call(xs, *params), [xs, *params], d_ys)

    factor = 1e9 / (rows * channels)
    return {
        "activation": args.expr, "elements": rows * channels, "channels": channels, "repeats": args.repeats,
        "precision": "f32",
        **spread("ns_forward", timed(forward, args.repeats, warm_up=3), factor),
        **spread("ns_forward_backward", timed(both, args.repeats, warm_up=3), factor),
    }  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version", help="version of torch, and the modes")
    params = commands.add_parser("params", help="number of parameters of every model")
    params.add_argument("--activation", default="relu")
    one = commands.add_parser("step", help="time a training step")
    one.add_argument("--model", required=True, choices=MODELS)
    one.add_argument("--activation", default="swish")
    one.add_argument("--batch", type=int, default=128)
    one.add_argument("--steps", type=int, default=10)
    one.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    one.add_argument("--mode", default="eager", choices=MODES)
    alone = commands.add_parser("activation", help="time an activation function")
    alone.add_argument("expr")
    alone.add_argument("--elements", type=int, default=10_000_000)
    alone.add_argument("--channels", type=int, default=16)
    alone.add_argument("--repeats", type=int, default=20)
    alone.add_argument("--mode", default="eager", choices=ACTIVATION_MODES)
    for command in (one, alone):
        command.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def main():
    args = arguments()
    code = 0
    if args.command == "version":
        result = {"torch": torch.__version__, "step": list(MODES), "activation": ACTIVATION_MODES}
    elif args.command == "params":
        result = {name: count(make(args.activation)) for name, make in MODELS.items()}
    else:
        torch.set_num_threads(args.threads)
        result = {"mode": args.mode, "torch": torch.__version__, "threads": args.threads, "device": "cpu"}
        try:
            result |= {"step": step, "activation": activation}[args.command](args)
            result["peak_rss_mib"] = peak_rss_mib()
        except Exception as error:  # whatever a mode cannot do is a result
            result["err"] = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            code = 1
    print(json.dumps(result))
    return code


if __name__ == "__main__":
    sys.exit(main())
