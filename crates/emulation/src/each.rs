//! [`on_each_device`](crate::on_each_device): tests for the emulation and for a GPU.

/// The order in which a device adds up products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// The CPU's own.
    Same,
    /// Another, so that results differ from the CPU's in their last digits, and what depends on them by more.
    Other,
}

impl Sums {
    /// What results may be off: `same` where sums are the CPU's, else `other`.
    pub fn pick<T>(self, same: T, other: T) -> T {
        match self {
            Self::Same => same,
            Self::Other => other,
        }
    }
}

/// Makes tests of functions `fn name<D: Engine + 'static>(device: &Rc<D>, sums: Sums)`, for an integration test of a package that has the
/// feature `cuda`: `emulated::name` runs on the emulation and, with that feature, `on_gpu::name` on the first GPU. One that is not there is
/// told, and the test passes.
#[macro_export]
macro_rules! on_each_device {
    ($($(#[$meta:meta])* $test:ident),+ $(,)?) => {
        mod emulated {
            $($(#[$meta])* #[test] fn $test() {
                let Some(host) = $crate::Host::new(::std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))) else { return };
                super::$test(&::std::rc::Rc::new(host), $crate::Sums::Same);
            })+
        }

        #[cfg(feature = "cuda")]
        mod on_gpu {
            $($(#[$meta])* #[test] fn $test() {
                match ::swish_kernels::cuda::gpu::Gpu::new(0) {
                    Ok(gpu) => super::$test(&::std::rc::Rc::new(gpu), $crate::Sums::Other),
                    Err(error) if error.is_none_here() => eprintln!("SKIPPED, nothing was run on a GPU: {error}"),
                    Err(error) => panic!("{error}"),
                }
            })+
        }
    };
}
