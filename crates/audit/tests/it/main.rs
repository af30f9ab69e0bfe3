//! The chain: that it holds what was written, and that nothing of it can be changed without being found.

mod chain;
mod exports;
mod fuzz;
mod keeping;
mod stage;
