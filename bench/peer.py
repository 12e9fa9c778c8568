"""Training steps, beam search and activation functions in PyTorch, timed as `swish bench` times ours: one JSON line on standard output.

    python bench/peer.py version
    python bench/peer.py step --model resnet20 --activation swish --batch 128 --precision bf16 --mode compile
    python bench/peer.py translate --model transformer_base --batch 32 --precision bf16 --mode compile
    python bench/peer.py activation 'max(x, sin(x))' --elements 10000000 --mode compile
    python bench/peer.py params --activation swish

A step is what `swish bench step` does: forward, cross-entropy (and 0.4 times that of the auxiliary head, where the network has one),
backward, SGD with Nesterov momentum and weight decay; for a Transformer the smoothed cross-entropy of random sentences, and Adam.
Beam search translates random sentences with random weights; compiled are the encoder, and a step of the decoder with its choice of tokens.
PyTorch gets what makes it fast and changes no result: the fused optimizer, and the loss compiled with the network.
A failure is a JSON line too, with its reason in `err`, and exit code 1.
"""

import argparse
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

import beam
import cifar_models
import imagenet_models
import transformer
from activations import INITIAL, function_of

MODELS = cifar_models.MODELS | imagenet_models.MODELS
SIZES = cifar_models.SIZES | imagenet_models.SIZES
CLASSES = {name: models.CLASSES for models in (cifar_models, imagenet_models) for name in models.MODELS}
# Mode: memory format of images and weights, and what torch.compile is told (None: not compiled).
MODES = {
    "eager": (torch.contiguous_format, None),
    "channels_last": (torch.channels_last, None),
    "compile": (torch.contiguous_format, {}),
    "compile_channels_last": (torch.channels_last, {}),
    "max_autotune": (torch.channels_last, {"mode": "max-autotune"}),
}
# Of what has no channels to come last.
FLAT_MODES = ["eager", "compile"]


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


def count(net):
    return sum(p.numel() for p in net.parameters())


def loss_of(logits, labels):
    """Mean cross-entropy; of a network with an auxiliary head plus that of the head times its weight."""
    if isinstance(logits, tuple):
        main, auxiliary = logits
        return loss_of(main, labels) + imagenet_models.AUX_WEIGHT * loss_of(auxiliary, labels)
    return F.cross_entropy(logits, labels)


def compiled(function, options):
    return function if options is None else torch.compile(function, **options)


def step(args):
    if args.model in transformer.MODELS:
        return text_step(args)
    layout, options = MODES[args.mode]
    torch.manual_seed(1)
    net = MODELS[args.model](args.activation).to(args.device, memory_format=layout).train()
    size = SIZES[args.model]
    images = torch.randn(args.batch, 3, size, size).to(args.device).contiguous(memory_format=layout)
    labels = torch.randint(CLASSES[args.model], (args.batch,)).to(args.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    forward = compiled(lambda images, labels: loss_of(net(images), labels), options)

    def run():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(args.device).type, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = forward(images, labels)
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


def sentences(n):
    """Random ids (n, TOKENS) that end as sentences do."""
    ids = torch.randint(2, transformer.VOCABULARY, (n, transformer.TOKENS))
    ids[:, -1] = beam.EOS
    return ids


def text_step(args):
    """A step of a Transformer: forward, smoothed cross-entropy, backward, Adam; as many target tokens as the batch has, in sentences."""
    options = MODES[args.mode][1]
    torch.manual_seed(1)
    net = transformer.MODELS[args.model](args.activation).to(args.device).train()
    n = -(-args.batch // transformer.TOKENS)
    src, tgt = sentences(n).to(args.device), sentences(n).to(args.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    forward = compiled(lambda src, tgt: transformer.loss_of(net(src, tgt), tgt), options)

    def run():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(args.device).type, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = forward(src, tgt)
        loss.backward()
        optimizer.step()
        if not torch.isfinite(loss):
            raise ArithmeticError(f"the loss became {loss.item()}")

    times = spread("ms", timed(run, args.steps, warm_up=3), 1e3)
    tokens = n * transformer.TOKENS
    return {
        "model": args.model, "activation": args.activation, "batch": tokens, "steps": args.steps,
        "precision": args.precision, "params": count(net),
        **times, "tokens_per_second": tokens / (times["ms_median"] / 1e3),
    }  # fmt: skip


def translate(args):
    """Beam search of random sentences, whose translations may be as long as they are."""
    options = MODES[args.mode][1]
    keep_memory()
    torch.manual_seed(1)
    net = transformer.MODELS[args.model](args.activation).eval()
    # Nothing is trained: weights need not be kept in float32, from which autocast would cast them again and again.
    net = net.bfloat16() if args.precision == "bf16" else net
    src = sentences(args.batch)
    functions = {function: compiled(function, options) for function in (beam.encode, beam.step)}
    ask = {"width": args.beam, "longest": transformer.TOKENS, "compiled": functions.get, "whole": options is not None}
    tokens = 0

    def run():
        nonlocal tokens
        tokens = sum(map(len, beam.translate(net, src, **ask)))

    times = spread("ms", timed(run, args.steps, warm_up=1), 1e3)
    return {
        "model": args.model, "activation": args.activation, "batch": args.batch, "beam": args.beam, "steps": args.steps,
        "precision": args.precision, "params": count(net), "tokens": tokens,
        **times, "sentences_per_second": args.batch / (times["ms_median"] / 1e3),
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
    params = commands.add_parser("params", help="number of parameters of every model, auxiliary heads included")
    params.add_argument("--activation", default="relu")
    one = commands.add_parser("step", help="time a training step")
    one.add_argument("--model", required=True, choices=MODELS | transformer.MODELS)
    one.add_argument("--activation", default="swish")
    one.add_argument("--batch", type=int, default=128)
    one.add_argument("--steps", type=int, default=10)
    one.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    one.add_argument("--mode", default="eager", choices=MODES)
    search = commands.add_parser("translate", help="time beam search")
    search.add_argument("--model", required=True, choices=transformer.MODELS)
    search.add_argument("--activation", default="swish")
    search.add_argument("--batch", type=int, default=32, help="sentences")
    search.add_argument("--beam", type=int, default=4)
    search.add_argument("--steps", type=int, default=3)
    search.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    search.add_argument("--mode", default="eager", choices=FLAT_MODES)
    alone = commands.add_parser("activation", help="time an activation function")
    alone.add_argument("expr")
    alone.add_argument("--elements", type=int, default=10_000_000)
    alone.add_argument("--channels", type=int, default=16)
    alone.add_argument("--repeats", type=int, default=20)
    alone.add_argument("--mode", default="eager", choices=FLAT_MODES)
    one.add_argument("--device", default="cpu", help="cpu or cuda:N; every step waits for the device")
    for command in (one, search, alone):
        command.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def device_name(args):
    device = torch.device(getattr(args, "device", "cpu"))
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def main():
    args = arguments()
    code = 0
    if args.command == "version":
        result = {"torch": torch.__version__, "step": list(MODES), "activation": FLAT_MODES}
    elif args.command == "params":
        result = {name: count(make(args.activation)) for name, make in (MODELS | transformer.MODELS).items()}
    else:
        torch.set_num_threads(args.threads)
        # Exact f32, as ours.
        torch.backends.cudnn.allow_tf32 = False
        result = {"mode": args.mode, "torch": torch.__version__, "threads": args.threads, "device": device_name(args)}
        try:
            result |= {"step": step, "translate": translate, "activation": activation}[args.command](args)
            result["peak_rss_mib"] = peak_rss_mib()
        except Exception as error:  # whatever a mode cannot do is a result
            result["err"] = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            code = 1
    print(json.dumps(result))
    return code


if __name__ == "__main__":
    sys.exit(main())
