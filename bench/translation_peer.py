"""A run of `swish train` on text trained in PyTorch, as a yardstick of losses and BLEU: JSON lines.

    swish train --model transformer-small --activation swish --dataset wmt-en-de --data-dir TEXT --export DIR
    python bench/translation_peer.py DIR --swish target/release/swish > DIR/peer.jsonl

DIR holds what both share: recipe, tokenizer, batches, evaluation sets and the weights before the first step. The peer draws its own
weights by the same rule unless `--same-weights`, and has dropout unless `--dropout 0`, with which the losses of the first steps agree.
The first line has the flags, one every so many steps the mean loss since the last; the last lines have the BLEU of every evaluation set by
`swish bleu`, of the weights left in `peer.safetensors` and the translations left in `SET.peer.de`. `--weights FILE` translates with trained
weights, swish's or these, and trains nothing.
"""

import argparse
import collections
import json
import math
import pathlib
import subprocess
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

import transformer
from beam import EOS, PAD, translate
from transformer import Transformer, loss_of

GROUP = 32  # sentences that are translated together


class Peer(Transformer):
    """The benchmark's Transformer, drawn as swish draws it."""

    def __init__(self, config, activation):
        sizes = [config[name] for name in ("hidden", "heads", "filter")]
        super().__init__(config["vocab"], config["encoder_layers"], activation, *sizes)
        # The embedding is normal with variance 1 / width, as it stands there; matrices uniform with variance 2 / (in + out); biases 0.
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def least_loss(smoothing, vocabulary):
    """The least that smoothed cross-entropy can be, which swish subtracts."""
    low = smoothing / (vocabulary - 1)
    return -((1 - smoothing) * math.log(1 - smoothing) + smoothing * math.log(low)) if smoothing > 0 else 0.0


def batches_of(folder):
    """Every batch of the run in order: source and target ids."""
    stored = load_file(folder / "batches.safetensors")
    src, tgt = stored["src"].long(), stored["tgt"].long()
    for n, src_len, tgt_len in stored["shapes"].tolist():
        yield src[: n * src_len].view(n, src_len), tgt[: n * tgt_len].view(n, tgt_len)
        src, tgt = src[n * src_len :], tgt[n * tgt_len :]


def translated(net, tokenizer, lines, search):
    """Translations of sentences, in order; those of like length are translated together."""
    ids = [tokenizer.encode(line).ids + [EOS] for line in lines]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    found = [""] * len(ids)
    for start in range(0, len(order), GROUP):
        group = order[start : start + GROUP]
        src = nn.utils.rnn.pad_sequence([torch.tensor(ids[i]) for i in group], batch_first=True, padding_value=PAD)
        for i, best in zip(group, translate(net, src, **search)):
            found[i] = tokenizer.decode(best).replace("\n", " ")
    return found


def trained(net, told, args):
    """Trains the network; lines tell of it. It ends with the mean of the recipe's last checkpoints."""
    recipe, config = told["recipe"], told["config"]
    steps = args.steps or recipe["steps"]
    adam = recipe["optimizer"]["adam"]
    optimizer = torch.optim.Adam(net.parameters(), betas=(adam["beta1"], adam["beta2"]), eps=adam["epsilon"])
    noam = recipe["schedule"]["shape"]["noam"]
    rate = lambda t: recipe["schedule"]["lr"] * noam["hidden"] ** -0.5 * min(t * noam["warmup"] ** -1.5, t**-0.5)
    smoothing = recipe["label_smoothing"]
    least = least_loss(smoothing, config["vocab"])
    call = lambda src, tgt: loss_of(net(src, tgt).float(), tgt, smoothing) - least
    call = torch.compile(call, dynamic=True) if args.compile else call
    average = recipe["average"] or {"checkpoints": 1, "every": steps}
    last = collections.deque(maxlen=average["checkpoints"])

    batches, losses, tokens, start = batches_of(args.dir), [], 0, time.perf_counter()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for _ in range(recipe["replicas"]):
            src, tgt = next(batches)
            with autocast(args):
                loss = call(src, tgt) / recipe["replicas"]
            loss.backward()
            total += loss.item()
            tokens += int((tgt != PAD).sum())
        optimizer.step()
        losses.append(total)
        if step % average["every"] == 0:
            last.append({name: value.detach().clone() for name, value in net.state_dict().items()})
        if step % args.log_every == 0 or step == steps:
            seconds = time.perf_counter() - start
            line = {"step": step, "train_loss": sum(losses) / len(losses), "tokens_per_second": tokens / seconds}
            print(json.dumps(line), flush=True)
            losses = []
    if last:
        net.load_state_dict({name: sum(each[name] for each in last) / len(last) for name in last[0]})


def autocast(args):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")


def score(net, told, args):
    """Translates every evaluation set; a line of each has its BLEU."""
    net.eval()
    tokenizer = Tokenizer.from_file(str(args.dir / "tokenizer.json"))
    for name in told["eval"]:
        lines = (args.dir / f"{name}.en").read_bytes().decode("utf-8").split("\n")[:-1]
        ours = args.dir / f"{name}.peer.de"
        with autocast(args):
            translations = translated(net, tokenizer, lines, told["recipe"]["search"])
        ours.write_text("".join(line + "\n" for line in translations), encoding="utf-8")
        command = [args.swish, "bleu", ours, args.dir / f"{name}.de", "--json"]
        bleu = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(json.dumps({"set": name, "torch": torch.__version__, "precision": args.precision, **bleu}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--steps", type=int, help="those of the recipe unless given")
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--same-weights", action="store_true")
    parser.add_argument("--dropout", type=float, help="that of the recipe unless given")
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="torch.compile the loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=pathlib.Path, help="trained weights, with which is only translated")
    parser.add_argument("--swish", type=pathlib.Path, help="the tool that scores; without it nothing is translated")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    print(json.dumps({"flags": {name: str(value) for name, value in vars(args).items()}, "torch": torch.__version__}), flush=True)
    told = json.loads((args.dir / "export.json").read_text(encoding="utf-8"))
    transformer.DROPOUT = told["recipe"]["dropout"] if args.dropout is None else args.dropout
    net = Peer(told["config"], told["activation"]).train()
    if args.weights is not None:
        net.load_state_dict(load_file(args.weights))
    else:
        if args.same_weights:
            net.load_state_dict(load_file(args.dir / "initial.safetensors"))
        trained(net, told, args)
        save_file(net.state_dict(), args.dir / "peer.safetensors")
    if args.swish is not None:
        score(net, told, args)


if __name__ == "__main__":
    main()
