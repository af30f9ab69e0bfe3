//! The nouns of flow8.
//!
//! No clock, no randomness, no input or output: only what things are, and how they are
//! written down. Every other crate speaks in these types.

pub mod actor;
pub mod audit;
pub mod batch;
pub mod codec;
pub mod command;
pub mod doc;
pub mod failure;
pub mod flow;
pub mod ids;
pub mod limits;
pub mod payload;
pub mod play;
pub mod record;
pub mod retention;
pub mod role;
pub mod seal;
pub mod span;
pub mod suggest;
pub mod time;
pub mod trace;
pub mod value;

pub use actor::{Actor, ActorKind};
pub use failure::Failure;
pub use payload::{Digest, Payload};
pub use time::Timestamp;
pub use value::{Map, Number, Value};
