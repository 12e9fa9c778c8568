"""Reference values for the evaluation transform and for unusual files, from Pillow and numpy.

    python make_golden.py imagenette224_val.tar.gz > golden.txt

`eval` lines: file, method, size, mean of R, G, B (0..255), bytes of sampled pixels in hexadecimal. Sample k of a size s is the pixel
(y, x) = ((37 k + 11) mod s, (61 k + 5) mod s). `antialias` is Pillow's BILINEAR on the central crop, `tf1` is
resize_bilinear of TensorFlow 1 (align_corners=False) in numpy. `file` lines: name, bytes of a small file, its size and its RGB bytes
as Pillow decodes them. Made with Pillow 13.0.0 (libjpeg-turbo 3.2.0) and numpy 2.4.6.
"""

import io
import sys
import tarfile

import numpy as np
from PIL import Image


def central(image, fraction=0.875):
    w, h = image.size
    y, x = int((h - h * fraction) / 2), int((w - w * fraction) / 2)
    return image.crop((x, y, w - x, h - y))


def tf1(pixels, size):
    def axis(n):
        at = np.arange(size, dtype=np.float32) * np.float32(n / size)
        low = at.astype(int)
        return low, np.minimum(low + 1, n - 1), at - low

    (y0, y1, fy), (x0, x1, fx) = axis(pixels.shape[0]), axis(pixels.shape[1])
    fy, fx = fy[:, None, None], fx[None, :, None]
    top = pixels[y0][:, x0] * (1 - fx) + pixels[y0][:, x1] * fx
    bottom = pixels[y1][:, x0] * (1 - fx) + pixels[y1][:, x1] * fx
    return top * (1 - fy) + bottom * fy


def line(name, method, size, pixels):
    means = " ".join(f"{m:.3f}" for m in pixels.reshape(-1, 3).mean(0))
    samples = [np.rint(pixels[(37 * k + 11) % size, (61 * k + 5) % size]).astype(np.uint8) for k in range(24)]
    print("eval", name, method, size, means, np.concatenate(samples).tobytes().hex())


def evaluations(archive):
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        for member in members[::9]:
            image = central(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB"))
            name = member.name.split("/", 1)[1]
            for size in (96, 224):
                pixels = np.asarray(image.resize((size, size), Image.BILINEAR), dtype=np.float64)
                line(name, "antialias", size, pixels)
            line(name, "tf1", 96, tf1(np.asarray(image, dtype=np.float32), 96))


def show(name, data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    print("file", name, data.hex(), *image.size, np.asarray(image).tobytes().hex())


def files():
    y, x = np.mgrid[0:8, 0:8]
    ramp = np.stack([x * 30, y * 30, (x + y) * 15, x * 8], -1).astype(np.uint8)

    def jpeg(pixels, mode, **options):
        data = io.BytesIO()
        Image.fromarray(pixels, mode).save(data, "JPEG", quality=90, optimize=True, **options)
        return data.getvalue()

    cmyk = jpeg(ramp, "CMYK")
    show("cmyk", cmyk)
    # The same planes declared to be YCCK: the transform byte of the Adobe marker.
    at = cmyk.index(b"Adobe") + 11
    assert cmyk[at] == 0
    show("ycck", cmyk[:at] + b"\x02" + cmyk[at + 1 :])
    show("grey", jpeg(ramp[..., 0], "L"))
    show("progressive", jpeg(ramp[..., :3], "RGB", progressive=True))
    data = io.BytesIO()
    Image.fromarray(ramp, "RGBA").save(data, "PNG")
    show("png_alpha", data.getvalue())
    data = io.BytesIO()
    Image.fromarray(ramp[..., 0], "L").quantize(8).save(data, "PNG")
    show("png_palette", data.getvalue())


if __name__ == "__main__":
    files()
    evaluations(sys.argv[1])
