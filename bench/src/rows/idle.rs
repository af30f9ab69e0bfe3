//! flow8 with nothing to do: its memory, its start, its size.

use std::time::Duration;

use super::Stage;
use crate::Outcome;
use crate::table::{Line, figure, median};

/// Aims: megabytes of memory, seconds to ready, megabytes of the binary.
const MEMORY: f64 = 30.0;
const READY: f64 = 0.1;
const SIZE: f64 = 40.0;

/// How long it is left alone before its memory is read.
const REST: Duration = Duration::from_secs(2);

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    // The first start makes the store, the keys and the administrator; later ones find them.
    let first = stage.server("idle")?;
    let new = first.ready_after.as_secs_f64();
    std::thread::sleep(REST);
    let mut memory = vec![first.process.rss()?];
    first.stop()?;
    let mut starts = Vec::new();
    for _ in 0..stage.rounds {
        let server = stage.server("idle")?;
        starts.push(server.ready_after.as_secs_f64());
        std::thread::sleep(REST);
        memory.push(server.process.rss()?);
        server.stop()?;
    }
    let (memory, again) = (median(memory), median(starts));
    let size = std::fs::metadata(&stage.flow8)?.len() as f64 / 1e6;
    let shown = format!("{} s; {} s with a new data folder", figure(again), figure(new));
    Ok(vec![
        Line::alone("idle, memory", format!("{} MB", figure(memory)), "≤ 30 MB", memory <= MEMORY),
        Line::alone("— start to ready", shown, "≤ 0.1 s", again.max(new) <= READY),
        Line::alone("— size of the binary", format!("{} MB", figure(size)), "≤ 40 MB", size <= SIZE),
    ])
}
