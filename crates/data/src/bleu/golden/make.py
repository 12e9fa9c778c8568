"""Golden numbers for the tests of BLEU: `python3 make.py [FOLDER]` prints scores.tsv (FOLDER: wmt-ende, for real text).

Needs sacrebleu 2.6.0, sacremoses 0.2.0 and for real text zstandard. Of the sentences in sentences.tsv (group, translation,
reference), and of real references with translations made from them by `SYSTEMS`, a line each: name, scheme, score, the four
precisions, brevity penalty, both lengths, and of both sides' tokens the first 16 digits of the SHA-256.
"""
import hashlib
import io
import os
import re
import sys

from sacrebleu.metrics import BLEU
from sacremoses import MosesTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SETS = ("newstest2014", "newstest2016", "multi30k_val")
MOSES = MosesTokenizer("de")


def kept(words, keep):
    return " ".join(w for i, w in enumerate(words) if keep(i))


def swapped(words):
    words = list(words)
    for i in range(1, len(words), 2):
        words[i - 1], words[i] = words[i], words[i - 1]
    return " ".join(words)


# From (English, German) words to a translation; words are what single spaces part.
SYSTEMS = {
    "same": lambda en, de: " ".join(de),
    "without_7th": lambda en, de: kept(de, lambda i: i % 7 != 6),
    "without_3rd": lambda en, de: kept(de, lambda i: i % 3 != 2),
    "first_half": lambda en, de: " ".join(de[: len(de) // 2]),
    "third_twice": lambda en, de: " ".join(w if i % 3 else w + " " + w for i, w in enumerate(de)),
    "swapped": lambda en, de: swapped(de),
    "no_stops": lambda en, de: " ".join(de).replace(".", ""),
    "english": lambda en, de: " ".join(en),
}


def tokens(scheme, sentence):
    if scheme == "13a":
        return BLEU(tokenize="13a").tokenizer(sentence.rstrip())
    return re.sub(r"(\S)-(\S)", r"\1 ##AT##-##AT## \2", MOSES.tokenize(sentence, return_str=True))


def score(name, hypotheses, references):
    for scheme in ("13a", "moses-compound"):
        hyp, ref = [[tokens(scheme, s) for s in side] for side in (hypotheses, references)]
        if scheme == "13a":
            result = BLEU().corpus_score(hypotheses, [references])
        else:
            result = BLEU(tokenize="none", smooth_method="none", force=True).corpus_score(hyp, [ref])
        numbers = [result.score, *result.precisions, result.bp]
        digest = hashlib.sha256("\n".join(hyp + ref).encode()).hexdigest()[:16]
        print(name, scheme, *(f"{n:.6f}" for n in numbers), result.sys_len, result.ref_len, digest, sep="\t")


def real(folder, name):
    import zstandard

    sides = []
    for side in ("en", "de"):
        with open(f"{folder}/eval/{name}.{side}.zst", "rb") as file:
            text = zstandard.ZstdDecompressor().stream_reader(file).read().decode()
            sides.append([line.split(" ") for line in text.split("\n")[:-1]])
    return sides


groups = {}
for line in io.open(f"{HERE}/sentences.tsv", encoding="utf-8", newline="\n"):
    group, hypothesis, reference = line.rstrip("\n").split("\t")
    groups.setdefault(group, []).append((hypothesis, reference))
groups["all"] = [pair for pairs in groups.values() for pair in pairs]
for group, pairs in groups.items():
    score(group, *zip(*pairs))
for name in SETS if len(sys.argv) > 1 else ():
    en, de = real(sys.argv[1], name)
    for system, translate in SYSTEMS.items():
        score(f"{name}/{system}", [translate(*pair) for pair in zip(en, de)], [" ".join(words) for words in de])
