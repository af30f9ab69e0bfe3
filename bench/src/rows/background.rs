//! Five pure steps, accepted and run in the background: as many must be completed as are
//! accepted, so that nothing piles up behind the load.

use std::time::Duration;

use super::{Stage, measured, order, priced};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::table::{Line, figure, median};

/// Plays a second.
const AIM: f64 = 8_000.0;

/// How long what is left may take when the load stops.
const PATIENCE: Duration = Duration::from_secs(30);

/// Seconds of it that are not a growing backlog.
const SHORTLY: f64 = 1.0;

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let server = stage.server("background")?;
    let flow = server.home.publish("five-steps", &priced(5))?;
    let request = server.home.run_request(&flow, false, &order());
    let (mut accepted, mut completed, mut left, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut count = 0;
    for _ in 0..stage.rounds {
        let until = Until::Elapsed(stage.seconds);
        let load = Load { address: server.address, connections: 16, request: &request, expects: "playId", until };
        let (measured, used) = measured(&server, &load)?;
        let behind = server.settle(PATIENCE)?;
        count += measured.count() as u64;
        cpu.push(used);
        accepted.push(measured.per_second());
        completed.push(measured.count() as f64 / (measured.took + behind).as_secs_f64());
        left.push(behind.as_secs_f64());
    }
    let kept = server.all_plays()?;
    if kept != count {
        return Err(format!("{count} plays were accepted, and {kept} are there").into());
    }
    server.stop()?;
    let (accepted, completed, left) = (median(accepted), median(completed), median(left));
    let shown = format!(
        "{} accepted/s, {} completed/s, all done {} s after the load; {} ms of processor time each",
        figure(accepted),
        figure(completed),
        figure(left),
        figure(median(cpu))
    );
    let is_met = accepted >= AIM && completed >= AIM && left <= SHORTLY;
    Ok(vec![Line::alone("5 steps in the background, 16 connections", shown, "≥ 8,000/s of both, no backlog", is_met)])
}
