//! Shapes of every route: kernels, strides, paddings, groups, sizes with and without tails.

use swish_kernels::conv::{Conv2d, Operands, Pad};

/// A small 3x3 convolution that the others vary.
pub fn base() -> Conv2d {
    Conv2d {
        n: 2,
        h: 7,
        w: 9,
        c_in: 5,
        c_out: 6,
        kh: 3,
        kw: 3,
        stride: (1, 1),
        pad: Pad::all(1),
        groups: 1,
        operands: Operands::Exact,
    }
}

fn pad(top: usize, bottom: usize, left: usize, right: usize) -> Pad {
    Pad { top, bottom, left, right }
}

/// All of them.
pub fn shapes() -> Vec<Conv2d> {
    let b = base();
    let mut shapes = vec![
        b,
        Conv2d { c_in: 16, c_out: 16, ..b },
        Conv2d { c_in: 3, c_out: 16, ..b },
        Conv2d { c_in: 3, c_out: 17, n: 3, ..b },
        Conv2d { c_in: 17, c_out: 25, ..b },
        Conv2d { c_in: 24, c_out: 12, ..b },
        Conv2d { c_in: 13, c_out: 48, kh: 1, kw: 1, pad: Pad::default(), ..b },
        Conv2d { c_in: 8, c_out: 9, kh: 1, kw: 1, stride: (2, 2), pad: Pad::default(), ..b },
        Conv2d { kh: 5, kw: 5, pad: Pad::all(2), ..b },
        Conv2d { kh: 1, kw: 7, pad: Pad::same(1, 7), ..b },
        Conv2d { kh: 7, kw: 1, pad: Pad::same(7, 1), ..b },
        Conv2d { kh: 2, kw: 4, pad: Pad::same(2, 4), ..b },
        Conv2d { stride: (2, 2), ..b },
        Conv2d { stride: (2, 1), c_in: 16, c_out: 32, ..b },
        Conv2d { stride: (3, 2), kh: 2, ..b },
        Conv2d { h: 8, w: 8, stride: (2, 2), pad: pad(0, 1, 0, 1), ..b },
        Conv2d { pad: pad(0, 2, 1, 0), ..b },
        Conv2d { pad: pad(3, 0, 4, 1), ..b },
        Conv2d { pad: Pad::default(), ..b },
        Conv2d { h: 1, w: 1, ..b },
        Conv2d { h: 3, w: 3, pad: Pad::default(), ..b },
        Conv2d { n: 1, h: 33, w: 35, c_in: 16, c_out: 20, ..b },
        Conv2d { n: 9, h: 4, w: 4, c_in: 70, c_out: 66, ..b },
        Conv2d { n: 40, h: 2, w: 2, c_in: 4, c_out: 4, ..b },
        // Wide enough for several stages of steps, several canvases, and tiles of single pixels.
        Conv2d { n: 2, h: 5, w: 6, c_in: 130, c_out: 33, ..b },
        Conv2d { n: 2, h: 5, w: 6, c_in: 33, c_out: 130, stride: (2, 2), ..b },
        Conv2d { n: 1, h: 9, w: 8, c_in: 48, c_out: 16, kh: 7, kw: 7, pad: Pad::all(3), ..b },
        Conv2d { n: 3, h: 35, w: 35, c_in: 36, c_out: 12, kh: 1, kw: 3, pad: Pad::same(1, 3), ..b },
        Conv2d { n: 3, h: 28, w: 28, c_in: 12, c_out: 36, kh: 3, kw: 1, pad: Pad::same(3, 1), ..b },
        Conv2d { n: 3, h: 16, w: 16, c_in: 64, c_out: 16, kh: 1, kw: 1, pad: Pad::default(), ..b },
        Conv2d { n: 2, h: 9, w: 9, c_in: 160, c_out: 64, kh: 1, kw: 1, stride: (2, 2), pad: Pad::default(), ..b },
        Conv2d { n: 2, h: 16, w: 16, c_in: 16, c_out: 32, stride: (2, 2), ..b },
        Conv2d { n: 2, h: 11, w: 10, c_in: 12, c_out: 20, kh: 5, kw: 5, pad: Pad::all(2), stride: (2, 2), ..b },
        // Tiles of every width next to each other, and the last of them narrower than its channels.
        Conv2d { n: 2, h: 6, w: 7, c_in: 56, c_out: 88, ..b },
        Conv2d { n: 2, h: 6, w: 7, c_in: 32, c_out: 60, ..b },
        Conv2d { n: 2, h: 6, w: 7, c_in: 29, c_out: 40, stride: (2, 2), ..b },
        // Strides larger than the kernel or the image, or with so much padding that whole windows lie in it.
        Conv2d { kh: 1, kw: 2, stride: (3, 4), pad: Pad::default(), ..b },
        Conv2d { h: 2, w: 3, stride: (4, 4), ..b },
        Conv2d { stride: (2, 3), pad: pad(0, 3, 1, 2), ..b },
        Conv2d { stride: (2, 2), pad: pad(5, 0, 0, 4), ..b },
        // Windows of more numbers than a canvas has after its last position.
        Conv2d { n: 3, h: 13, w: 13, c_in: 40, c_out: 24, stride: (2, 2), pad: Pad::default(), ..b },
        Conv2d { n: 2, h: 9, w: 11, c_in: 28, c_out: 40, kh: 1, kw: 7, pad: Pad::same(1, 7), ..b },
        Conv2d { n: 2, h: 12, w: 9, c_in: 40, c_out: 40, pad: Pad::default(), ..b },
        // Groups.
        Conv2d { c_in: 6, c_out: 4, groups: 2, ..b },
        Conv2d { c_in: 6, c_out: 9, groups: 3, stride: (2, 2), ..b },
        Conv2d { c_in: 4, c_out: 8, groups: 4, kh: 5, kw: 5, pad: pad(2, 1, 0, 3), ..b },
    ];
    // Depthwise.
    for c in [1usize, 2, 8, 13, 16, 44] {
        let d = Conv2d { c_in: c, c_out: c, groups: c, ..b };
        shapes.push(d);
        shapes.push(Conv2d { kh: 5, kw: 5, pad: Pad::all(2), ..d });
        shapes.push(Conv2d { kh: 5, kw: 5, pad: pad(1, 2, 1, 2), stride: (2, 2), ..d });
        shapes.push(Conv2d { kh: 7, kw: 7, pad: pad(3, 3, 2, 3), stride: (2, 1), ..d });
    }
    shapes.push(Conv2d { n: 1, h: 40, w: 40, c_in: 20, c_out: 20, groups: 20, ..b });
    shapes
}
