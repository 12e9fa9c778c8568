//! Training: recipes as typed values, and the trainer that turns a cell (recipe, activation, seed) into a record.
//!
//! | module | what it has |
//! |---|---|
//! | [`task`] | what trainer and tables ask of a recipe and of its network at work: images or translation |
//! | [`recipe`] | what a recipe for images says: model, data, optimizer, schedule, batch, steps |
//! | [`recipes`] | the recipes of the paper's tables and their reduced forms, each with its source |
//! | [`schedule`] | learning rates: constant, steps, staircase, cosine, Noam; warm-up |
//! | [`optimizer`] | SGD, RMSProp, Adam over a network's flat variable, with groups of parameters and clipping |
//! | [`averages`] | moving averages of parameters and running statistics, means of the last checkpoints |
//! | [`learner`] | parameters, their optimizer and averages: all that changes from step to step |
//! | [`on_device`] | the same three on another device: a GPU |
//! | [`translation`] | translation: its recipe, sessions, evaluation, and the use of trained weights |
//! | [`cell`] | one cell of an experiment and its identity |
//! | [`session`] | a cell's network for images at work: steps and evaluations |
//! | [`trainer`] | a cell from start, or from its checkpoint, to its record |
//! | [`ranks`] | the same on one of several devices that is not the first |
//! | [`checkpoint`] | all that a run needs to go on after being killed |
//! | [`evaluate`] | loss and accuracy of a network on a data set |
//! | [`jobs`] | many cells on one machine, several at a time |
//! | [`progress`] | a progress bar on a terminal, plain lines elsewhere |

pub mod averages;
pub mod cell;
pub mod checkpoint;
pub mod error;
pub mod evaluate;
pub mod jobs;
pub mod learner;
pub mod on_device;
pub mod optimizer;
pub mod preprocess;
pub mod progress;
pub mod ranks;
pub mod recipe;
pub mod recipes;
pub mod schedule;
pub mod session;
pub mod task;
pub mod trainer;
pub mod translation;
mod values;

pub use cell::Cell;
pub use error::{Error, Result};
pub use recipe::Recipe;
pub use schedule::Schedule;
pub use task::{Task, Training};
pub use translation::TranslationRecipe;
