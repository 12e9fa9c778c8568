"""The CIFAR networks of `swish models` in plain PyTorch, for images (n, 3, 32, 32) and ten classes.

Default initialisation: they are here to be timed.
"""

import torch
import torch.nn.functional as F
from torch import nn

from activations import Act

CLASSES = 10


def conv(c_in, c_out, size, stride=1):
    return nn.Conv2d(c_in, c_out, size, stride, size // 2, bias=False)


def norm_act(act, channels):
    return nn.Sequential(nn.BatchNorm2d(channels), Act(act, channels))


class BasicV1(nn.Module):
    """Block of ResNet v1 (He et al. 2015) with shortcut A: every other pixel, new channels zero."""

    def __init__(self, c_in, c_out, stride, act):
        super().__init__()
        self.first = nn.Sequential(conv(c_in, c_out, 3, stride), norm_act(act, c_out))
        self.second = nn.Sequential(conv(c_out, c_out, 3), nn.BatchNorm2d(c_out))
        self.act, self.stride, self.new = Act(act, c_out), stride, c_out - c_in

    def forward(self, x):
        y = self.second(self.first(x))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return self.act(y + x)


class PreAct(nn.Module):
    """Block of ResNet v2 (He et al. 2016). `convs` are (in, out, size, stride), each after a BatchNorm and activation."""

    def __init__(self, convs, act):
        super().__init__()
        (c_in, _, _, stride), c_out = convs[0], convs[-1][1]
        self.head, self.first = norm_act(act, c_in), conv(*convs[0])
        self.rest = nn.Sequential(*(nn.Sequential(norm_act(act, c[0]), conv(*c)) for c in convs[1:]))
        self.shortcut = conv(c_in, c_out, 1, stride) if c_in != c_out else None

    def forward(self, x):
        h = self.head(x)
        return self.rest(self.first(h)) + (x if self.shortcut is None else self.shortcut(h))


class DenseLayer(nn.Module):
    """Layer of DenseNet-BC (Huang et al. 2017)."""

    def __init__(self, c_in, growth, act):
        super().__init__()
        wide = 4 * growth
        self.new = nn.Sequential(norm_act(act, c_in), conv(c_in, wide, 1), norm_act(act, wide), conv(wide, growth, 3))

    def forward(self, x):
        return torch.cat((x, self.new(x)), 1)


def classifier(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def resnet_v1(n, act):
    layers, c = [conv(3, 16, 3), norm_act(act, 16)], 16
    for width in (16, 32, 64):
        for block in range(n):
            layers.append(BasicV1(c, width, 2 if width > 16 and block == 0 else 1, act))
            c = width
    return nn.Sequential(*layers, *classifier(c))


def resnet_v2(n, widths, bottleneck, act):
    layers, c = [conv(3, 16, 3)], 16
    for group, width in enumerate(widths):
        for block in range(n):
            stride, m = 2 if group and block == 0 else 1, width // 4
            narrow = [(c, m, 1, stride), (m, m, 3, 1), (m, width, 1, 1)]
            layers.append(PreAct(narrow if bottleneck else [(c, width, 3, stride), (width, width, 3, 1)], act))
            c = width
    return nn.Sequential(*layers, norm_act(act, c), *classifier(c))


def densenet_bc(depth, growth, act):
    c = 2 * growth
    layers = [conv(3, c, 3)]
    for block in range(3):
        for _ in range((depth - 4) // 6):
            layers.append(DenseLayer(c, growth, act))
            c += growth
        if block < 2:
            layers += [norm_act(act, c), conv(c, c // 2, 1), nn.AvgPool2d(2)]
            c //= 2
    return nn.Sequential(*layers, norm_act(act, c), *classifier(c))


MODELS = {
    "resnet20": lambda act: resnet_v1(3, act),
    "resnet164": lambda act: resnet_v2(18, (64, 128, 256), True, act),
    "wrn28_10": lambda act: resnet_v2(4, (160, 320, 640), False, act),
    "densenet100_12_bc": lambda act: densenet_bc(100, 12, act),
}
# Height and width of the images.
SIZES = dict.fromkeys(MODELS, 32)
