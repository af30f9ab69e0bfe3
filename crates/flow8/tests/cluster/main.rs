//! The promises over replicas: three real binaries on three real MongoDB servers, and what may
//! happen to either: SIGKILL, SIGSTOP, a primary that gives way, a network that is cut, a server
//! that stands still again and again as with a slow disk. Then: no acknowledged play is lost, no
//! committed step runs again, steps in doubt follow their policies, a limit is a limit, and a
//! replica that was paused changes nothing of what others took over.
//!
//! `FLOW8_SEEDS=n` runs that many seeds, `FLOW8_SEED=n` that one alone.

#[path = "../crash/check.rs"]
mod check;
mod fault;
#[path = "../crash/flow.rs"]
mod flow;
mod hooks;
mod outside;
#[expect(dead_code, reason = "the suite of one process reads more of it")]
#[path = "../crash/peer.rs"]
mod peer;
mod replicas;
mod rolling;
mod server;
#[path = "../crash/settle.rs"]
mod settle;
mod tale;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store_suite::set::ReplicaSet;
use tokio::runtime::Runtime;

/// Seeds that run where nobody says.
const SEEDS: u64 = 2;

#[expect(clippy::disallowed_methods, reason = "the one place where this test is told what to run")]
pub(crate) fn told(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Each test runs six servers: two of them at once would tell of the machine alone.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // One that failed says nothing of the next.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn whatever_fails_nothing_is_lost_and_nothing_is_done_twice() {
    let _alone = alone();
    let seeds: Vec<u64> = match told("FLOW8_SEED") {
        Some(seed) => vec![seed],
        None => (0..told("FLOW8_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let runtime = runtime();
    let set = runtime.block_on(ReplicaSet::start());
    let (mut alone, mut with_database) = (Vec::new(), Vec::new());
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut calls, mut in_doubt) = (0, 0);
    for seed in &seeds {
        println!("seed {seed}; run it alone with FLOW8_SEED={seed}");
        let story = runtime.block_on(tale::tell(*seed, &set));
        println!("  {story}");
        calls += story.calls;
        in_doubt += story.in_doubt;
        story.faults.iter().for_each(|fault| *faults.entry(fault.name()).or_default() += 1);
        if story.faults.iter().any(|fault| fault.is_of_database()) { &mut with_database } else { &mut alone }
            .extend(story.resumed);
    }
    println!("{} seeds, {calls} calls, {in_doubt} steps in doubt", seeds.len());
    report("replicas alone", alone);
    report("with a fault of the database", with_database);
    faults.iter().for_each(|(fault, count)| println!("  {count:4} {fault}"));
}

#[expect(clippy::print_stdout, reason = "how long it took is told")]
fn report(what: &str, mut resumed: Vec<Duration>) {
    resumed.sort_unstable();
    let (Some(middle), Some(last)) = (resumed.get(resumed.len() / 2), resumed.last()) else { return };
    println!("from the fault to the next call, {what}: p50 {middle:.1?}, max {last:.1?} of {}", resumed.len());
}
