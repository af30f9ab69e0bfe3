//! Very many plays that wait for the same second: what they cost in memory, how long a start
//! with them takes, and how soon all of them are done once it has come.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::{Stage, var};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::server::Server;
use crate::table::{Line, figure};

/// How many.
const PLAYS: u64 = 100_000;

/// Plays that show how fast they are taken in.
const SAMPLE: u64 = 2_000;

/// How much longer than the sample promises taking them in may last.
const SLACK: f64 = 2.0;

/// What a restart and the readings between may take.
const PAUSE: Duration = Duration::from_secs(15);

/// The longest that is waited for the end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Aims: megabytes, seconds to ready, seconds until all are done.
const MEMORY: f64 = 100.0;
const READY: f64 = 0.5;
const DONE: f64 = 30.0;

/// Starts plays that wait until an instant.
fn wait_for(server: &Server, flow: &str, until: Timestamp, count: u64) -> Outcome<Duration> {
    let request = server.home.run_request(flow, false, &json!({ "until": until.to_string() }));
    let load = Load {
        address: server.address,
        connections: 32,
        request: &request,
        expects: "playId",
        until: Until::Answers(count),
    };
    Ok(load.run()?.took)
}

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let server = stage.server("timers")?;
    let layers = json!([
        { "ref": "wait", "appId": "delay", "index": 0, "args": { "until": "{{ $prev.args.until }}" } },
        var("after", 1, &json!({ "done": true })),
    ]);
    let flow = server.home.publish("timers", &layers)?;
    let sample = wait_for(&server, &flow, Timestamp::now() + Duration::from_secs(5), SAMPLE)?;
    let needed = sample.mul_f64((PLAYS / SAMPLE) as f64 * SLACK) + PAUSE;
    let due = Instant::now() + needed;
    wait_for(&server, &flow, Timestamp::now() + needed, PLAYS)?;
    let memory = server.process.rss()?;
    server.stop()?;
    let server = stage.server("timers")?;
    let ready = server.ready_after.as_secs_f64();
    let memory_again = server.process.rss()?;
    let open = server.open_plays()?;
    if open < PLAYS || Instant::now() >= due {
        return Err(format!("the time came too early: {open} plays wait").into());
    }
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
    server.settle(PATIENCE)?;
    let done = due.elapsed().as_secs_f64();
    let memory_after = server.process.rss()?;
    server.stop()?;
    let worst = memory.max(memory_again);
    let shown = format!("{} MB; {} MB after a restart", figure(memory), figure(memory_again));
    let seconds = |number: f64| format!("{} s", figure(number));
    Ok(vec![
        Line::alone("100,000 plays waiting on timers, memory", shown, "≤ 100 MB", worst <= MEMORY),
        Line::alone("— start with them", seconds(ready), "≤ 0.5 s to ready", ready <= READY),
        Line::alone("— all due in one second, done after", seconds(done), "≤ 30 s", done <= DONE),
        Line::aside("— memory after that", format!("{} MB", figure(memory_after))),
    ])
}
