"""Training images a second from torchvision's ImageFolder and PyTorch's DataLoader, as `examples/imagenet_speed` of swish-data
times ours: one JSON line on standard output.

    python bench/data_peer.py DIR [--size 224] [--workers 2] [--batch 64] [--rounds 5]

DIR holds train/ with class folders. The transforms are the counterparts of ours: random crop of 10 to 100 % of the area and
aspect ratio 3/4 to 4/3, bilinear to the size, mirrored, brightness by up to 32/255 and saturation by 0.5 to 1.5, -1 to 1.
Rounds of one epoch each, after one that brings the files into memory. Needs torchvision.
"""

import argparse
import json
import statistics
import time

import torch
from torchvision import datasets, transforms


def loader(args):
    bilinear = transforms.InterpolationMode.BILINEAR
    half = (0.5, 0.5, 0.5)
    steps = [
        transforms.RandomResizedCrop(args.size, scale=(0.1, 1.0), ratio=(0.75, 1.33), interpolation=bilinear),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(brightness=32 / 255, saturation=0.5),
        transforms.ToTensor(),
        transforms.Normalize(half, half),
    ]
    images = datasets.ImageFolder(f"{args.dir}/train", transforms.Compose(steps))
    options = {"persistent_workers": True, "prefetch_factor": 3} if args.workers else {}
    return torch.utils.data.DataLoader(
        images, args.batch, shuffle=True, num_workers=args.workers, drop_last=True, **options
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    for name, default in [("size", 224), ("workers", 2), ("batch", 64), ("rounds", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    batches = loader(args)
    rates = []
    for _ in range(args.rounds + 1):
        start, n = time.perf_counter(), 0
        for xs, _ in batches:
            n += len(xs)
        rates.append(n / (time.perf_counter() - start))
    rates = rates[1:]
    print(
        json.dumps(
            {
                "peer": "torchvision",
                "images": len(batches.dataset),
                "size": args.size,
                "workers": args.workers,
                "batch": args.batch,
                "images_per_second": round(statistics.median(rates)),
                "least": round(min(rates)),
                "most": round(max(rates)),
            }
        )
    )


if __name__ == "__main__":
    main()
