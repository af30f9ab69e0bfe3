//! What plays do, end to end: real modules, the in-memory store, a virtual clock.

mod answers;
mod approvals;
mod basics;
mod crash;
mod doubt;
mod failure;
mod flows;
mod graph;
mod limits;
mod loops;
mod orphans;
mod retry;
mod stage;
mod subflows;
mod values;
mod waits;
