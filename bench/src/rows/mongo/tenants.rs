//! A company whose very many plays wait for their turn at a slow peer, and what another notices of it.

use serde_json::{Value, json};

use crate::Outcome;
use crate::load::{Load, Measured, Until};
use crate::peer;
use crate::process::Process;
use crate::rows::{Stage, order, priced};
use crate::table::{Line, figure};

use super::{DATABASE, Shared, open_plays};

/// Plays that wait, over as many flows.
const WAITING: u64 = 100_000;
const FLOWS: u64 = 2;

/// What stands in the answer of a play that ended well.
const DONE: &str = r#""state":"DONE""#;

/// Plays of the other company at once.
const AT_ONCE: usize = 16;

pub(in crate::rows) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let (_peer, address) = Process::part(&stage.me, &["peer".to_owned()])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Shared::start(&runtime);
    let db = runtime.block_on(database.client())?.database(DATABASE);
    let server = database.replica(stage, "tenants", &[])?;
    let body: Value = serde_json::from_str(peer::BODY)?;
    let called = |path: &str| {
        let args = json!({ "method": "POST", "url": format!("http://{address}{path}"), "body": body });
        json!({ "ref": "called", "appId": "curl", "index": 3, "timeout": 3_600, "args": args })
    };
    let mut layers = priced(3);
    layers.as_array_mut().into_iter().for_each(|layers| layers.push(called("/write")));
    let other = server.home.found("other")?;
    let quick = other.publish("priced-and-sent", &layers)?;
    let request = other.run_request(&quick, true, &order());
    let load = |connections, request: &[u8], expects, until| -> Outcome<Measured> {
        Load { address: server.address, connections, request, expects, until }.run()
    };
    load(AT_ONCE, &request, DONE, Until::Elapsed(stage.seconds))?;
    let before = load(AT_ONCE, &request, DONE, Until::Elapsed(stage.seconds))?;
    for number in 0..FLOWS {
        let slow = server.home.publish(&format!("slow{number}"), &json!([called("/slow")]))?;
        let start = server.home.run_request(&slow, false, &json!({}));
        load(64, &start, "playId", Until::Answers(WAITING / FLOWS))?;
    }
    let waiting = runtime.block_on(open_plays(&db))?;
    let during = load(AT_ONCE, &request, DONE, Until::Elapsed(stage.seconds))?;
    server.stop()?;
    let beside = format!(
        "{} and {} plays/s, p50 {} and {} ms, while {waiting} plays of the first company waited",
        figure(before.per_second()),
        figure(during.per_second()),
        figure(before.within(0.5)),
        figure(during.within(0.5))
    );
    Ok(vec![
        Line::at_most(
            "on MongoDB: p99 of 3 pure steps and a call, 16 at once, beside 100,000 plays of another company",
            during.within(0.99),
            before.within(0.99),
            "ms",
            2.0,
        ),
        Line::aside("— before, and meanwhile", beside),
    ])
}
