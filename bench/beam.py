"""Batched beam search of the benchmark's Transformer, with keys and values kept, as the peer of ours.

It ends a sentence as ours does: when as many hypotheses have ended as are kept, when nothing better can follow, or at the longest length.
"""

import math

import torch
import torch.nn.functional as F

PAD, EOS = 0, 1


def heads_of(attention, projection, x):
    """(n, length, width) projected: (n, heads, length, width / heads)."""
    return projection(x).unflatten(2, (attention.heads, -1)).transpose(1, 2)


def encoded(net, src):
    """Of each decoder layer the keys and values of the sources (n, length); and which of their tokens are some, (n, 1, 1, length)."""
    mask, x = (src != PAD)[:, None, None, :], net.embed(src)
    for layer in net.encoder:
        x = layer(x, mask)
    attentions = [layer.cross_attn for layer in net.decoder]
    return [tuple(heads_of(a, projection, x) for projection in (a.k, a.v)) for a in attentions], mask


def step(net, last, at, kept, sources, mask):
    """Logits (n * width, vocab) of the token at place `at` (1), given the tokens before it, `last` (n * width, 1): none at the first place.

    `kept` has for each layer the keys and values (n * width, heads, places, width of a head) of what was written, and gets those of this
    place. All of its places are asked, with a mask, so that shapes stay and torch.compile compiles once. All hypotheses of a sentence ask
    its source at once.
    """
    n = mask.shape[0]
    y = net.shared(last) * net.width**0.5 * (last != PAD)[..., None] + net.signal[at]
    written = (torch.arange(kept[0][0].shape[2]) <= at)[None, None, None, :]
    for layer, (keys, values), source in zip(net.decoder, kept, sources):
        attention = layer.self_attn
        keys.index_copy_(2, at, heads_of(attention, attention.k, y))
        values.index_copy_(2, at, heads_of(attention, attention.v, y))
        q = heads_of(attention, attention.q, y)
        own = F.scaled_dot_product_attention(q, keys, values, attn_mask=written)
        y = layer.norm1(y + attention.o(own.transpose(1, 2).flatten(2)))
        attention = layer.cross_attn
        q = heads_of(attention, attention.q, y.view(n, -1, net.width))
        other = F.scaled_dot_product_attention(q, *source, attn_mask=mask)
        y = layer.norm2(y + attention.o(other.transpose(1, 2).flatten(2)).view_as(y))
        y = layer.norm3(y + layer.ffn(y))
    return F.linear(y[:, 0], net.shared.weight)


@torch.no_grad()
def translate(net, src, width=4, alpha=0.6, extra=50, longest=None, step=step):
    """The best translation of each source (n, length), which are padded, as ids without the end of the sentence."""
    n, (sources, mask) = len(src), encoded(net, src)
    penalty = lambda length: ((5 + length) / 6) ** alpha
    limits = [min(tokens + extra, longest or math.inf) for tokens in (src != PAD).sum(1).tolist()]
    shape = lambda t: (n * width, t.shape[1], max(limits), t.shape[3])
    kept = [tuple(t.new_zeros(shape(t)) for t in pair) for pair in sources]
    ids = torch.zeros(n * width, 0, dtype=torch.long)
    last = torch.zeros(n * width, 1, dtype=torch.long)
    # At first the hypotheses of a sentence are one and the same.
    scores = torch.tensor([0.0] + [-math.inf] * (width - 1)).repeat(n)
    ended, running = [[] for _ in range(n)], [True] * n
    for at in range(max(limits)):
        log = torch.log_softmax(step(net, last, torch.tensor([at]), kept, sources, mask).float(), -1)
        log[:, PAD] = -math.inf
        vocabulary = log.shape[1]
        best = (log + scores[:, None]).view(n, -1).topk(2 * width)
        rows, tokens = best.indices // vocabulary, best.indices % vocabulary
        ends = tokens == EOS
        for sentence, rank in ends[:, :width].nonzero().tolist():
            if running[sentence]:
                row = sentence * width + rows[sentence, rank].item()
                ended[sentence].append((best.values[sentence, rank].item() / penalty(at + 1), ids[row].tolist()))
        # The best that go on, in order.
        chosen = ends.int().sort(stable=True, dim=1).indices[:, :width]
        scores = best.values.gather(1, chosen).flatten()
        last = tokens.gather(1, chosen).view(-1, 1)
        parents = (rows.gather(1, chosen) + torch.arange(0, n * width, width)[:, None]).flatten()
        ids = torch.cat((ids[parents], last), 1)
        for pair in kept:
            for t in pair:
                t[:, :, : at + 1] = t[parents, :, : at + 1]
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
