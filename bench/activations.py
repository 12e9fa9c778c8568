"""Activations of PyTorch by name or expression, with one value of each parameter a channel."""

import ast

import torch
from torch import nn


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
