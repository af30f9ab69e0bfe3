//! The nouns of flow8.
//!
//! No clock, no randomness, no input or output: only what things are, and how they are
//! written down. Every other crate speaks in these types.

pub mod limits;
pub mod value;

pub use value::{Map, Number, Value};
