//! The CUDA kernels, compiled as C++ and run on the host, and where there is a GPU on that: every launching function compared with the
//! CPU's.

use std::path::Path;
use std::rc::Rc;

use swish_emulation::{Host, HostError, Sums, on_each_device};
use swish_kernels::act::{Binary, Op, Program, Unary};
use swish_kernels::conv::{Conv2d, Operands, Pad};
use swish_kernels::cuda::bandwidth::{self, Timed};
use swish_kernels::cuda::check::{Row, run, run_libraries};
use swish_kernels::cuda::launch::dropout::{Masks, Seed};
use swish_kernels::cuda::launch::{depthwise, dropout, layout, pool, sums};
use swish_kernels::cuda::{ActSource, Device, Engine, Matrices, Precision, Scratch, Slice, Subject};
use swish_kernels::pool::Pool2d;

fn host() -> Option<Host> {
    Host::new(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

fn check_rows(name: &str, rows: &[Row]) {
    assert!(!rows.is_empty());
    let wrong: Vec<String> = rows.iter().filter(|row| !row.passed()).map(ToString::to_string).collect();
    let worst = rows.iter().map(|row| row.error).fold(0.0, f64::max);
    println!("{name}: {} comparisons, largest error {worst:.1e}", rows.len());
    assert!(wrong.is_empty(), "{} of {} comparisons:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

macro_rules! subjects {
    ($($test:ident: $subject:ident;)+) => {
        $(fn $test<D: Engine>(device: &Rc<D>, _: Sums) {
            check_rows(stringify!($test), &run(&**device, Subject::$subject).unwrap());
        })+

        on_each_device!($($test,)+ libraries, results_repeat);

        #[test]
        fn every_file_of_kernels_has_a_test() {
            assert_eq!(Subject::ALL.to_vec(), [$(Subject::$subject),+]);
        }
    };
}

subjects! {
    activation: Activation;
    moments: Moments;
    norm: Norm;
    column_sums: Sums;
    pool: Pool;
    loss: Loss;
    dropout_masks: Dropout;
    layer_norm: LayerNorm;
    attention: Attention;
    embedding: Embedding;
    depthwise: Depthwise;
    optim: Optim;
    images: Images;
    layout_and_casts: Layout;
}

/// Those of the emulation are the CPU's; what is compared there is how its shapes, strides and layouts are understood.
fn libraries<D: Engine>(device: &Rc<D>, _: Sums) {
    check_rows("libraries", &run_libraries(&**device).unwrap());
}

/// The same work twice gives the same bits, whichever block ends a sum.
fn results_repeat<D: Engine>(device: &Rc<D>, sums: Sums) {
    let subjects = [Subject::Moments, Subject::Sums, Subject::Depthwise, Subject::Embedding, Subject::Norm];
    // The last one takes the emulation long, which runs blocks in the same order anyway.
    for &subject in &subjects[..sums.pick(4, 5)] {
        assert_eq!(run(&**device, subject).unwrap(), run(&**device, subject).unwrap());
    }
    assert_eq!(run_libraries(&**device).unwrap(), run_libraries(&**device).unwrap());
}

/// Whatever this machine is, it is described without a crash, and what is missing is named with what to do.
#[cfg(feature = "cuda")]
#[test]
fn machines_without_a_gpu_are_described() {
    use swish_kernels::cuda::gpu::{Gpu, info};
    match info::all() {
        Ok(gpus) => assert!(gpus.iter().all(|gpu| gpu.memory > 0 && gpu.capability.0 >= 5)),
        Err(e) => assert!(e.to_string().contains("GPU"), "{e}"),
    }
    for (library, version) in info::libraries() {
        match version {
            Ok(version) => assert!(version.contains('.'), "{library} {version}"),
            Err(e) => assert!(e.contains("pip install"), "{library}: {e}"),
        }
    }
    let far = Gpu::new(1000).map(|_| ());
    assert!(far.is_err());
}

/// Every function is timed in the form that passes launch it in, and charged for its maps.
#[test]
fn bandwidth_is_timed() {
    let Some(host) = host() else { return };
    let swish = vec![Op::X, Op::X, Op::Unary(Unary::Sigmoid, 1), Op::Binary(Binary::Mul, 0, 2)];
    let act = ActSource::new(&Program::new(swish, 0).unwrap());
    let timed = Timed { rows: 40, channels: 16, rounds: 3, seconds: 0.0 };
    let rows = bandwidth::run(&host, &act, timed).unwrap();
    for (rows, (element, size)) in rows.chunks(8).zip([("bf16", 2), ("f32", 4)]) {
        let maps: Vec<usize> = rows.iter().map(|row| row.bytes / (40 * 16 * size)).collect();
        assert_eq!(maps, [2, 2, 3, 1, 2, 3, 5, 8]);
        assert!(rows.iter().all(|row| row.element == element));
        assert_eq!((rows[0].function, rows[0].share), ("copy", 1.0));
    }
    assert!(rows.iter().all(|row| row.seconds > 0.0 && row.share > 0.0 && row.share.is_finite()));
    // One call is recorded, and started for each round.
    assert_eq!(host.replays(), 3 * rows.len() as u64);
    let error = bandwidth::run(&host, &act, Timed { rounds: 0, ..timed }).unwrap_err().to_string();
    assert!(error.contains("40 x 16 in 0 rounds; expected rows, channels and a round"), "{error}");
}

/// Wrong arguments are named before anything runs.
#[test]
fn misfits_are_named() {
    let Some(host) = host() else { return };
    let xs = Slice::of(&host, &[1.0f32; 12]).unwrap();
    let mut ys = Slice::<_, f32>::new(&host, 11).unwrap();
    let misfit = |error: HostError| match error {
        HostError::Misfit(misfit) => misfit.to_string(),
        error => panic!("{error}"),
    };
    let base = Slice::of(&host, &[1u64]).unwrap();
    let seed = Seed { base: base.view(), site: 0 };
    let error = dropout::forward(&host, 0.5, seed, Masks::One, xs.view(), ys.view_mut()).unwrap_err();
    assert_eq!(misfit(error), "dropout: ys has 11 elements; expected 12");
    let mut ys = Slice::<_, f32>::new(&host, 12).unwrap();
    let error = dropout::forward(&host, 1.5, seed, Masks::One, xs.view(), ys.view_mut()).unwrap_err();
    assert_eq!(misfit(error), "dropout: drop probability is 1.5; expected 0 to 1");
    for (rows, word) in [(0, "map has 12 elements"), (5, "expected 15"), (65_536, "number of parts is 65536")] {
        let error = dropout::forward(&host, 0.5, seed, Masks::Seeds(rows), xs.view(), ys.view_mut()).unwrap_err();
        assert!(misfit(error).contains(word));
    }
    let mut five = Slice::new(&host, 5).unwrap();
    let error = sums::column_sums(&host, &mut Scratch::default(), xs.view(), five.view_mut()).unwrap_err();
    assert_eq!(misfit(error), "column_sums: map has 12 elements; expected 15");
    let error = layout::nchw_to_nhwc(&host, [70_000, 1, 0], xs.view().range(0..0), ys.view_mut().range(0..0));
    assert!(misfit(error.unwrap_err()).contains("at most 65535 matrices"));
    let columns = layout::Columns { stride: 4, first: 2 };
    let error = layout::copy_channels(&host, 3, (xs.view(), columns), (ys.view_mut(), columns)).unwrap_err();
    assert!(misfit(error).contains("columns is 2..5 of 4"));
    let matrices = Matrices { batch: 1, rows: 2, columns: 2, inner: 2, a_transposed: false, b_transposed: false };
    let multiply = |matrices: Matrices, start| {
        let mut ys = Slice::<_, f32>::new(&host, 4).unwrap();
        let (a, b) = (xs.view().range(start..start + 4), xs.view().range(0..4));
        let error = host.multiply(&matrices, Precision::Exact, a, b, ys.view_mut(), false).unwrap_err();
        misfit(error)
    };
    let error = multiply(matrices, 1);
    assert_eq!(error, "multiply: first factor is 4 bytes behind a multiple of 256; expected a start at a multiple");
    assert!(multiply(Matrices { rows: 0, ..matrices }, 0).contains("at least 1 each"));
    assert!(multiply(Matrices { batch: 0, ..matrices }, 0).contains("at least 1 each"));
    assert_eq!(multiply(Matrices { batch: 2, ..matrices }, 0), "multiply: first factor has 4 elements; expected 8");
    assert_eq!(multiply(Matrices { columns: 3, ..matrices }, 0), "multiply: second factor has 4 elements; expected 6");
}

/// Shapes without lengths are named too, and no channels are nothing to copy.
#[test]
fn shapes_without_lengths_are_refused() {
    let Some(host) = host() else { return };
    let (pad, operands, scratch) = (Pad::default(), Operands::Exact, &mut Scratch::default());
    let conv = Conv2d { n: 1, h: 4, w: 4, c_in: 1, c_out: 1, kh: 3, kw: 3, stride: (1, 1), pad, groups: 1, operands };
    let (xs, weight) = (Slice::of(&host, &[1.0f32; 16]).unwrap(), Slice::of(&host, &[1.0f32; 9]).unwrap());
    let [mut d_xs, mut d_weight] = [16, 9].map(|len| Slice::<_, f32>::new(&host, len).unwrap());
    let mut ys = Slice::<_, f32>::new(&host, 4).unwrap();
    let (x, w) = (xs.view(), weight.view());
    depthwise::forward(&host, scratch, &conv, x, w, ys.view_mut()).unwrap();
    assert_eq!(ys.to_vec(&host).unwrap(), [9.0; 4]);
    for wrong in [Conv2d { groups: 0, ..conv }, Conv2d { stride: (0, 1), ..conv }, Conv2d { stride: (1, 0), ..conv }] {
        let y = Slice::of(&host, &[1.0f32; 4]).unwrap();
        for result in [
            depthwise::forward(&host, scratch, &wrong, x, w, ys.view_mut()),
            depthwise::backward_data(&host, scratch, &wrong, y.view(), w, d_xs.view_mut()),
            depthwise::backward_weight(&host, scratch, &wrong, x, y.view(), d_weight.view_mut()),
        ] {
            assert!(result.unwrap_err().to_string().contains("one filter a channel"), "{wrong:?}");
        }
    }
    let pool = Pool2d { n: 1, h: 4, w: 4, c: 1, kh: 2, kw: 2, stride: (0, 2), pad, count_padding: false };
    let error = pool::avg_forward(&host, &pool, x, ys.view_mut()).unwrap_err();
    assert!(error.to_string().contains("a window, channels and a stride"), "{error}");
    let columns = layout::Columns { stride: 4, first: 0 };
    layout::copy_channels(&host, 0, (x, columns), (d_xs.view_mut(), columns)).unwrap();
}

/// Maps that begin anywhere in a buffer are read and written all the same, where a wide access would not be aligned.
#[test]
fn views_may_start_anywhere() {
    let Some(host) = host() else { return };
    let values: Vec<f32> = (0..100).map(|i| i as f32).collect();
    for (start, len) in [(0, 64), (1, 64), (2, 63), (4, 96)] {
        let xs = Slice::of(&host, &values).unwrap();
        let mut ys = Slice::of(&host, &values).unwrap();
        let range = start..start + len;
        layout::add(&host, xs.view().range(range.clone()), ys.view_mut().range(range.clone())).unwrap();
        let want: Vec<f32> = (0..100).map(|i| values[i] * if range.contains(&i) { 2.0 } else { 1.0 }).collect();
        assert_eq!(ys.to_vec(&host).unwrap(), want, "{range:?}");
        let mut sums = Slice::new(&host, 8).unwrap();
        let xs = xs.view().range(start..start + 64);
        sums::column_sums(&host, &mut Scratch::default(), xs, sums.view_mut()).unwrap();
        let want: Vec<f32> = (0..8).map(|c| (0..8).map(|row| values[start + 8 * row + c]).sum()).collect();
        assert_eq!(sums.to_vec(&host).unwrap(), want, "{range:?}");
    }
}

/// The emulation sees what it is there to see: here a kernel that is given a map of another type.
#[test]
fn the_emulation_checks_types_of_arguments() {
    use swish_kernels::cuda::device::{Arg, Launch};
    use swish_kernels::cuda::source::{Part, Source};
    let Some(host) = host() else { return };
    let xs = Slice::of(&host, &[1.0f32; 8]).unwrap();
    let mut ys = Slice::<_, f32>::new(&host, 8).unwrap();
    let ys = ys.view_mut();
    let refused = |bf16, n| {
        let args = vec![Arg::from(xs.view()), Arg::from(&ys), n];
        let source = Source { subject: Subject::Layout, bf16, vec: 1, part: Part::None };
        let launch = Launch { source, entry: "from_float", grid: [1; 3], block: [256, 1], args };
        host.launch(&launch).unwrap_err().to_string()
    };
    let error = refused(true, Arg::Long(8));
    assert!(error.contains("argument 1 points to f32, the kernel's parameter to bf16"), "{error}");
    let error = refused(false, Arg::Int(8));
    assert!(error.contains("argument 2 is of another type"), "{error}");
}

/// What it is there to see, in kernels that are wrong on purpose.
#[test]
fn the_emulation_sees_mistakes() {
    use swish_kernels::cuda::device::{Arg, Launch};
    use swish_kernels::cuda::source::{Part, Source};
    let Some(host) = host() else { return };
    const BEGIN: &str = "extern \"C\" __global__ void __launch_bounds__(64) f(float* x, float* y) {";
    let run = |body: &str| {
        let (x, mut y) = (Slice::of(&host, &[1.0f32; 64]).unwrap(), Slice::of(&host, &[0.0f32; 128]).unwrap());
        {
            let (x, y) = (x.view(), y.view_mut().range(0..64));
            let source = Source { subject: Subject::Layout, bf16: false, vec: 4, part: Part::None };
            let args = vec![Arg::from(x), Arg::from(&y)];
            let launch = Launch { source, entry: "f", grid: [1; 3], block: [64, 1], args };
            let text = format!("{}\n{BEGIN}\n{body}\n}}\n", source.text().split("// Every").next().unwrap());
            host.launch_text(&text, &launch).map_err(|e| e.to_string())?;
        }
        y.view().range(0..64).to_vec(&host).map_err(|e| e.to_string())
    };
    let reversed = |barrier: &str| {
        format!("__shared__ float s[64]; s[threadIdx.x] = threadIdx.x; {barrier} y[threadIdx.x] = s[63 - threadIdx.x];")
    };
    let right: Vec<f32> = (0..64).map(|i| 63.0 - i as f32).collect();
    assert_eq!(run(&reversed("__syncthreads();")).unwrap(), right);
    assert_ne!(run(&reversed("")).unwrap(), right, "a missing barrier");
    let says = |body, word: &str| {
        let error = run(body).unwrap_err();
        assert!(error.contains(word), "{error}");
    };
    says("if (threadIdx.x < 32) __syncthreads(); y[threadIdx.x] = 1;", "a barrier that not all threads reach");
    says("if (threadIdx.x != 3) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);", "not all threads reach");
    says("y[threadIdx.x + 70] = 1;", "outside its views");
    says("y[threadIdx.x + 128] = 1;", "outside its views");
    says("(y - 1)[threadIdx.x] = 1;", "outside its views");
    says("x[threadIdx.x] = 2;", "given to read only");
    says("*(volatile int*)0 = 1;", "the process ended");
    assert!(run("y[threadIdx.x] = y[threadIdx.x + 64];").unwrap().iter().all(|y| y.is_nan()));
    says("float v[4]; load(x + 1, v); y[threadIdx.x] = v[0];", "not aligned");
}
