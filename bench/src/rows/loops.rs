//! A loop with one transform for each item: how long it takes, and that ten times the items take
//! about ten times the instructions. These are counted under valgrind, where it is installed.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Stage, var};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::server::Server;
use crate::table::{Line, figure};

/// Milliseconds that 1,000 items may take.
const AIM: f64 = 20.0;

/// How many times the instructions ten times the items may take.
const GROWTH: f64 = 10.5;

/// Plays of 1,000 items that are timed; a tenth of it of 10,000.
const PLAYS: u64 = 100;

/// Plays that are counted together: a start alone varies by a million instructions.
const COUNTED: u64 = 8;

fn layers() -> Value {
    json!([
        { "ref": "each", "appId": "iterator", "index": 0, "args": { "items": "{{ $prev.args.items }}" } },
        var("line", 1, &json!("{{ $item * 2 }}")),
        { "ref": "lines", "appId": "aggregator", "index": 2, "args": { "sourceRef": "line", "field": "value" } },
        var("sum", 3, &json!("{{ sum($prev.lines.items) }}")),
    ])
}

fn items(count: usize) -> Value {
    json!({ "items": (0..count).collect::<Vec<_>>() })
}

/// Milliseconds of a play of so many items, in the middle, and of processor time.
fn time(server: &Server, flow: &str, count: usize, plays: u64) -> Outcome<(f64, f64)> {
    let request = server.home.run_request(flow, true, &items(count));
    let (address, expects) = (server.address, r#""state":"DONE""#);
    let load = |until| Load { address, connections: 1, request: &request, expects, until }.run();
    load(Until::Answers(plays / 10 + 1))?;
    let before = server.process.cpu()?;
    let measured = load(Until::Answers(plays))?;
    Ok((measured.within(0.5), (server.process.cpu()? - before) * 1e3 / plays as f64))
}

pub(super) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let server = stage.server("loop")?;
    let flow = server.home.publish("loop", &layers())?;
    let (thousand, cpu) = time(&server, &flow, 1_000, PLAYS)?;
    let (ten_thousand, cpu_of_ten) = time(&server, &flow, 10_000, PLAYS / 10)?;
    server.stop()?;
    let times = format!("{} ms, {} ms of them processor time", figure(thousand), figure(cpu));
    let mut lines = vec![
        Line::alone("loop over 1,000 items, p50", times, &format!("≤ {AIM} ms"), thousand <= AIM),
        Line::aside("— 10,000 items, p50", format!("{} ms", figure(ten_thousand))),
    ];
    let (growth, shown) = match instructions(stage)? {
        Some([of_thousand, of_ten]) => {
            let growth = of_ten / of_thousand;
            (growth, format!("{} × ({} M and {} M)", figure(growth), figure(of_thousand / 1e6), figure(of_ten / 1e6)))
        }
        None => (cpu_of_ten / cpu, format!("{} × in processor time; no valgrind here", figure(cpu_of_ten / cpu))),
    };
    let aim = format!("≤ {GROWTH} ×");
    lines.push(Line::alone("— instructions, 10,000 items to 1,000", shown, &aim, growth <= GROWTH));
    Ok(lines)
}

/// Instructions of 1,000 and of 10,000 items, beyond those of none; none without valgrind.
fn instructions(stage: &Stage) -> Outcome<Option<[f64; 2]>> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let empty = counted(stage, 0)?;
    Ok(Some([counted(stage, 1_000)? - empty, counted(stage, 10_000)? - empty]))
}

/// Instructions of a server that starts, runs some plays of so many items, and stops. It is asked
/// once for each and answers when the play has ended: whoever asked again and again meanwhile would be
/// counted, too, and by the time that passes instead of by the work.
fn counted(stage: &Stage, count: usize) -> Outcome<f64> {
    let folder = stage.dir.join(format!("counted-{count}"));
    let log = folder.join("valgrind.log");
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(format!("--log-file={}", log.display())).arg(&stage.flow8);
    let server = Server::start_by(command, &folder)?;
    let flow = server.home.publish("loop", &layers())?;
    let request = server.home.run_request(&flow, true, &items(count));
    let (address, expects, until) = (server.address, r#""state":"DONE""#, Until::Answers(COUNTED));
    Load { address, connections: 1, request: &request, expects, until }.run()?;
    server.stop()?;
    // `==4242== I refs:  1,234,567`, with more or fewer blanks.
    let said = std::fs::read_to_string(&log)?;
    let line = said.lines().find(|line| line.contains("refs:")).ok_or_else(|| format!("valgrind said: {said}"))?;
    let number = line.split_whitespace().next_back().unwrap_or_default();
    Ok(number.replace(',', "").parse::<f64>()? / COUNTED as f64)
}
