//! The suite that every storage of files passes.
//!
//! [`CASES`] says what a storage must do, a promise a case. It leaves out what differs between
//! them: only in a folder is a path that others lie below no path of a file.

pub mod azurite;
mod cases;
mod endpoint;
pub mod moto;

pub use cases::{CASES, Case, Running};
