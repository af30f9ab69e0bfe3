//! A long history: what it takes to look into it, and what running plays feel of it being cleared away.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::load::{Load, Measured, Until};
use crate::rows::{Stage, order, priced};
use crate::server::Server;
use crate::table::{Line, figure};

use super::{DATABASE, Shared, plays};

/// Plays that have ended.
const PLAYS: u64 = 1_000_000;

/// Plays that stay.
const KEPT: u64 = 100_000;

/// Plays that are waited for together, while the history is made.
const PORTION: u64 = 50_000;

/// Milliseconds for most of the looks into it.
const LOOK: f64 = 50.0;

/// How long clearing away is watched, when nothing else is done.
const WINDOW: Duration = Duration::from_secs(20);

pub(in crate::rows) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Shared::start(&runtime);
    let db = runtime.block_on(database.client())?.database(DATABASE);
    let server = database.replica(stage, "history", &[])?;
    let flow = server.home.publish("three-steps", &priced(3))?;
    let rare = server.home.publish("rare", &priced(1))?;
    run(&server, &rare, 64, Until::Answers(1_000))?;
    while runtime.block_on(plays(&db))? < PLAYS {
        run(&server, &flow, 64, Until::Answers(PORTION))?;
    }
    let mut slowest: (f64, &str) = (0.0, "");
    let middle = db_time(&server)?;
    let looks = [
        ("list", "/api/plays".to_owned()),
        ("page", "/api/plays?page=50&size=20".to_owned()),
        ("by state", "/api/plays?state=DONE".to_owned()),
        ("by a state that none has", "/api/plays?state=FAIL".to_owned()),
        ("by a rare flow", format!("/api/plays?flowId={rare}")),
        ("by flow and state", format!("/api/plays?flowId={flow}&state=DONE")),
        ("from a time on", format!("/api/plays?from={middle}")),
    ];
    for (name, path) in &looks {
        let request = server.home.request("GET", path);
        let until = Until::Answers(200);
        let looked =
            Load { address: server.address, connections: 4, request: &request, expects: "total", until }.run()?;
        let took = looked.within(0.95);
        if took > slowest.0 {
            slowest = (took, name);
        }
    }
    let calm = run(&server, &flow, 16, Until::Elapsed(stage.seconds * 2))?;
    server.stop()?;

    let short = [
        ("RETENTION_POLICIES_PLAYS_CADENCE", "1s".to_owned()),
        ("RETENTION_POLICIES_PLAYS_MIN_ENTRIES", KEPT.to_string()),
        ("RETENTION_CLEANUP_INTERVAL", "1s".to_owned()),
    ];
    let server = database.replica(stage, "history", &short)?;
    let cleared = run(&server, &flow, 16, Until::Elapsed(stage.seconds * 2))?;
    let (begun, before) = (Instant::now(), runtime.block_on(plays(&db))?);
    std::thread::sleep(WINDOW);
    let gone = before.saturating_sub(runtime.block_on(plays(&db))?);
    let rate = gone as f64 / begun.elapsed().as_secs_f64();
    server.stop()?;
    if gone == 0 {
        return Err("the history is not cleared away".into());
    }
    let (before, during) = (calm.within(0.99), cleared.within(0.99));
    Ok(vec![
        Line::alone(
            "on MongoDB: list, filter and search among 1,000,000 plays",
            format!("slowest p95 {} ms ({})", figure(slowest.0), slowest.1),
            "≤ 50 ms",
            slowest.0 <= LOOK,
        ),
        Line::at_most("— p99 of 3 pure steps while 900,000 are cleared away, beside before", during, before, "ms", 2.0),
        Line::aside("— cleared away", format!("{} plays/s without load", figure(rate))),
    ])
}

fn run(server: &Server, flow: &str, connections: usize, until: Until) -> Outcome<Measured> {
    let request = server.home.run_request(flow, true, &order());
    Load { address: server.address, connections, request: &request, expects: r#""state":"DONE""#, until }.run()
}

/// When the play was admitted that is about in the middle of what the first page shows.
fn db_time(server: &Server) -> Outcome<String> {
    let page = server.home.ask("GET", "/api/plays?size=10", &serde_json::Value::Null)?;
    Ok(page["data"][5]["createdAt"].as_str().ok_or("a play without a time")?.to_owned())
}
