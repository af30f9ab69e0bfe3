//! Example flows, and a small server of made-up peers for them to call.
//!
//! [`examples`] are the flow files of the `examples` folder, so that a program can bring them
//! along. [`Peers`] plays the systems that those flows talk to: an accounting system, a bank, a
//! CRM, a travel agency, a mail server. Its data is made up and always the same; what flows change
//! is kept in memory, within bounds.

mod examples;
mod peers;

pub use examples::{Example, examples};
pub use peers::{Call, Peers, router, serve};
