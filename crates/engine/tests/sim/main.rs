//! Simulation: schedules drawn from seeds. Random flows run on the engine's own `decide` and
//! driver, over a store that fails on purpose, in virtual time, while processes end and people
//! interfere; then all is calm, and what was promised must be so.
//!
//! `FLOW8_SEEDS` says how many schedules to run; `FLOW8_SEED` runs one alone, and tells of it.

mod chaos;
mod check;
mod dice;
mod fence;
mod flows;
mod ledger;
mod limiter;
mod peer;
mod schedule;
mod site;
#[path = "../it/stage.rs"]
#[allow(dead_code, reason = "the other suite uses all of it")]
mod stage;
mod tale;
mod watch;
