//! What flow8 says of itself while it runs: lines on stderr, as JSON where nobody sits before them.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

use crate::config::{LogFormat, LogLevel};

/// What decides which lines are written.
static LEVEL: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// Begins to write log lines. A second call changes nothing.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let is_terminal = std::io::stderr().is_terminal();
    let as_json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if as_json { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(is_terminal).boxed() };
    // Somebody may listen already, in tests.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Writes other lines from now on.
pub(crate) fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails where nobody listens any more.
        let _ = handle.reload(filter(level));
    }
}

/// Libraries that write a line for each request are heard where somebody wants to know everything.
const TALKATIVE: [&str; 1] = ["rmcp"];

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let quiet = if level >= LevelFilter::DEBUG { level } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(level).with_targets(TALKATIVE.map(|library| (library, quiet)))
}
