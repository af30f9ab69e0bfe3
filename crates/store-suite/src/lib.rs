//! The suite that every store passes.
//!
//! [`CASES`] says what a store must do, a promise a case; [`compare`] runs any sequence of
//! batches against a store and the in-memory model, and finds where they differ.

mod cases;
mod compare;
pub mod mongod;
pub mod proxy;
pub mod set;
mod things;

pub use cases::{CASES, Case, Running};
pub use compare::{Op, compare, ops};
