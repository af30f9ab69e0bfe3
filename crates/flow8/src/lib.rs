//! flow8, the binary: its configuration, and its commands.
//!
//! [`config`] reads settings from every place they may come from, once, and hands them on typed.
//! [`cli`] turns a command line into an exit code. What flow8 does is in the other crates; here it
//! is put together.

pub mod cli;
pub mod client;
pub mod config;
mod examples;
mod failpoint;
pub mod flow_file;
pub mod installation;
mod live;
mod otlp;
mod pinned;
mod telemetry;
