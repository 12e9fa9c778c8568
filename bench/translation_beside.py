"""What swish and PyTorch made of the same run of translation: results/bench/translation.csv and translation.md.

    python bench/translation_beside.py DIR RUN --swish target/release/swish

DIR is where `swish train --export` put what both share, with peer.jsonl and peer.safetensors of translation_peer.py in it; RUN is the
folder of the run that swish trained. Both then translate the sentences of bench/sentences.en.
"""

import argparse
import csv
import filecmp
import io
import json
import os
import pathlib
import subprocess

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import beam
from translation_peer import Peer, translated

HERE = pathlib.Path(__file__).parent


def read_json(file):
    return json.loads(file.read_text(encoding="utf-8"))


def write(file, text):
    """Whole or not at all."""
    draft = file.with_suffix(file.suffix + ".tmp")
    with open(draft, "w", encoding="utf-8", newline="") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def peer_of(folder):
    """PyTorch's lines: the flags of its training, its last step, and the BLEU of each set."""
    lines = [json.loads(line) for line in (folder / "peer.jsonl").read_text(encoding="utf-8").splitlines()]
    flags = [line["flags"] for line in lines if "flags" in line]
    trained = [each for each in flags if each["weights"] == "None"]
    if len(trained) != 1:
        raise SystemExit(f"{folder / 'peer.jsonl'}: {len(trained)} trainings; expected 1")
    steps = [line for line in lines if "step" in line]
    return trained[0], steps[-1], {line["set"]: line for line in lines if "set" in line}


def differences(told, recipe, record, flags, last, scores):
    """What keeps the two from being the same run."""
    pairs = {
        "recipe": (recipe, told["recipe"]), "seed": (str(record["seed"]), flags["seed"]),
        "activation": (record["activation"], told["activation"]), "steps": (record["steps"], last["step"]),
        "precision": (record["precision"], flags["precision"]), "first weights": ("False", flags["same_weights"]),
        "dropout": ("None", flags["dropout"]),
    }  # fmt: skip
    for ours in record["scores"]:
        peer = scores[ours["set"]]
        pairs[f"signature on {ours['set']}"] = (ours["signature"], peer["signature"])
        pairs[f"precision on {ours['set']}"] = (record["precision"], peer["precision"])
    return [f"{name}: {ours}, but PyTorch's is {peer}" for name, (ours, peer) in pairs.items() if ours != peer]


def seconds_of(folder, tokens_per_second):
    """What PyTorch took for all of the run's target tokens, without any translation."""
    return int((load_file(folder / "batches.safetensors")["tgt"] != beam.PAD).sum()) / tokens_per_second


def moses(swish, translations, references):
    """The tokenised score of a file."""
    command = [swish, "bleu", translations, references, "--tokenize", "moses-compound", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["score"]


def rows_of(folder, run, swish):
    """A row an evaluation set."""
    record, told = read_json(run / "run.json"), read_json(folder / "export.json")
    flags, last, scores = peer_of(folder)
    wrong = differences(told, read_json(run / "recipe.json"), record, flags, last, scores)
    if not filecmp.cmp(folder / "tokenizer.json", run / "tokenizer.json", shallow=False):
        wrong += ["tokenizers"]
    if wrong:
        raise SystemExit(f"{run} and {folder} are not the same run: " + "; ".join(wrong))
    for ours in record["scores"]:
        name, peer = ours["set"], scores[ours["set"]]
        yield {
            "set": name, "sentences": ours["sentences"],
            "ours_bleu": ours["bleu"], "torch_bleu": peer["score"], "difference": ours["bleu"] - peer["score"],
            "ours_tokenised_bleu": ours["tokenised_bleu"],
            "torch_tokenised_bleu": moses(swish, folder / f"{name}.peer.de", folder / f"{name}.de"),
            "signature": ours["signature"], "torch_signature": peer["signature"],
            "ours_seconds": record["seconds"], "torch_seconds": seconds_of(folder, last["tokens_per_second"]),
            "torch": peer["torch"], "torch_threads": flags["threads"], "torch_compile": flags["compile"],
        } | {
            name: record[name]
            for name in ("model", "activation", "recipe", "profile", "dataset", "data_source", "data_version", "seed", "lr", "steps",
                         "batch", "precision", "device", "threads", "commit", "dirty", "started")
        }  # fmt: skip


def samples(folder, run, swish, row):
    """Sentences, swish's translations and PyTorch's."""
    text = (HERE / "sentences.en").read_text(encoding="utf-8")
    command = [swish, "translate", "--model", row["model"], "--activation", row["activation"]]
    command += ["--weights", run / "model.safetensors", "--precision", row["precision"]]
    ours = subprocess.run(command, check=True, input=text, capture_output=True, text=True).stdout.split("\n")[:-1]
    told = read_json(folder / "export.json")
    net = Peer(told["config"], told["activation"]).eval()
    net.load_state_dict(load_file(folder / "peer.safetensors"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lines = text.split("\n")[:-1]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=row["precision"] == "bf16"):
        theirs = translated(net, tokenizer, lines, told["recipe"]["search"])
    return zip(lines, ours, theirs, strict=True)


def markdown(rows, sentences):
    one, out = rows[0], []
    out += ["| set | sentences | BLEU, ours | BLEU, PyTorch | difference | tokenised BLEU, ours | tokenised BLEU, PyTorch |"]
    out += ["|---|---|---|---|---|---|---|"]
    for row in rows:
        scores = [f"{row[name]:.2f}" for name in ("ours_bleu", "torch_bleu")] + [f"{row['difference']:+.2f}"]
        scores += [f"{row[name]:.2f}" for name in ("ours_tokenised_bleu", "torch_tokenised_bleu")]
        out += [f"| {row['set']} | {row['sentences']} | " + " | ".join(scores) + " |"]
    dirty = " with changed sources" if one["dirty"] else ""
    out += [
        "",
        f"`{one['model']}`, `{one['activation']}`, trained for {one['steps']} steps of {one['batch']} tokens on the same batches, one seed each, "
        f"in {one['precision']}; each draws its own first weights and dropout. The mean of the last checkpoints translates. BLEU: "
        f"`{one['signature']}`, scored by swish on either side.",
        "",
        f"Provenance: recipe {one['recipe']}, profile {one['profile']}, {one['dataset']} {one['data_source']} {one['data_version']}, "
        f"seed {one['seed']}, commit {one['commit'][:10]}{dirty}, {one['device']}, {one['threads']} threads, {one['started'][:10]}; "
        f"PyTorch {one['torch']}, {one['torch_threads']} threads. Ours took {one['ours_seconds'] / 60:.0f} min with "
        f"translations on the way, PyTorch {one['torch_seconds'] / 60:.0f} min for the steps alone, not side by side: no comparison of speed.",
        "",
        "| English | ours | PyTorch |",
        "|---|---|---|",
    ]
    out += [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in sentences]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--swish", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results")
    args = parser.parse_args()
    torch.manual_seed(1)
    rows = list(rows_of(args.dir, args.run, args.swish))
    file = args.results / "bench" / "translation.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(file, table.getvalue())
    write(file.with_suffix(".md"), markdown(rows, samples(args.dir, args.run, args.swish, rows[0])))


if __name__ == "__main__":
    main()
