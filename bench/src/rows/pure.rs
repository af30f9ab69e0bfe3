//! Three pure steps, run and waited for, beside the bare durable handler: from many connections
//! for throughput, processor time and the slowest answers; from one for the usual answer.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Stage, order, priced};
use crate::Outcome;
use crate::load::{Load, Measured, Until, request};
use crate::process::Process;
use crate::server::Server;
use crate::table::{Line, figure, median};

/// Milliseconds of processor time that a play may take.
const CPU: f64 = 0.13;

/// Load before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// One of the two that are compared.
struct Side {
    address: SocketAddr,
    request: Vec<u8>,
    rounds: Vec<Measured>,
}

impl Side {
    fn load(&self, connections: usize, time: Duration) -> Outcome<Measured> {
        let until = Until::Elapsed(time);
        let Self { address, request, .. } = self;
        Load { address: *address, connections, request, expects: r#""state":"DONE""#, until }.run()
    }

    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }
}

/// Both sides after their rounds, by turns.
struct Compared {
    flow8: Side,
    bare: Side,
    /// Milliseconds of processor time of a play, in each round.
    cpu: Vec<f64>,
    bare_cpu: Vec<f64>,
}

fn compare(stage: &Stage, name: &str, connections: usize) -> Outcome<Compared> {
    let server = stage.server(name)?;
    let flow = server.home.publish("three-steps", &priced(3))?;
    let run = server.home.run_request(&flow, true, &order());
    let mut flow8 = Side { address: server.address, request: run, rounds: Vec::new() };
    flow8.load(connections, WARM_UP)?;
    let (bare_process, address) = bare(stage, name, &server)?;
    let body = serde_json::json!({ "args": order() }).to_string();
    let mut bare =
        Side { address, request: request("POST", "/run", "accept: */*", body.as_bytes()), rounds: Vec::new() };
    bare.load(connections, WARM_UP)?;
    let (mut cpu, mut bare_cpu) = (Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        for (side, process, cpu) in [(&mut bare, &bare_process, &mut bare_cpu), (&mut flow8, &server.process, &mut cpu)]
        {
            let before = process.cpu()?;
            let measured = side.load(connections, stage.seconds)?;
            cpu.push((process.cpu()? - before) * 1e3 / measured.count() as f64);
            side.rounds.push(measured);
        }
    }
    server.stop()?;
    Ok(Compared { flow8, bare, cpu, bare_cpu })
}

/// The bare handler, told how large the rows of flow8's last play are.
fn bare(stage: &Stage, name: &str, server: &Server) -> Outcome<(Process, SocketAddr)> {
    let rows = server.rows_of_newest()?;
    let folder = stage.dir.join(format!("{name}-bare")).display().to_string();
    let sizes = [("--header", rows.header), ("--chunk", rows.chunk), ("--audit", rows.audit)];
    let mut words = vec!["bare".to_owned(), "--folder".to_owned(), folder];
    words.extend(sizes.iter().flat_map(|(flag, size)| [(*flag).to_owned(), size.to_string()]));
    Process::part(&stage.me, &words)
}

/// 64 connections.
pub(super) fn busy(stage: &Stage) -> Outcome<Vec<Line>> {
    let Compared { flow8, bare, cpu, bare_cpu } = compare(stage, "busy", 64)?;
    let throughput = [&flow8, &bare].map(|side| side.median(Measured::per_second));
    let slow = [&flow8, &bare].map(|side| side.median(|measured| measured.within(0.99)));
    let (cpu, bare_cpu) = (median(cpu), median(bare_cpu));
    let shown = format!("{} ms (the reference: {} ms)", figure(cpu), figure(bare_cpu));
    Ok(vec![
        Line::at_least("3 pure steps, waited for, 64 connections", throughput[0], throughput[1], "plays/s", 0.6),
        Line::alone("— processor time of a play", shown, &format!("≤ {CPU} ms"), cpu <= CPU),
        Line::at_most("— p99", slow[0], slow[1], "ms", 2.0),
    ])
}

/// One connection.
pub(super) fn single(stage: &Stage) -> Outcome<Vec<Line>> {
    let Compared { flow8, bare, .. } = compare(stage, "single", 1)?;
    let usual = [&flow8, &bare].map(|side| side.median(|measured| measured.within(0.5)));
    Ok(vec![Line::at_most("3 pure steps, waited for, 1 connection, p50", usual[0], usual[1], "ms", 1.5)])
}
