//! A webhook that three pure steps answer, over the port of channels, beside the same steps run and waited for
//! through the API: by turns, of one server.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Stage, measured, order, priced};
use crate::Outcome;
use crate::load::{Load, Until, request};
use crate::table::{Line, figure, median};

const CONNECTIONS: usize = 64;

/// Load before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// What a sender shows.
const TOKEN: &str = "a token that is long enough";

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let server = stage.server("webhook")?;
    let run = server.home.publish("run-steps", &priced(3))?;
    let run = server.home.run_request(&run, true, &order());
    server.home.publish("hook-steps", &hooked(&priced(3)))?;
    server.home.ask("POST", "/api/channels", &channel())?;
    let proof = format!("authorization: Bearer {TOKEN}");
    let hook = request("POST", "/shop/orders", &proof, order().to_string().as_bytes());
    let load = |address: SocketAddr, request, expects, time| Load {
        address,
        connections: CONNECTIONS,
        request,
        expects,
        until: Until::Elapsed(time),
    };
    let sides = |time| {
        [load(server.address, &run, r#""state":"DONE""#, time), load(server.channels, &hook, r#""name":"LAMP""#, time)]
    };
    for side in sides(WARM_UP) {
        side.run()?;
    }
    let (mut rates, mut cpu) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..stage.rounds {
        for (at, side) in sides(stage.seconds).iter().enumerate() {
            let (measured, used) = measured(&server, side)?;
            rates[at].push(measured.per_second());
            cpu[at].push(used);
        }
    }
    server.stop()?;
    let [run, hook] = rates.map(median);
    let [run_cpu, hook_cpu] = cpu.map(|used| figure(median(used)));
    Ok(vec![
        Line::at_least("webhook → 3 pure steps → answer, 64 connections", hook, run, "plays/s", 0.9),
        Line::aside("— processor time of a play", format!("{hook_cpu} ms (through the API: {run_cpu} ms)")),
    ])
}

/// The same steps, of what comes in a body.
fn hooked(steps: &Value) -> Value {
    let text = steps.to_string().replace("$prev.args.", "$prev.args.body.");
    serde_json::from_str(&text).unwrap_or_default()
}

fn channel() -> Value {
    json!({
        "name": "Shop", "slug": "shop", "kind": "http", "authMode": "header_token", "auth": { "secret": TOKEN },
        "routes": [{
            "name": "orders", "httpMethod": "POST", "path": "/orders", "targetFlowIds": ["hook-steps"],
            "responseMode": "sync",
        }],
    })
}
