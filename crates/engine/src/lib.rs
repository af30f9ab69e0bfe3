//! What plays do.
//!
//! `decide` is pure: from a plan, a state and an input it makes records and effects. The
//! driver commits the records and then performs the effects. Recovery is the same fold of the
//! same records; there is no second code path.

pub mod companies;
pub mod components;
pub mod decide;
pub mod driver;
pub mod failpoint;
pub mod flows;
pub mod history;
mod hush;
pub mod kept;
pub mod kv;
pub mod links;
mod mask;
pub mod pack;
pub mod plan;
pub mod state;
pub mod trial;
pub mod uses;
pub mod world;

pub use driver::{Engine, Parts, Settings};
