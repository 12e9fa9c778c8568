//! The shared core: what the paper searches, and the networks that it tries the findings in.
//!
//! | module | what it has |
//! |---|---|
//! | [`activation`] | an activation function as a value: parsed, printed, derived, compiled |
//! | [`nn`] | layers over `swish-kernels`; a whole network is one candle operator |
//! | [`device`] | networks whose steps run on a device as a whole: a GPU |
//! | [`models`] | the networks, one file a family |

pub mod activation;
pub mod device;
pub mod models;
pub mod nn;
