//! Two replicas on one machine, which get in each other's way there, beside one.

use crate::Outcome;
use crate::load::{Load, Until};
use crate::rows::{Stage, order, priced};
use crate::server::Server;
use crate::table::{Line, median};

use super::Shared;

/// Connections in all.
const CONNECTIONS: usize = 128;

pub(in crate::rows) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Shared::start(&runtime);
    let first = database.replica(stage, "first", &[])?;
    let flow = first.home.publish("three-steps", &priced(3))?;
    load(stage, &flow, &[&first])?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..stage.rounds {
        alone.push(load(stage, &flow, &[&first])?);
        let second = database.replica(stage, &format!("second{round}"), &[])?;
        together.push(load(stage, &flow, &[&first, &second])?);
        second.stop()?;
    }
    first.stop()?;
    Ok(vec![Line::at_least(
        "on MongoDB: the same on two replicas, 128 connections in all, beside one replica",
        median(together),
        median(alone),
        "plays/s",
        0.8,
    )])
}

/// Plays a second over all replicas.
fn load(stage: &Stage, flow: &str, replicas: &[&Server]) -> Outcome<f64> {
    std::thread::scope(|scope| {
        let loads: Vec<_> = replicas
            .iter()
            .map(|replica| {
                let request = replica.home.run_request(flow, true, &order());
                let (address, seconds) = (replica.address, stage.seconds);
                let connections = CONNECTIONS / replicas.len();
                scope.spawn(move || {
                    let until = Until::Elapsed(seconds);
                    Load { address, connections, request: &request, expects: r#""state":"DONE""#, until }.run()
                })
            })
            .collect();
        let mut plays = 0.0;
        for load in loads {
            plays += load.join().map_err(|_| "a load broke off")??.per_second();
        }
        Ok(plays)
    })
}
