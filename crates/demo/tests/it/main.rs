//! The examples, run to their ends on a real engine, against peers that are really called; and
//! the peers by themselves.

mod files;
mod flows;
mod peers;
mod stage;
