//! What a module is, and what it may reach.
//!
//! A module declares itself in one file: its id, what it takes and gives, its effect class, an
//! example, and what it does ([`Module`]). It is handed a context and touches nothing else: it
//! keeps no state between runs, names no other module, and reads no clock.

pub mod buckets;
pub mod component;
pub mod contract;
pub mod db;
mod effect;
pub mod http;
pub mod intake;
pub mod link;
pub mod mail;
mod module;
mod outcome;
mod pure;
mod registry;
pub mod storage;
pub mod web;

pub use effect::{EffectCtx, EffectLog, Mishap};
pub use module::{ArgUse, Class, EffectRun, Example, Group, Module, Nature, PureRun, Role, Run};
pub use outcome::{KvChange, KvOp, KvScope, Outcome, Until};
pub use pure::{PureCtx, Stopped};
pub use registry::Registry;
