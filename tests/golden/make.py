"""Golden numbers for tests/reference.rs, from PyTorch in float64: `python3 make.py` writes <model>.<activation>.safetensors here.

Needs torch, numpy and safetensors. Weights, images and targets are functions of (seed, tensor name, element index), see `uniform`,
so the files hold results alone: logits in training and evaluation mode, loss, and of every gradient its norm and its
product with a pseudo-random direction (which catches permutations and signs); and the gradients' norms from PyTorch in
float32, whose distance from the float64 ones is the yardstick for ours. Small members of the CIFAR families,
and functions of the search space that no baseline covers.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

SEED, BATCH, CLASSES = 7, 3, 10


def bits(key, n):
    h = 0xCBF29CE484222325
    for byte in key.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z ^ (z >> np.uint64(31))


def uniform(name, shape):
    """Float32 values in [-1, 1): the upper 24 bits of SplitMix64 seeded by FNV-1a of "seed:name"."""
    n = int(np.prod(shape))
    u = (bits(f"{SEED}:{name}", n) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0
    return torch.from_numpy(u.reshape(tuple(shape)).astype(np.float32))


def value(name, shape):
    u = uniform(name, shape)
    if len(shape) >= 2:
        return u * np.float32(np.sqrt(6.0 / np.prod(shape[1:])))
    if name.endswith((".weight", ".beta")):
        return 1 + u / 4
    return 0.25 + u / 8 if name.endswith(".alpha") else u / 4


class Act(nn.Module):
    """An activation with one parameter a channel where it has any; parameters named as in the formula."""

    def __init__(self, formula, channels):
        super().__init__()
        self.formula = formula
        if formula == "swish":
            self.beta = nn.Parameter(torch.ones(channels))
        elif formula == "prelu":
            self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        wide = lambda p: p.view(1, -1, 1, 1)
        return {
            "swish": lambda: x * torch.sigmoid(wide(self.beta) * x),
            "prelu": lambda: torch.where(x > 0, x, wide(self.alpha) * x),
            "max_x_sin": lambda: torch.maximum(x, torch.sin(x)),
            "atan2_minus_x": lambda: torch.atan(x) ** 2 - x,
            "softplus": lambda: F.softplus(x),
        }[self.formula]()


def conv(i, o, k, s=1):
    return nn.Conv2d(i, o, k, s, k // 2, bias=False)


class PreAct(nn.Module):
    def __init__(self, i, o, s, act, bottleneck):
        super().__init__()
        m = o // 4
        steps = [(i, m, 1, s), (m, m, 3, 1), (m, o, 1, 1)] if bottleneck else [(i, o, 3, s), (o, o, 3, 1)]
        for n, step in enumerate(steps, 1):
            setattr(self, f"bn{n}", nn.BatchNorm2d(step[0]))
            setattr(self, f"act{n}", Act(act, step[0]))
            setattr(self, f"conv{n}", conv(*step))
        self.depth = len(steps)
        self.shortcut = conv(i, o, 1, s) if i != o else None

    def forward(self, x):
        h = self.act1(self.bn1(x))
        side = x if self.shortcut is None else self.shortcut(h)
        h = self.conv1(h)
        for n in range(2, self.depth + 1):
            h = getattr(self, f"conv{n}")(getattr(self, f"act{n}")(getattr(self, f"bn{n}")(h)))
        return h + side


class Net(nn.Module):
    """Stages one after the other, mean, linear; `tail` is whether a BatchNorm and activation come before the mean."""

    def __init__(self, stages, channels, act, tail):
        super().__init__()
        self.order = []
        for name, module in stages:
            setattr(self, name, module)
            self.order.append(module)
        if tail:
            self.bn, self.act = nn.BatchNorm2d(channels), Act(act, channels)
            self.order += [self.bn, self.act]
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        for module in self.order:
            x = module(x)
        return self.fc(x.mean((2, 3)))


def preact(widths, act, bottleneck):
    stages, i = [("conv1", conv(3, 16, 3))], 16
    for n, o in enumerate(widths, 1):
        stages.append((f"layer{n}", nn.Sequential(PreAct(i, o, 1 if n == 1 else 2, act, bottleneck))))
        i = o
    return Net(stages, i, act, True)


class Dense(nn.Module):
    def __init__(self, i, k, act):
        super().__init__()
        self.bn1, self.act1, self.conv1 = nn.BatchNorm2d(i), Act(act, i), conv(i, 4 * k, 1)
        self.bn2, self.act2, self.conv2 = nn.BatchNorm2d(4 * k), Act(act, 4 * k), conv(4 * k, k, 3)

    def forward(self, x):
        h = self.conv1(self.act1(self.bn1(x)))
        return torch.cat((x, self.conv2(self.act2(self.bn2(h)))), 1)


class Transition(nn.Module):
    def __init__(self, i, o, act):
        super().__init__()
        self.bn, self.act, self.conv = nn.BatchNorm2d(i), Act(act, i), conv(i, o, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(self.act(self.bn(x))), 2)


def densenet_bc(depth, k, act):
    stages, c = [("conv1", conv(3, 2 * k, 3))], 2 * k
    for block in (1, 2, 3):
        layers = []
        for _ in range((depth - 4) // 6):
            layers.append(Dense(c, k, act))
            c += k
        stages.append((f"block{block}", nn.Sequential(*layers)))
        if block < 3:
            stages.append((f"trans{block}", Transition(c, c // 2, act)))
            c //= 2
    return Net(stages, c, act, True)


class Basic(nn.Module):
    def __init__(self, i, o, s, act, projection):
        super().__init__()
        self.conv1, self.bn1, self.act1 = conv(i, o, 3, s), nn.BatchNorm2d(o), Act(act, o)
        self.conv2, self.bn2, self.act2 = conv(o, o, 3), nn.BatchNorm2d(o), Act(act, o)
        self.stride, self.extra = s, o - i
        if projection and i != o:
            self.shortcut = nn.Sequential(conv(i, o, 1, s), nn.BatchNorm2d(o))

    def forward(self, x):
        h = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        if hasattr(self, "shortcut"):
            x = self.shortcut(x)
        elif self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))
        return self.act2(h + x)


class Stem(nn.Module):
    """Convolution, BatchNorm and activation whose names stand at the root of the network."""

    def __init__(self, act):
        super().__init__()
        self.conv1, self.bn1, self.act1 = conv(3, 16, 3), nn.BatchNorm2d(16), Act(act, 16)

    def forward(self, x):
        return self.act1(self.bn1(self.conv1(x)))


def resnet20(act, projection):
    stages, i = [("stem", Stem(act))], 16
    for n, o in enumerate((16, 32, 64), 1):
        blocks = []
        for b in range(3):
            blocks.append(Basic(i, o, 2 if n > 1 and b == 0 else 1, act, projection))
            i = o
        stages.append((f"layer{n}", nn.Sequential(*blocks)))
    return Net(stages, i, act, False)


NETS = {
    "resnet-preact-11": lambda act: preact((64, 128, 256), act, True),
    "wrn-10-1": lambda act: preact((16, 32, 64), act, False),
    "densenet-bc-22-12": lambda act: densenet_bc(22, 12, act),
    "resnet20": lambda act: resnet20(act, False),
    "resnet20_b": lambda act: resnet20(act, True),
}
FILES = [
    ("resnet-preact-11", "swish"), ("resnet-preact-11", "max_x_sin"), ("wrn-10-1", "prelu"), ("wrn-10-1", "atan2_minus_x"),
    ("densenet-bc-22-12", "swish"), ("densenet-bc-22-12", "softplus"), ("resnet20", "prelu"), ("resnet20_b", "swish"),
]


def run(model, act, dtype):
    net = NETS[model](act).to(dtype)
    names = {p: n.removeprefix("stem.") for n, p in net.named_parameters()}
    with torch.no_grad():
        for p, name in names.items():
            p.copy_(value(name, p.shape))
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
    xs = (uniform("input", (BATCH, 3, 32, 32)) * np.float32(np.sqrt(3.0))).to(dtype)
    target = torch.from_numpy((bits(f"{SEED}:target", BATCH) >> np.uint64(33)).astype(np.int64) % CLASSES)
    train_logits = net.train()(xs)
    loss = F.cross_entropy(train_logits, target)
    loss.backward()
    with torch.no_grad():
        out = {"train_logits": train_logits.detach(), "loss": loss.detach().reshape(1), "eval_logits": net.eval()(xs)}
    for p, name in names.items():
        grad, probe = p.grad.double(), uniform(f"{name}#probe", p.shape).double()
        out[f"grad/{name}"] = torch.stack((grad.norm(), (grad * probe).sum()))
    return out


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    for model, act in FILES:
        out = run(model, act, torch.float64)
        single = run(model, act, torch.float32)
        out |= {f"f32/gn/{key[5:]}": pair[:1] for key, pair in single.items() if key.startswith("grad/")}
        formula = "max(x, sin(x))" if act == "max_x_sin" else act
        meta = {"activation": formula, "seed": str(SEED), "batch": str(BATCH), "classes": str(CLASSES), "torch": torch.__version__}
        save_file({k: v.contiguous() for k, v in out.items()}, f"{here}/{model}.{act}.safetensors", metadata=meta)
        print(f"{model:20} {act:16} loss {out['loss'].item():.6f}")
