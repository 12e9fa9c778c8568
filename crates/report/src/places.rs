//! The paper's tables and figures, and what makes ours.

/// A table or figure of the paper.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its number.
    pub number: u8,
    /// What it shows.
    pub title: &'static str,
    /// The command that makes ours.
    pub command: &'static str,
}

const fn place(number: u8, title: &'static str, command: &'static str) -> Place {
    Place { number, title, command }
}

/// The tables but the third, which is counted from those after it.
pub const TABLES: [Place; 10] = [
    place(1, "Functions that the search found, CIFAR-10", "make table-cifar-search"),
    place(2, "Functions that the search found, CIFAR-100", "make table-cifar-search"),
    place(4, "Nine activations, CIFAR-10", "make table-cifar"),
    place(5, "Nine activations, CIFAR-100", "make table-cifar"),
    place(6, "Mobile NASNet-A on ImageNet", "make imagenet-mobilenasnet"),
    place(7, "Inception-ResNet-v2 on ImageNet", "make imagenet-inception-resnet-v2"),
    place(8, "MobileNet on ImageNet", "make imagenet-mobilenet"),
    place(9, "Inception-v3 on ImageNet", "make imagenet-inception-v3"),
    place(10, "Inception-v4 on ImageNet", "make imagenet-inception-v4"),
    place(11, "12-layer Transformer, English to German", "make wmt-transformer"),
];

/// The figures.
pub const FIGURES: [Place; 8] = [
    place(1, "A core unit: two unary functions and a binary one", ""),
    place(2, "The controller: one component of the function a step", ""),
    place(3, "The functions that the search found", "make table-cifar-search"),
    place(4, "Swish for several β", "make figures"),
    place(5, "First derivatives of Swish", "make figures"),
    place(6, "Preactivations after training with Swish", "make figures"),
    place(7, "Trained β in Mobile NASNet-A", "make figures"),
    place(8, "Training curves of Mobile NASNet-A", "make figure-8"),
];
