//! The suite that every store passes.
//!
//! [`CASES`] says what a store must do, a promise a case; [`compare`] runs any sequence of
//! batches against a store and the in-memory model, and finds where they differ; [`all_rows`] and
//! [`fill`] move what one store holds into another.

mod cases;
mod compare;
mod filling;
pub mod mongod;
pub mod port;
pub mod proxy;
pub mod set;
mod things;

pub use cases::{CASES, Case, Running};
pub use compare::{Op, compare, go_on_alike, go_through, ops};
pub use filling::{all_rows, begin_and_break_off, fill};
pub use things::header;
