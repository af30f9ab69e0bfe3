//! The built-in modules, and the providers through which they reach outside.
//!
//! [`all`] is the one list of modules: a file of its own for each under `builtin`. A module
//! declares itself there and does its work through what it is handed; it keeps no state, names no
//! other module, reads no clock. [`provider`] holds what stands behind the seams of the sdk.

mod arguments;
mod builtin;
mod call;
mod content;
mod csv_table;
mod delimiter;
mod elements;
mod encoding;
mod file;
mod formula;
mod json_path;
mod jwt;
mod key;
pub mod provider;
mod script;
mod sql;
mod sse;
#[cfg(test)]
mod stage;
mod xml;

pub use builtin::all;
