//! The rows of the table, one file each.

mod background;
mod idle;
mod large;
mod loops;
mod mongo;
mod pure;
mod timers;
mod webhook;
mod writes;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use crate::load::{Load, Measured};
use crate::server::Server;
use crate::table::Line;

/// What every row is handed.
pub(crate) struct Stage {
    pub(crate) flow8: PathBuf,
    /// This binary.
    pub(crate) me: PathBuf,
    /// How long load is put on in each round.
    pub(crate) seconds: Duration,
    pub(crate) rounds: u32,
    pub(crate) dir: PathBuf,
}

type Row = fn(&Stage) -> Outcome<Vec<Line>>;

/// Every row, by the name that `--only` takes.
pub(crate) const ROWS: [(&str, Row); 14] = [
    ("pure", pure::busy),
    ("single", pure::single),
    ("webhook", webhook::row),
    ("background", background::row),
    ("writes", writes::row),
    ("loop", loops::row),
    ("large", large::row),
    ("timers", timers::row),
    ("idle", idle::row),
    ("mongo", mongo::pure::row),
    ("replicas", mongo::replicas::row),
    ("crowd", mongo::crowd::row),
    ("tenants", mongo::tenants::row),
    ("history", mongo::history::row),
];

impl Stage {
    /// A flow8 with a data folder of this name.
    fn server(&self, name: &str) -> Outcome<Server> {
        Server::start(&self.flow8, &self.dir.join(name))
    }
}

/// Puts a load on a server; gives, too, the milliseconds of processor time of each answer.
fn measured(server: &Server, load: &Load<'_>) -> Outcome<(Measured, f64)> {
    let before = server.process.cpu()?;
    let measured = load.run()?;
    let cpu = (server.process.cpu()? - before) * 1e3 / measured.count() as f64;
    Ok((measured, cpu))
}

/// A step that gives a value.
fn var(name: &str, index: usize, value: &Value) -> Value {
    json!({ "ref": name, "appId": "var", "index": index, "args": { "value": value } })
}

/// A chain of pure steps, each reading the one before: an order, priced.
fn priced(steps: usize) -> Value {
    let first =
        json!({ "total": "{{ $prev.args.quantity * $prev.args.price }}", "name": "{{ upper $prev.args.name }}" });
    let next = |at: usize| {
        let before = format!("$prev.step{}.value", at - 1);
        json!({ "total": format!("{{{{ {before}.total + {at} }}}}"), "name": format!("{{{{ {before}.name }}}}") })
    };
    let values = (0..steps).map(|at| if at == 0 { first.clone() } else { next(at) });
    values.enumerate().map(|(at, value)| var(&format!("step{at}"), at, &value)).collect()
}

/// The order that is priced.
fn order() -> Value {
    json!({ "name": "lamp", "quantity": 3, "price": 12.5 })
}
