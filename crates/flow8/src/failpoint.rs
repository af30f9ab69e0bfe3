//! Ends the process at a failure point, for tests: `FLOW8_FAILPOINT=after_commit:3` at the third
//! time that point is passed. With `:stop` after it, the process stands still there, until somebody
//! lets it go on. Only debug builds listen.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::driver::Probe;
use engine::failpoint::FailPoint;

use crate::cli::CommandError;
use crate::config::Environment;

/// The variable that says where.
const VARIABLE: &str = "FLOW8_FAILPOINT";

/// What ends the process, where anything does.
///
/// # Errors
/// Where it is no failure point, or this build does not listen.
pub(crate) fn probe(environment: &Environment) -> Result<Option<Probe>, CommandError> {
    let Some(wish) = environment.given(VARIABLE) else { return Ok(None) };
    if !cfg!(debug_assertions) {
        return Err(CommandError::usage(format!("{VARIABLE}: only a debug build ends itself")));
    }
    let (name, times) = wish.split_once(':').unwrap_or((wish, "1"));
    let point: FailPoint = name.parse().map_err(|error| CommandError::usage(format!("{VARIABLE}: {error}")))?;
    let (times, stops) = times.strip_suffix(":stop").map_or((times, false), |times| (times, true));
    let times: u64 = times.parse().map_err(|_| CommandError::usage(format!("{VARIABLE}: {times:?} is no number")))?;
    let passed = AtomicU64::new(0);
    Ok(Some(Arc::new(move |at| {
        if at != point || passed.fetch_add(1, Ordering::AcqRel) + 1 != times {
            return;
        }
        if stops {
            // As when the machine, or an operator, holds the process up.
            let stopped = Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "kill -STOP works");
        } else {
            // No destructor runs, no buffer is flushed: as when the machine kills the process.
            std::process::abort();
        }
    })))
}
