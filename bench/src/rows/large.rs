//! A large document through two transforms: read, kept with every version of it, and answered.

use serde_json::{Value, json};

use super::{Stage, measured, var};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::table::{Line, figure, median};

/// Bytes of the document, at least.
const BYTES: usize = 160_000;

/// Plays a second.
const AIM: f64 = 300.0;

/// Connections: enough that the server is never without work.
const AT_ONCE: usize = 8;

/// Rows of a shop's orders.
fn document() -> Value {
    let cities = ["Graz", "Lyon", "Turku"];
    let mut rows = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES {
        let at = rows.len();
        let row = json!({
            "id": format!("order-{at:06}"),
            "customer": { "name": format!("Customer {}", at * 7_919 % 1_000), "city": cities[at % 3] },
            "amount": at as f64 * 1.25,
            "lines": [at % 7, at % 11, at % 13],
            "paid": at % 4 == 0,
        });
        bytes += row.to_string().len() + 1;
        rows.push(row);
    }
    rows.into()
}

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let server = stage.server("large")?;
    let first = var("first", 0, &json!({ "rows": "{{ $prev.args.rows }}", "seen": true }));
    let next = json!({ "rows": "{{ $prev.first.value.rows }}", "count": "{{ len $prev.first.value.rows }}" });
    let flow = server.home.publish("large", &json!([first, var("next", 1, &next)]))?;
    let request = server.home.run_request(&flow, true, &json!({ "rows": document() }));
    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        let load = Load {
            address: server.address,
            connections: AT_ONCE,
            request: &request,
            expects: r#""state":"DONE""#,
            until: Until::Elapsed(stage.seconds),
        };
        let (measured, used) = measured(&server, &load)?;
        rates.push(measured.per_second());
        cpu.push(used);
    }
    server.stop()?;
    let rate = median(rates);
    let shown = format!("{} plays/s; {} ms of processor time each", figure(rate), figure(median(cpu)));
    Ok(vec![Line::alone("160 kB of JSON through 2 transforms", shown, &format!("≥ {AIM} plays/s"), rate >= AIM)])
}
