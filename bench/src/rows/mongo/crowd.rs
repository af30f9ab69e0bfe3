//! Very many plays in flight on one replica: at slow peers, at timers, at approvals. What they cost
//! in memory, and what a play that has nothing to wait for then takes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::load::{Load, Measured, Until};
use crate::rows::{Stage, order, priced, var};
use crate::server::Server;
use crate::table::{Line, figure};

use super::{DATABASE, Shared, open_plays};

/// How many wait at peers, at timers, at approvals.
const AT_PEERS: u64 = 40_000;
const AT_TIMERS: u64 = 30_000;
const AT_APPROVALS: u64 = 30_000;

/// Megabytes of memory: half a gibibyte.
const MEMORY: f64 = 536.9;

/// Plays that are taken in with one request after the other, so that no answer is late.
const PORTION: u64 = 10_000;

pub(in crate::rows) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Shared::start(&runtime);
    let db = runtime.block_on(database.client())?.database(DATABASE);
    let server = database.replica(stage, "crowd", &[])?;
    let peer = silent_peer(&runtime)?;
    let quick = server.home.publish("three-steps", &priced(3))?;
    let before = pure(stage, &server, &quick)?;
    let call = json!({ "url": format!("http://{peer}/"), "method": "GET" });
    let waits = [
        ("peers", AT_PEERS, json!({ "ref": "call", "appId": "curl", "index": 0, "timeout": 3_600, "args": call })),
        ("timers", AT_TIMERS, json!({ "ref": "wait", "appId": "delay", "index": 0, "args": { "seconds": 3_600 } })),
        ("approvals", AT_APPROVALS, approved()),
    ];
    let mut taken = Vec::new();
    for (name, count, layer) in waits {
        let flow = server.home.publish(name, &json!([layer]))?;
        taken.push(take_in(&server, &flow, count)?);
    }
    let memory = server.process.rss()?;
    let open = runtime.block_on(open_plays(&db))?;
    let all = AT_PEERS + AT_TIMERS + AT_APPROVALS;
    let during = pure(stage, &server, &quick)?;
    let memory = memory.max(server.process.rss()?);
    server.stop()?;
    let shown = format!(
        "{} MB, {open} plays open; taken in at {} /s",
        figure(memory),
        taken.iter().map(|rate| figure(*rate)).collect::<Vec<_>>().join(", ")
    );
    let is_met = memory <= MEMORY && open == all;
    let beside = format!(
        "p99 {} ms, {} plays/s; before {} ms, {} plays/s",
        figure(during.within(0.99)),
        figure(during.per_second()),
        figure(before.within(0.99)),
        figure(before.per_second())
    );
    Ok(vec![
        Line::alone(
            "on MongoDB: 100,000 plays in flight at slow peers, timers and approvals, memory",
            shown,
            "≤ 512 MiB",
            is_met,
        ),
        Line::aside("— 3 pure steps meanwhile, 16 connections", beside),
    ])
}

fn approved() -> Value {
    let mut layer = var("asked", 0, &json!("yes"));
    layer["needsApproval"] = json!({ "roles": ["approver"] });
    layer
}

fn pure(stage: &Stage, server: &Server, flow: &str) -> Outcome<Measured> {
    let request = server.home.run_request(flow, true, &order());
    let until = Until::Elapsed(stage.seconds);
    Load { address: server.address, connections: 16, request: &request, expects: r#""state":"DONE""#, until }.run()
}

/// Starts so many plays; gives how many a second.
fn take_in(server: &Server, flow: &str, count: u64) -> Outcome<f64> {
    let request = server.home.run_request(flow, false, &json!({}));
    let mut took = Duration::ZERO;
    for _ in 0..count / PORTION {
        let until = Until::Answers(PORTION);
        took +=
            Load { address: server.address, connections: 64, request: &request, expects: "playId", until }.run()?.took;
    }
    Ok(count as f64 / took.as_secs_f64())
}

/// A peer that takes every call and answers none, for as long as the runtime lives.
fn silent_peer(runtime: &Runtime) -> Outcome<SocketAddr> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    Ok(address)
}
