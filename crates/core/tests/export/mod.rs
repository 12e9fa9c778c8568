//! Exported code does what the activation does: C and CUDA compiled and run here, candle compiled into this test. The whole-program
//! test `export` runs what is written for Python.

mod candle_code;
mod cases;
mod native;
mod text;
