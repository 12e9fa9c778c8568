"""ResNet-20 trained in PyTorch under the plain recipe of `swish train`, as a yardstick of the accuracy: one JSON line.

    python bench/train_peer.py DIR --seed 1

DIR holds CIFAR-10's binary batches (data_batch_1.bin .. test_batch.bin). Recipe: SGD with momentum 0.9, a cosine from 0.1 to 0,
weight decay 1e-4 on all but the activation's parameters, batches of 128, flip and crop of 4 padded pixels.
"""

import argparse
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn

from activations import Act
from peer import MODELS, MODES, compiled

MEAN = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
STD = torch.tensor([63.0, 62.1, 66.7]).view(3, 1, 1)


def images(files):
    """Normalised images (n, 3, 32, 32) and labels (n)."""
    bytes_ = b"".join(pathlib.Path(file).read_bytes() for file in files)
    records = torch.frombuffer(bytearray(bytes_), dtype=torch.uint8).view(-1, 3073)
    return (records[:, 1:].reshape(-1, 3, 32, 32).float() - MEAN) / STD, records[:, 0].long()


def augmented(xs):
    """Each image flipped by chance and cropped at random out of itself with 4 zero pixels around it."""
    n = len(xs)
    xs = torch.where(torch.rand(n, 1, 1, 1) < 0.5, xs.flip(3), xs)
    padded = F.pad(xs, (4, 4, 4, 4))
    rows = torch.randint(9, (n, 1)) + torch.arange(32)
    columns = torch.randint(9, (n, 1)) + torch.arange(32)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def initialised(net):
    """Convolutions as in fb.resnet.torch: normal, variance 2 / (size^2 * c_out)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--activation", default="swish")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    layout, options = MODES["compile_channels_last"]
    xs, labels = images(sorted(args.dir.glob("data_batch_*.bin")))
    test_xs, test_labels = images([args.dir / "test_batch.bin"])
    net = initialised(MODELS["resnet20"](args.activation)).to(memory_format=layout).train()
    own = [p for m in net.modules() if isinstance(m, Act) for p in m.parameters(recurse=False)]
    rest = [p for p in net.parameters() if all(p is not q for q in own)]
    groups = [{"params": rest, "weight_decay": 1e-4}, {"params": own, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD([g for g in groups if g["params"]], lr=0.1, momentum=0.9)
    loss_of = compiled(lambda images, labels: F.cross_entropy(net(images), labels), options)
    autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")

    start, order = time.perf_counter(), torch.empty(0, dtype=torch.long)
    for step in range(args.steps):
        if len(order) < args.batch:
            order = torch.randperm(len(xs))
        chosen, order = order[: args.batch], order[args.batch :]
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 + math.cos(math.pi * step / args.steps))
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = loss_of(augmented(xs[chosen]).contiguous(memory_format=layout), labels[chosen])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad(), autocast():
        right = sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(test_xs.split(500), test_labels.split(500)))
    print(json.dumps({
        "model": "resnet20", "activation": args.activation, "steps": args.steps, "batch": args.batch, "seed": args.seed,
        "precision": args.precision, "torch": torch.__version__, "top1": 100 * right / len(test_labels),
        "train_loss": loss.item(), "seconds": time.perf_counter() - start,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
