//! Ten writing steps to a local HTTP server, many plays at once, beside the same requests from a
//! bare client. Each of the steps is committed before it is sent, and its answer after it came.

use serde_json::{Value, json};

use super::{Stage, measured};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::peer;
use crate::process::Process;
use crate::table::{Line, figure, median};

/// Plays at once, and connections of the bare client.
const AT_ONCE: usize = 64;

/// Calls of one play.
const STEPS: usize = 10;

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let (_peer, address) = Process::part(&stage.me, &["peer".to_owned()])?;
    let server = stage.server("writes")?;
    let body: Value = serde_json::from_str(peer::BODY)?;
    let url = format!("http://{address}/write");
    let step = |at: usize| -> Value {
        let args = json!({ "method": "POST", "url": url, "body": body });
        json!({ "ref": format!("write{at}"), "appId": "curl", "index": at, "args": args })
    };
    let flow = server.home.publish("ten-writes", &(0..STEPS).map(step).collect())?;
    let request = server.home.run_request(&flow, true, &json!({}));
    let (mut rates, mut bare, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        bare.push(peer::rate(address, AT_ONCE, stage.seconds)?);
        let load = Load {
            address: server.address,
            connections: AT_ONCE,
            request: &request,
            expects: r#""state":"DONE""#,
            until: Until::Elapsed(stage.seconds),
        };
        let (measured, used) = measured(&server, &load)?;
        rates.push(measured.per_second() * STEPS as f64);
        cpu.push(used / STEPS as f64);
    }
    server.stop()?;
    Ok(vec![
        Line::at_least("10 write steps, 64 plays at once", median(rates), median(bare), "calls/s", 0.25),
        Line::aside("— processor time of a call", format!("{} ms", figure(median(cpu)))),
    ])
}
