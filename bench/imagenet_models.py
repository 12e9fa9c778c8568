"""ImageNet networks of `swish models` in plain PyTorch, for images (n, 3, SIZES[name], SIZES[name]) and 1000 classes.

The activation stands at every site, BatchNorm has an epsilon of 1e-3, padding is TensorFlow's. In training, networks with an auxiliary
head return its logits too. No dropout, as in `swish bench step`. Default initialisation: they are here to be timed.
"""

import torch
import torch.nn.functional as F
from torch import nn

from activations import Act

CLASSES = 1000
AUX_WEIGHT = 0.4


# --------------------------------------------------------------------------------------------------------- layers


def same(size, kernel, stride):
    """Cells that TensorFlow's SAME padding adds before and after a side of `size`."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv(nn.Conv2d):
    """Convolution of square maps with SAME padding."""

    def __init__(self, c_in, c_out, size, stride=1, groups=1):
        super().__init__(c_in, c_out, size, stride, groups=groups, bias=False)

    def forward(self, x):
        before, after = same(x.shape[-1], self.kernel_size[0], self.stride[0])
        if before != after:
            x, before = F.pad(x, (before, after) * 2), 0
        return F.conv2d(x, self.weight, None, self.stride, before, groups=self.groups)


def same_pool(pool, x, stride, **options):
    """Pooling over 3x3 with SAME padding: of even maps only the end is padded, which is what `ceil_mode` does."""
    before, after = same(x.shape[-1], 3, stride)
    return pool(x, 3, stride, before, ceil_mode=before != after, **options)


def average(x, stride=1):
    return same_pool(F.avg_pool2d, x, stride, count_include_pad=False)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


def depthwise(channels, size, stride=1):
    return SameConv(channels, channels, size, stride, channels)


def pointwise(c_in, c_out, stride=1):
    return nn.Conv2d(c_in, c_out, 1, stride, bias=False)


def classifier(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def auxiliary(c_in, size, act):
    """For maps of `c_in` channels and `size` x `size` pixels; its second convolution is as large as its map."""
    narrow, wide, size = 128, 768, (size - 5) // 3 + 1
    first = [nn.AvgPool2d(5, 3), pointwise(c_in, narrow), norm(narrow), Act(act, narrow)]
    second = [nn.Conv2d(narrow, wide, size, bias=False), norm(wide), Act(act, wide)]
    return nn.Sequential(*first, *second, *classifier(wide))


class WithAuxiliary(nn.Module):
    """A network whose auxiliary head reads what `lower` makes."""

    def __init__(self, lower, head, upper):
        super().__init__()
        self.lower, self.head, self.upper = lower, head, upper

    def forward(self, images):
        x = self.lower(images)
        return (self.upper(x), self.head(x)) if self.training else self.upper(x)


# ------------------------------------------------------------------------------------------------------ MobileNet


def mobilenet_v1(act):
    """MobileNet v1 (Howard et al. 2017)."""
    c = 32
    layers = [SameConv(3, c, 3, 2), norm(c), Act(act, c)]
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for c_out, stride in blocks:
        layers += [depthwise(c, 3, stride), norm(c), Act(act, c), pointwise(c, c_out), norm(c_out), Act(act, c_out)]
        c = c_out
    return nn.Sequential(*layers, *classifier(c))


# ------------------------------------------------------------------------------------------------------ Inception


class Mixed(nn.Module):
    """Branches that read one map, their results side by side."""

    def __init__(self, c_in, act, *branches):
        super().__init__()
        self.branches = nn.ModuleList(chain(c_in, act, *branch) for branch in branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def chain(c_in, act, *layers):
    """Layers one after the other, each a pooling, a pair that reads the same map (a list), or a convolution with BatchNorm and
    activation: (channels, size) keeps the map's size, (channels, size, stride) has no padding."""
    modules = []
    for layer in layers:
        if isinstance(layer, nn.Module):
            modules.append(layer)
        elif isinstance(layer, list):
            modules.append(Mixed(c_in, act, *([end] for end in layer)))
        else:
            c_out, size, *stride = layer
            height, width = size if isinstance(size, tuple) else (size, size)
            padding = 0 if stride else (height // 2, width // 2)
            conv = nn.Conv2d(c_in, c_out, (height, width), *(stride or [1]), padding=padding, bias=False)
            modules += [conv, norm(c_out), Act(act, c_out)]
            c_in = c_out
    return nn.Sequential(*modules)


MEAN = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
MAX = nn.MaxPool2d(3, 2)
STEM = [(32, 3, 2), (32, 3, 1), (64, 3), MAX, (80, 1), (192, 3, 1), MAX]
# Side of the maps that the auxiliary head reads.
TAP = 17


def inception_v3(act):
    """Inception-v3 (Szegedy et al. 2015)."""
    wide, high = (1, 7), (7, 1)
    lower = [chain(3, act, *STEM)]
    for c, pooled in ((192, 32), (256, 64), (288, 64)):
        triple = [(64, 1), (96, 3), (96, 3)]
        lower.append(Mixed(c, act, [(64, 1)], [(48, 1), (64, 5)], triple, [MEAN, (pooled, 1)]))
    lower.append(Mixed(288, act, [(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)], [MAX]))
    for c in (128, 160, 160, 192):
        double = [(c, 1), (c, high), (c, wide), (c, high), (192, wide)]
        lower.append(Mixed(768, act, [(192, 1)], [(c, 1), (c, wide), (192, high)], double, [MEAN, (192, 1)]))
    pair = [(384, (1, 3)), (384, (3, 1))]
    upper = [Mixed(768, act, [(192, 1), (320, 3, 2)], [(192, 1), (192, wide), (192, high), (192, 3, 2)], [MAX])]
    for c in (1280, 2048):
        upper.append(Mixed(c, act, [(320, 1)], [(384, 1), pair], [(448, 1), (384, 3), pair], [MEAN, (192, 1)]))
    return WithAuxiliary(nn.Sequential(*lower), auxiliary(768, TAP, act), nn.Sequential(*upper, *classifier(2048)))


class Residual(nn.Module):
    """Branches brought back to the channels of the input and added to it, times a factor."""

    def __init__(self, c, act, branches, scale, last=False):
        super().__init__()
        self.branches = Mixed(c, act, *branches)
        self.up = nn.Conv2d(sum(branch[-1][0] for branch in branches), c, 1)
        self.act, self.scale = nn.Identity() if last else Act(act, c), scale

    def forward(self, x):
        return self.act(x + self.scale * self.up(self.branches(x)))


def inception_resnet_v2(act):
    """Inception-ResNet-v2 (Szegedy et al. 2016)."""
    a = [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]]
    b = [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]]
    c = [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]]
    lower = nn.Sequential(
        chain(3, act, *STEM),
        Mixed(192, act, [(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], [MEAN, (64, 1)]),
        *(Residual(320, act, a, 0.17) for _ in range(10)),
        Mixed(320, act, [(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)], [MAX]),
        *(Residual(1088, act, b, 0.1) for _ in range(20)),
    )
    halved = [[(256, 1), (384, 3, 2)], [(256, 1), (288, 3, 2)], [(256, 1), (288, 3), (320, 3, 2)], [MAX]]
    upper = nn.Sequential(
        Mixed(1088, act, *halved),
        *(Residual(2080, act, c, 0.2) for _ in range(9)),
        Residual(2080, act, c, 1.0, last=True),
        chain(2080, act, (1536, 1)),
        *classifier(1536),
    )
    return WithAuxiliary(lower, auxiliary(1088, TAP, act), upper)


# ------------------------------------------------------------------------------------------------------ NASNet-A


class Factorised(nn.Module):
    """Halves a map: 1x1 convolutions of its even pixels and of its odd ones, side by side."""

    def __init__(self, c_in, c_out, act):
        super().__init__()
        self.act = Act(act, c_in)
        self.even, self.odd = pointwise(c_in, c_out // 2, 2), pointwise(c_in, c_out // 2)
        self.norm = norm(c_out)

    def forward(self, x):
        x = self.act(x)
        missing = x.shape[-1] % 2
        odd = F.pad(x[:, :, 1::2, 1::2], (0, missing, 0, missing))
        return self.norm(torch.cat((self.even(x), self.odd(odd)), 1))


def act_conv(c_in, c_out, act):
    return nn.Sequential(Act(act, c_in), pointwise(c_in, c_out), norm(c_out))


def separable(c_in, c_out, size, stride, act):
    """Twice activation, depthwise and pointwise convolution, BatchNorm."""
    first = [Act(act, c_in), depthwise(c_in, size, stride), pointwise(c_in, c_out), norm(c_out)]
    return nn.Sequential(*first, Act(act, c_out), depthwise(c_out, size), pointwise(c_out, c_out), norm(c_out))


class Cell(nn.Module):
    """Reads the last map and the one before it, returns the new one and the last."""

    def __init__(self, c, f, act, entry, c_1, sizes):
        super().__init__()
        self.first, self.entry = act_conv(c, f, act), entry
        of_h0 = (0, 4)
        branches = ((f if i in of_h0 else c_1, f, *size, act) for i, size in enumerate(sizes))
        self.branches = nn.ModuleList(separable(*branch) for branch in branches)

    def forward(self, maps):
        last, before = maps
        return torch.cat(self.parts(self.first(last), self.entry(before)), 1), last


class Normal(Cell):
    def __init__(self, c, f, act, entry, c_1):
        super().__init__(c, f, act, entry, c_1, [(5, 1), (3, 1), (5, 1), (3, 1), (3, 1)])

    def parts(self, h0, h1):
        s = self.branches
        return h1, s[0](h0) + s[1](h1), s[2](h1) + s[3](h1), average(h0) + h1, 2 * average(h1), s[4](h0) + h0


class Reduction(Cell):
    """Halves height and width."""

    def __init__(self, c, f, act, entry, c_1):
        # The last branch reads a sum of two others, which has f channels as h0 has.
        super().__init__(c, f, act, entry, c_1, [(5, 2), (7, 2), (7, 2), (5, 2), (3, 1)])

    def parts(self, h0, h1):
        s, largest = self.branches, same_pool(F.max_pool2d, h0, 2)
        h2 = s[0](h0) + s[1](h1)
        h3 = largest + s[2](h1)
        return h3, average(h0, 2) + s[3](h1), h3 + average(h2), s[4](h2) + largest


class Both(nn.Module):
    """The first convolution's map twice: the first cell's last map and the one before it."""

    def forward(self, x):
        return x, x


class Last(nn.Module):
    """Of the last two maps the last."""

    def forward(self, maps):
        return maps[0]


def nasnet_a_mobile(act, filters=44, cells=4):
    """Mobile NASNet-A, 4 @ 1056 (Zoph et al. 2017)."""
    plan = [(Reduction, filters // 4), (Reduction, filters // 2), *[(Normal, filters)] * cells]
    plan += [(Reduction, 2 * filters), *[(Normal, 2 * filters)] * cells]
    tap = len(plan) + 1
    plan += [(Reduction, 4 * filters), *[(Normal, 4 * filters)] * cells]
    c = c_before = 32
    layers = [nn.Sequential(nn.Conv2d(3, c, 3, 2, bias=False), norm(c), Both())]
    halved = None
    for kind, f in plan:
        if halved is None:  # the first cell reads the same map twice, the second time as it is
            entry, c_1 = nn.Identity(), c
        else:
            entry, c_1 = (Factorised if halved else act_conv)(c_before, f, act), f
        layers.append(kind(c, f, act, entry, c_1))
        halved = kind is Reduction
        c, c_before = (4 if halved else 6) * f, c
    lower, upper = layers[:tap], layers[tap:]
    c_tap = 6 * 2 * filters
    head = nn.Sequential(Last(), Act(act, c_tap), auxiliary(c_tap, 14, act))
    return WithAuxiliary(nn.Sequential(*lower), head, nn.Sequential(*upper, Last(), Act(act, c), *classifier(c)))


MODELS = {
    "mobilenet_v1_same": mobilenet_v1,
    "inception_v3_tfpool": inception_v3,
    "nasnet_a_mobile": nasnet_a_mobile,
    "inception_resnet_v2": inception_resnet_v2,
}
# Height and width of the images.
SIZES = {name: 299 if name.startswith("inception") else 224 for name in MODELS}
