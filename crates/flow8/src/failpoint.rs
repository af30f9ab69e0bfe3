//! [`Faults`]: what goes wrong on purpose, for tests. The process ends at a failure point: `FLOW8_FAILPOINT=after_commit:3` at the third
//! time that point is passed. With `:stop` after it, the process stands still there, until somebody
//! lets it go on. `FLOW8_CLOCK_SKEW=30000` puts the clock half a minute ahead. Only debug builds listen.

use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::driver::Probe;
use engine::failpoint::FailPoint;

use crate::cli::CommandError;
use crate::config::Environment;

/// The variable that says where.
const POINT: &str = "FLOW8_FAILPOINT";

/// The variable that says by how many milliseconds the clock is wrong.
const SKEW: &str = "FLOW8_CLOCK_SKEW";

/// Stops a process, as when the machine or an operator holds it up. It takes a moment until all threads stand still: who
/// asked for it waits until then, or it would go on past the point.
const STOP: &str = r#"kill -STOP "$1" && until grep -q '^State:.T' "/proc/$1/status"; do :; done"#;

/// What goes wrong on purpose. Nothing does, but in tests.
#[derive(Default)]
pub struct Faults {
    /// What is called at failure points.
    pub probe: Option<Probe>,
    /// Milliseconds by which the clock is wrong.
    pub skew: i64,
}

impl Faults {
    /// What the environment says.
    ///
    /// # Errors
    /// Where that cannot be, or this build does not listen.
    pub(crate) fn of(environment: &Environment) -> Result<Self, CommandError> {
        Ok(Self {
            probe: given(environment, POINT)?.map(probe).transpose()?,
            skew: given(environment, SKEW)?.map_or(Ok(0), |skew| number(SKEW, skew))?,
        })
    }
}

fn given<'e>(environment: &'e Environment, variable: &str) -> Result<Option<&'e str>, CommandError> {
    let given = environment.given(variable);
    if given.is_some() && !cfg!(debug_assertions) {
        return Err(CommandError::usage(format!("{variable}: only a debug build fails on purpose")));
    }
    Ok(given)
}

fn number<T: FromStr>(variable: &str, text: &str) -> Result<T, CommandError> {
    text.parse().map_err(|_| CommandError::usage(format!("{variable}: {text:?} is no number")))
}

/// What ends the process, or stops it.
fn probe(wish: &str) -> Result<Probe, CommandError> {
    let (name, times) = wish.split_once(':').unwrap_or((wish, "1"));
    let point: FailPoint = name.parse().map_err(|error| CommandError::usage(format!("{POINT}: {error}")))?;
    let (times, stops) = times.strip_suffix(":stop").map_or((times, false), |times| (times, true));
    let times: u64 = number(POINT, times)?;
    let passed = AtomicU64::new(0);
    Ok(Arc::new(move |at| {
        if at != point || passed.fetch_add(1, Ordering::AcqRel) + 1 != times {
            return;
        }
        if stops {
            let stopped = Command::new("sh").args(["-c", STOP, "sh", &std::process::id().to_string()]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "kill -STOP works");
        } else {
            // No destructor runs, no buffer is flushed: as when the machine kills the process.
            std::process::abort();
        }
    }))
}
