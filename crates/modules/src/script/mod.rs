//! Scripts: JavaScript in a runtime of its own, without a way out, within time and memory.
//!
//! [`Script::run`] gives the script a thread. A script is stopped when its time is over; the few
//! built-in functions that cannot be stopped are left behind with their thread, and counted, so
//! that the step ends in any case and a heap of such threads is never built up.

mod engine;
mod exact;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use model::Value;
use model::failure::{Failure, code};
use model::limits::CODE_RUNAWAYS;
use model::record::LogLevel;

/// It took too long and was stopped.
pub(crate) const CODE_TIMEOUT: &str = "CODE_TIMEOUT";
/// It took too much memory.
pub(crate) const CODE_MEMORY: &str = "CODE_MEMORY";
/// It is not JavaScript, or threw an error.
pub(crate) const CODE_ERROR: &str = "CODE_ERROR";
/// What it gave is no JSON, too large or too deep.
pub(crate) const CODE_RESULT: &str = "CODE_RESULT";
/// Too many scripts that could not be stopped are still at work.
pub(crate) const CODE_BUSY: &str = "CODE_BUSY";

/// A script, and all that it sees.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The body of a function.
    pub(crate) source: String,
    /// What it finds as `input`.
    pub(crate) input: Value,
    /// Its time, in Unix milliseconds.
    pub(crate) now: i64,
    /// What its randomness is drawn from.
    pub(crate) seed: String,
    /// How long it may run.
    pub(crate) timeout: Duration,
    /// Bytes that it may take.
    pub(crate) memory: usize,
}

/// What came of a script.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it gave, or why it gave nothing.
    pub(crate) result: Result<Value, Failure>,
    /// What it wrote to the console.
    pub(crate) lines: Vec<(LogLevel, String)>,
}

/// Scripts left behind that are still at work, in this process.
static RUNAWAYS: AtomicUsize = AtomicUsize::new(0);

/// How long a script that was told to stop may take to do so.
const GRACE: Duration = Duration::from_millis(500);

/// Bytes of a script's stack: a part for itself, the rest for what reads and writes its values.
const STACK: usize = 4 << 20;

const RUNNING: u8 = 0;
const ENDED: u8 = 1;
const LEFT_BEHIND: u8 = 2;

impl Script {
    /// Runs the script to its end, or to the end of its time.
    pub(crate) fn run(self) -> Ended {
        if RUNAWAYS.load(Ordering::Relaxed) >= CODE_RUNAWAYS {
            return failed(CODE_BUSY, "too many scripts that could not be stopped are still at work; try again later");
        }
        let (send, receive) = mpsc::sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let state = Arc::new(AtomicU8::new(RUNNING));
        let timeout = self.timeout;
        let started = thread::Builder::new().name("script".to_owned()).stack_size(STACK).spawn({
            let (stop, state) = (stop.clone(), state.clone());
            move || {
                let ended = engine::run(&self, &stop);
                if state.swap(ENDED, Ordering::AcqRel) == LEFT_BEHIND {
                    RUNAWAYS.fetch_sub(1, Ordering::AcqRel);
                }
                // Nobody listens to a script that was left behind.
                let _ = send.send(ended);
            }
        });
        if started.is_err() {
            return failed(CODE_BUSY, "no thread could be started for the script; try again later");
        }
        match receive.recv_timeout(timeout) {
            Ok(ended) => return ended,
            Err(RecvTimeoutError::Disconnected) => return broken(),
            Err(RecvTimeoutError::Timeout) => stop.store(true, Ordering::Release),
        }
        match receive.recv_timeout(GRACE) {
            Ok(Ended { lines, .. }) => Ended { lines, ..timed_out(timeout) },
            Err(RecvTimeoutError::Disconnected) => broken(),
            Err(RecvTimeoutError::Timeout) => {
                leave_behind(&state);
                timed_out(timeout)
            }
        }
    }
}

/// Counts a script that goes on although nobody waits for it, unless it has just ended.
fn leave_behind(state: &AtomicU8) {
    RUNAWAYS.fetch_add(1, Ordering::AcqRel);
    if state.compare_exchange(RUNNING, LEFT_BEHIND, Ordering::AcqRel, Ordering::Acquire).is_err() {
        RUNAWAYS.fetch_sub(1, Ordering::AcqRel);
    }
}

fn failed(code: &'static str, why: &str) -> Ended {
    Ended { result: Err(Failure::new(code, why)), lines: Vec::new() }
}

fn timed_out(timeout: Duration) -> Ended {
    failed(CODE_TIMEOUT, &format!("the script ran longer than {} ms and was stopped", timeout.as_millis()))
}

fn broken() -> Ended {
    failed(code::MODULE_PANICKED, "the script's runtime broke off")
}
