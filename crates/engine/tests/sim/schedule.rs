//! One schedule from its seed, and many of them side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::chaos::Chaos;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::site::Site;
use crate::stage::{COMPANY, flow, person};
use crate::{check, flows};

/// Schedules of a plain `cargo test`.
const SEEDS: u64 = 1_000;

/// Schedules that run at once.
const THREADS: u64 = 2;

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "the one place where these tests read the environment")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_schedule_keeps_every_promise() {
    if let Some(seed) = number("FLOW8_SEED") {
        let told = run(seed);
        println!("{}", told.story);
        assert!(told.broken.is_none(), "seed {seed}: {}", told.broken.unwrap_or_default());
        return;
    }
    let (next, seeds) = (AtomicU64::new(0), number("FLOW8_SEEDS").unwrap_or(SEEDS));
    let plays = AtomicU64::new(0);
    let worker = || {
        let mut broken = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || broken.len() >= MANY {
                return broken;
            }
            let told = run(seed);
            plays.fetch_add(told.plays as u64, Ordering::Relaxed);
            broken.extend(told.broken.map(|why| (seed, why, told.story)));
        }
    };
    let mut broken: Vec<(u64, String, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a schedule that does not panic")).collect()
    });
    broken.sort_by_key(|(seed, _, story)| (story.len(), *seed));
    if let Some((seed, why, story)) = broken.first() {
        let all: Vec<String> = broken.iter().map(|(seed, why, _)| format!("{seed}: {why}")).collect();
        panic!(
            "{story}\n\nseed {seed} of {seeds} breaks: {why}\nrun it alone with FLOW8_SEED={seed}\n\nin all:\n{}",
            all.join("\n")
        );
    }
    println!("{seeds} schedules, {} plays", plays.into_inner());
}

/// Broken schedules after which a worker gives up.
const MANY: usize = 20;

/// What a schedule came to.
struct Told {
    plays: usize,
    /// The flows and the trace.
    story: String,
    /// What did not hold.
    broken: Option<String>,
}

fn run(seed: u64) -> Told {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(schedule(seed))
}

async fn schedule(seed: u64) -> Told {
    let mut dice = Dice::new(seed);
    let texts = flows::draw(&mut dice);
    let mut site = Site::new(&mut dice).await;
    let outcome = play_out(&mut site, &mut dice, &texts).await;
    let broken = site.watch.first_breach().map(Err).unwrap_or(outcome.clone()).err();
    let story = if broken.is_some() || number("FLOW8_SEED").is_some() {
        format!("seed {seed}\n\n{}\n{}\n{}", texts.join("\n"), site.watch.trace(), records(&site).await)
    } else {
        format!("seed {seed}: fine")
    };
    Told { plays: outcome.unwrap_or_default(), story, broken }
}

async fn play_out(site: &mut Site, dice: &mut Dice, texts: &[String]) -> Result<usize, String> {
    let mut refs = Vec::new();
    for text in texts {
        let flow = flow(text);
        refs.push(flow.layers.iter().map(|layer| layer.name.to_string()).collect());
        // The auditor's store does not fail: publishing is not what is looked at here.
        let edit =
            engine::flows::Edit { company: COMPANY, actor: person(1), groups: None, request: Default::default() };
        let made = site.auditor.create_flow(&edit, flow).await;
        let made = made.map_err(|error| format!("the generator drew what is no flow: {error}"))?;
        let published = site.auditor.publish_flow(&edit, &made.id.to_string()).await;
        published.map_err(|error| format!("the generator drew what cannot be published: {error}"))?;
    }
    let ledger = Arc::new(Ledger::default());
    let mut chaos = Chaos { site, dice, flows: &refs, ledger: ledger.clone() };
    chaos.rage().await;
    check::so_far(chaos.site).await?;
    chaos.settle().await?;
    check::at_the_end(site, &ledger).await
}

/// The records of all plays, for whoever looks for what went wrong.
async fn records(site: &Site) -> String {
    let mut text = String::new();
    for header in site.plays().await {
        text.push_str(&format!("\n{} of {} is {}\n", header.key.play.0, header.flow.permanent_id, header.state));
        let _ = site
            .auditor
            .each_record(header.key, |entry| {
                let mut line = format!("{:?}", entry.record);
                line.truncate(line.char_indices().nth(300).map_or(line.len(), |(at, _)| at));
                text.push_str(&format!("  {:>9} {line}\n", entry.at.0 - crate::stage::BEGIN));
                true
            })
            .await;
    }
    text
}
