"""The Transformer of the paper's Table 11 in PyTorch, as the peer of ours; numerically tensor2tensor's `transformer_base` of October 2017
without biases in attention. Parameters have the names of `swish forward`.

    python bench/transformer.py check DIR

checks it in float64 against DIR/transformer_*.ref.safetensors, whose weights are functions of names.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

from activations import INITIAL, function_of

VOCABULARY = 37_000
DROPOUT = 0.1
TOKENS = 32  # of a sentence in a timed step, its end included


class Act(nn.Module):
    """An activation with one value of each parameter a hidden unit."""

    def __init__(self, text, units):
        super().__init__()
        self.function, self.names = function_of(text)
        for name in self.names:
            setattr(self, name, nn.Parameter(torch.full((units,), INITIAL[name])))

    def forward(self, x):
        return self.function(x, *(getattr(self, name) for name in self.names))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x, source, mask=None, causal=False):
        split = lambda t: t.unflatten(2, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.q(x)), split(self.k(source)), split(self.v(source))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.o(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, width, units, activation):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, units), Act(activation, units), nn.Linear(units, width)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, width, heads, units, activation, decoder):
        super().__init__()
        norm = lambda: nn.LayerNorm(width, eps=1e-6)
        self.decoder = decoder
        self.self_attn, self.norm1 = Attention(width, heads), norm()
        if decoder:
            self.cross_attn, self.norm2 = Attention(width, heads), norm()
        self.ffn = FeedForward(width, units, activation)
        setattr(self, "norm3" if decoder else "norm2", norm())

    def forward(self, x, mask, source=None):
        drop = lambda t: F.dropout(t, DROPOUT, self.training)
        own = self.self_attn(x, x, causal=True) if self.decoder else self.self_attn(x, x, mask)
        x = self.norm1(x + drop(own))
        if self.decoder:
            x = self.norm2(x + drop(self.cross_attn(x, source, mask)))
        return (self.norm3 if self.decoder else self.norm2)(x + drop(self.ffn(x)))


def signal(length, width):
    """Sines, then cosines, of timescales from 1 to 10,000."""
    half = width // 2
    scales = torch.exp(torch.arange(half, dtype=torch.float64) * -(math.log(1e4) / (half - 1)))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * scales
    return torch.cat((angles.sin(), angles.cos()), 1)


class Transformer(nn.Module):
    def __init__(self, vocabulary, layers, activation, width=512, heads=8, units=2048):
        super().__init__()
        self.width = width
        self.shared = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.shared.weight, std=width**-0.5)
        stack = lambda count, decoder: nn.ModuleList(
            Layer(width, heads, units, activation, decoder) for _ in range(count)
        )
        self.encoder, self.decoder = stack(layers, False), stack(layers, True)
        self.register_buffer("signal", signal(256, width).to(self.shared.weight.dtype), persistent=False)

    def embed(self, ids, shift=False):
        x = self.shared(ids) * self.width**0.5 * (ids != 0)[..., None]
        if shift:
            x = F.pad(x, (0, 0, 1, -1))
        return F.dropout(x + self.signal[: ids.shape[1]], DROPOUT, self.training)

    def forward(self, src, tgt):
        mask = (src != 0)[:, None, None, :]
        x = self.embed(src)
        for layer in self.encoder:
            x = layer(x, mask)
        y = self.embed(tgt, shift=True)
        for layer in self.decoder:
            y = layer(y, mask, x)
        return F.linear(y, self.shared.weight)


def loss_of(logits, targets, smoothing=0.1):
    """1 - e on the label and e / (V - 1) on each other id, from PyTorch's, which gives e / V to all; padding does not count."""
    ids = logits.shape[-1]
    spread = smoothing * ids / (ids - 1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0, label_smoothing=spread)


MODELS = {
    "transformer_base": lambda activation: Transformer(VOCABULARY, 6, activation),
}


def generated(seed, name, n):
    """Numbers in [-1, 1) from (seed, name, index): SplitMix64 seeded by FNV-1a, as the reference files are made."""
    import numpy as np

    state = 0xCBF29CE484222325
    for byte in f"{seed}:{name}".encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0).astype(np.float32)


def parameter(seed, name, shape):
    import numpy as np

    u = generated(seed, name, math.prod(shape)).reshape(shape)
    if len(shape) >= 2:
        u = u * np.float32(math.sqrt(3.0 / shape[1]))
    elif name.endswith("bias"):
        u = u * np.float32(0.25)
    else:
        u = np.float32(1) + u * np.float32(0.25)
    return torch.from_numpy(u)


def check(folder):
    from safetensors import safe_open

    names = {"relu": "relu", "swish": "swish", "swish1": "swish-1"}
    sizes = {"transformer_tiny": (96, 2, 32, 4, 64), "transformer_12": (1000, 12, 512, 8, 2048)}
    files = sorted(pathlib.Path(folder).glob("transformer_*.ref.safetensors"))
    for file in files:
        with safe_open(file, "pt") as reference:
            meta, get = reference.metadata(), reference.get_tensor
            vocabulary, layers, width, heads, units = sizes[meta["model"]]
            net = Transformer(vocabulary, layers, names[meta["act"]], width, heads, units)
            with torch.no_grad():
                for name, p in net.named_parameters():
                    p.copy_(parameter(int(meta["seed"]), name, p.shape))
            net = net.double().eval()
            net.signal = signal(256, width)
            logits = net(get("src"), get("tgt"))
            loss = loss_of(logits, get("tgt"), 0.0)
            loss.backward()
            off = abs(loss.item() - get("f64/loss").item())
            expected = get("f64/eval_logits")
            off_logits = ((logits - expected).abs().max() / expected.abs().max()).item()
            smoothed = abs(loss_of(logits, get("tgt")).item() - get("f64/loss_ls0.1").item())
            norms = [abs(p.grad.norm().item() - get(f"gn/{n}").item()) for n, p in net.named_parameters()]
            result = {"file": file.name, "loss": off, "loss_smoothed": smoothed, "logits": off_logits, "norms": max(norms)}
            print(json.dumps(result))
            assert max(off, smoothed, off_logits, *norms) < 1e-9, file
    assert files, f"{folder}: no reference files"


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "check":
        sys.exit(__doc__)
    check(sys.argv[2])
