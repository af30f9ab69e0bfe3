//! The promises, kept with `kill -9`: a real binary runs flows of twenty steps, begun through the API
//! or as hooks, against a server that counts, is killed at random or at a failure point, and starts
//! again. Then: no acknowledged play is lost, no committed step runs again, every step in doubt
//! follows its policy.
//!
//! `FLOW8_SEEDS=n` runs that many seeds, `FLOW8_SEED=n` that one alone.

mod check;
mod flow;
mod life;
mod peer;
mod server;
mod settle;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use engine::failpoint::FailPoint;
use tokio::runtime::Runtime;

use crate::life::{Death, Story};

/// Seeds that run where nobody says.
const SEEDS: u64 = 60;

/// Seeds that run side by side.
const THREADS: u64 = 2;

#[expect(clippy::disallowed_methods, reason = "the one place where this test is told what to run")]
fn told(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What all seeds together met.
#[derive(Default)]
struct Tally {
    deaths: BTreeMap<String, u64>,
    calls: u64,
    in_doubt: u64,
    resumed: Vec<Duration>,
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice() {
    let seeds: Vec<u64> = match told("FLOW8_SEED") {
        Some(seed) => vec![seed],
        None => (0..told("FLOW8_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (next, tally) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Tally::default())));
    let seeds = Arc::new(seeds);
    let prepared = Arc::new(tempfile::tempdir().expect("a folder"));
    runtime().block_on(life::prepare(prepared.path()));
    let workers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (next, tally, seeds, prepared) = (next.clone(), tally.clone(), seeds.clone(), prepared.clone());
            thread::spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::AcqRel) as usize) {
                    let story = run(*seed, prepared.path());
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    *tally.deaths.entry(story.death.to_string()).or_default() += 1;
                    tally.calls += story.calls;
                    tally.in_doubt += story.in_doubt;
                    tally.resumed.extend(story.resumed);
                }
            })
        })
        .collect();
    let failed = workers.into_iter().filter_map(|worker| worker.join().err()).count();
    assert_eq!(failed, 0, "a seed failed; see above");
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.resumed.sort_unstable();
    let resumed =
        |part: usize| tally.resumed.get((tally.resumed.len() * part / 100).min(tally.resumed.len().saturating_sub(1)));
    println!("{} seeds, {} calls, {} steps in doubt", seeds.len(), tally.calls, tally.in_doubt);
    println!(
        "from the start of the process to the next call: p50 {:?}, p99 {:?}, max {:?}",
        resumed(50),
        resumed(99),
        tally.resumed.last()
    );
    for (death, count) in &tally.deaths {
        println!("  {count:4} died {death}");
    }
    if seeds.len() as u64 >= SEEDS {
        for point in FailPoint::ALL {
            assert!(tally.deaths.contains_key(&Death::At(point, 0).to_string()), "no seed died at {}", point.name());
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[expect(clippy::print_stderr, reason = "whoever looks for the fault needs the seed")]
fn run(seed: u64, prepared: &Path) -> Story {
    let life = || runtime().block_on(life::live(seed, prepared));
    let story = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life));
    story.unwrap_or_else(|panic| {
        eprintln!("seed {seed} failed; run it alone with FLOW8_SEED={seed}");
        std::panic::resume_unwind(panic)
    })
}
