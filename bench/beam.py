"""Batched beam search of the benchmark's Transformer, with keys and values kept, as the peer of ours.

It ends a sentence as ours does: when as many hypotheses have ended as are kept, when nothing better can follow, or at the longest length.
"""

import math

import torch
import torch.nn.functional as F

from transformer import signal

PAD, EOS = 0, 1


def heads_of(attention, projection, x):
    """(n, length, width) projected: (n, heads, length, width / heads)."""
    return projection(x).unflatten(2, (attention.heads, -1)).transpose(1, 2)


def encode(net, src):
    """Of each decoder layer the keys and values of the sources (n, length); and which of their tokens are some, (n, 1, 1, length)."""
    mask, x = (src != PAD)[:, None, None, :], net.embed(src)
    for layer in net.encoder:
        x = layer(x, mask)
    attentions = [layer.cross_attn for layer in net.decoder]
    return [tuple(heads_of(a, projection, x) for projection in (a.k, a.v)) for a in attentions], mask


def step(net, last, at, position, kept, sources, mask, scores, width):
    """The likeliest hypotheses that are one token longer, 2 width of each sentence, in order: their log-probabilities, the row (of the
    sentence's) that each goes on from, and its new token.

    `last` (n * width, 1) has the tokens at the place before `at` (1), none before the first, `position` that place's signal, `scores` the
    log-probabilities so far. `kept` has for each layer the keys and values (n * width, heads, places, width of a head) of what was written,
    and gets those of this place; places behind it are masked. All hypotheses of a sentence ask its source at once.
    """
    n = mask.shape[0]
    y = net.shared(last) * net.width**0.5 * (last != PAD)[..., None] + position
    written = (torch.arange(kept[0][0].shape[2]) <= at)[None, None, None, :]
    for layer, (keys, values), source in zip(net.decoder, kept, sources):
        attention = layer.self_attn
        keys.index_copy_(2, at, heads_of(attention, attention.k, y))
        values.index_copy_(2, at, heads_of(attention, attention.v, y))
        own = F.scaled_dot_product_attention(heads_of(attention, attention.q, y), keys, values, attn_mask=written)
        y = layer.norm1(y + attention.o(own.transpose(1, 2).flatten(2)))
        attention = layer.cross_attn
        q = heads_of(attention, attention.q, y.view(n, -1, net.width))
        other = F.scaled_dot_product_attention(q, *source, attn_mask=mask)
        y = layer.norm2(y + attention.o(other.transpose(1, 2).flatten(2)).view_as(y))
        y = layer.norm3(y + layer.ffn(y))
    logits = F.linear(y[:, 0], net.shared.weight).float()
    # Of each row only its best can be among the sentence's best, so that no table of all log-probabilities is written.
    sums = logits.logsumexp(1, keepdim=True)
    logits[:, PAD] = -math.inf
    of_row = logits.topk(2 * width)
    best = (of_row.values - sums + scores[:, None]).view(n, -1).topk(2 * width)
    return best.values, best.indices // (2 * width), of_row.indices.view(n, -1).gather(1, best.indices)


@torch.no_grad()
def translate(net, src, width=4, alpha=0.6, extra=50, longest=None, compiled=lambda function: function, whole=False):
    """The best translation of each source (n, length), which are padded, as ids without the end of the sentence.

    `compiled` is what makes the two functions above faster, `whole` whether `step` gets all places at each step, masked, so that shapes stay.
    """
    n, (sources, mask) = len(src), compiled(encode)(net, src)
    penalty = lambda length: ((5 + length) / 6) ** alpha
    limits = [min(tokens + extra, longest or math.inf) for tokens in (src != PAD).sum(1).tolist()]
    shape = lambda t: (n * width, t.shape[1], max(limits), t.shape[3])
    kept, spare = ([tuple(t.new_zeros(shape(t)) for t in pair) for pair in sources] for _ in range(2))
    upto = lambda caches, places: caches if whole else [tuple(t[:, :, :places] for t in pair) for pair in caches]
    positions = signal(max(limits), net.width).to(net.shared.weight.dtype)
    ids = torch.zeros(n * width, 0, dtype=torch.long)
    last = torch.zeros(n * width, 1, dtype=torch.long)
    # At first the hypotheses of a sentence are one and the same.
    scores = torch.tensor([0.0] + [-math.inf] * (width - 1)).repeat(n)
    ended, running = [[] for _ in range(n)], [True] * n
    grown = compiled(step)
    for at in range(max(limits)):
        now = upto(kept, at + 1)
        values, rows, tokens = grown(net, last, torch.tensor([at]), positions[at], now, sources, mask, scores, width)
        ends = tokens == EOS
        for sentence, rank in ends[:, :width].nonzero().tolist():
            if running[sentence]:
                row = sentence * width + rows[sentence, rank].item()
                ended[sentence].append((values[sentence, rank].item() / penalty(at + 1), ids[row].tolist()))
        # The best that go on, in order.
        chosen = ends.int().sort(stable=True, dim=1).indices[:, :width]
        scores = values.gather(1, chosen).flatten()
        last = tokens.gather(1, chosen).view(-1, 1)
        parents = (rows.gather(1, chosen) + torch.arange(0, n * width, width)[:, None]).flatten()
        ids = torch.cat((ids[parents], last), 1)
        for before, after in zip(now, upto(spare, at + 1)):
            for t, to in zip(before, after):
                torch.index_select(t, 0, parents, out=to)
        kept, spare = spare, kept
        alive = scores.view(n, width)[:, 0].tolist()
        for sentence in filter(running.__getitem__, range(n)):
            bound = alive[sentence] / penalty(limits[sentence])
            full = len(ended[sentence]) >= width or any(score >= bound for score, _ in ended[sentence])
            if full or at + 1 >= limits[sentence]:
                running[sentence] = False
                ended[sentence] = ended[sentence] or [(0.0, ids[sentence * width].tolist())]
        if not any(running):
            break
    return [max(hypotheses, key=lambda hypothesis: hypothesis[0])[1] for hypotheses in ended]
