//! [`Source`]: which kernels for which types; its text for the compiler and its name in caches.

use std::fmt::Write;

use super::activation::ActSource;

/// What a file of kernels is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of the files and of the launching modules")]
pub enum Subject {
    Activation,
    Moments,
    Norm,
    Sums,
    Pool,
    Loss,
    Dropout,
    LayerNorm,
    Attention,
    Embedding,
    Depthwise,
    Optim,
    Images,
    Layout,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Activation,
        Self::Moments,
        Self::Norm,
        Self::Sums,
        Self::Pool,
        Self::Loss,
        Self::Dropout,
        Self::LayerNorm,
        Self::Attention,
        Self::Embedding,
        Self::Depthwise,
        Self::Optim,
        Self::Images,
        Self::Layout,
    ];

    /// As in the names of the files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Moments => "moments",
            Self::Norm => "norm",
            Self::Sums => "sums",
            Self::Pool => "pool",
            Self::Loss => "loss",
            Self::Dropout => "dropout",
            Self::LayerNorm => "layer_norm",
            Self::Attention => "attention",
            Self::Embedding => "embedding",
            Self::Depthwise => "depthwise",
            Self::Optim => "optim",
            Self::Images => "images",
            Self::Layout => "layout",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Activation => include_str!("kernels/activation.cu"),
            Self::Moments => include_str!("kernels/moments.cu"),
            Self::Norm => include_str!("kernels/norm.cu"),
            Self::Sums => include_str!("kernels/sums.cu"),
            Self::Pool => include_str!("kernels/pool.cu"),
            Self::Loss => include_str!("kernels/loss.cu"),
            Self::Dropout => include_str!("kernels/dropout.cu"),
            Self::LayerNorm => include_str!("kernels/layer_norm.cu"),
            Self::Attention => include_str!("kernels/attention.cu"),
            Self::Embedding => include_str!("kernels/embedding.cu"),
            Self::Depthwise => include_str!("kernels/depthwise.cu"),
            Self::Optim => include_str!("kernels/optim.cu"),
            Self::Images => include_str!("kernels/images.cu"),
            Self::Layout => include_str!("kernels/layout.cu"),
        }
    }
}

/// What a file is completed with.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Nothing.
    None,
    /// An activation ([`Subject::Activation`], [`Subject::Norm`]).
    Act(&'a ActSource),
    /// Height and width of a window ([`Subject::Depthwise`]).
    Window(usize, usize),
}

/// A set of kernels.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file.
    pub subject: Subject,
    /// Whether maps are stored as bf16 and not as f32.
    pub bf16: bool,
    /// Elements that a thread takes at once; it divides the channels.
    pub vec: usize,
    /// What completes it.
    pub part: Part<'a>,
}

/// What sets of kernels are told apart by, without their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    subject: Subject,
    bf16: bool,
    vec: usize,
    part: u128,
}

impl Source<'_> {
    /// For tables of what is compiled already.
    pub fn key(&self) -> Key {
        let part = match self.part {
            Part::None => 0,
            Part::Act(act) => act.hash(),
            Part::Window(kh, kw) => (kh as u128) << 64 | kw as u128,
        };
        Key { subject: self.subject, bf16: self.bf16, vec: self.vec, part }
    }

    /// The whole text for the compiler.
    pub fn text(&self) -> String {
        let mut text = format!("#define BF16 {}\n#define VEC {}\n", u8::from(self.bf16), self.vec);
        if let Part::Window(kh, kw) = self.part {
            let _ = writeln!(text, "#define KH {kh}\n#define KW {kw}");
        }
        text += include_str!("kernels/common.cu");
        if let Part::Act(act) = self.part {
            text += include_str!("kernels/math.cu");
            text += act.text();
        }
        if self.subject == Subject::Norm {
            text += Subject::Activation.text();
        }
        text + self.subject.text()
    }
}

/// The name of what a compiler makes of a text: the file's subject and a hash of text, options and architecture.
pub fn module_name(source: &Source<'_>, text: &str, options: &[&str], arch: &str) -> String {
    let parts = format!("{}\0{arch}\0{text}", options.join("\0"));
    format!("{}-{:032x}", source.subject.name(), fnv1a128(&parts))
}

/// The names of the kernels in a text.
pub fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split("extern \"C\" __global__ void __launch_bounds__(").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once(')')?;
        Some(rest.trim_start().split_once('(')?.0)
    })
}

/// 128-bit FNV-1a hash.
pub(super) fn fnv1a128(bytes: impl AsRef<[u8]>) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.as_ref().iter().fold(BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the hash's specification.
    #[test]
    fn fnv_known_answers() {
        assert_eq!(fnv1a128(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a128("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(fnv1a128("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn names_change_with_whatever_changes_the_result() {
        let source = Source { subject: Subject::Pool, bf16: false, vec: 4, part: Part::None };
        let name = |source: &Source<'_>, options: &[&str], arch| module_name(source, &source.text(), options, arch);
        let first = name(&source, &["-a", "-b"], "sm_90");
        assert!(first.starts_with("pool-"));
        assert_eq!(first, name(&source, &["-a", "-b"], "sm_90"));
        for other in [
            name(&source, &["-a-b"], "sm_90"),
            name(&source, &["-a", "-b"], "sm_80"),
            name(&Source { bf16: true, ..source }, &["-a", "-b"], "sm_90"),
            name(&Source { vec: 1, ..source }, &["-a", "-b"], "sm_90"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn kernels_are_found_by_name() {
        let source = Source { subject: Subject::Loss, bf16: false, vec: 1, part: Part::None };
        assert!(entries(&source.text()).eq(["softmax_cross_entropy", "mean_loss", "total_loss"]));
    }
}
