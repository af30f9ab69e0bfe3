//! The process: hands the command line, the environment and the streams to [`flow8::cli`], and
//! gives its exit code back. Nothing else is done here, so that tests can run all of it in-process.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use flow8::cli::{self, Console};
use flow8::config::Environment;

/// A play is many small values that one thread makes and another drops: the system's allocator takes
/// a fifth of its time. This one also gives memory back when a load is over. SQLite uses it, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let colour = environment.get("NO_COLOR").is_none_or(str::is_empty);
    // Not locked for good: other threads of a long command print, too.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut console = Console {
        colour_out: colour && out.is_terminal(),
        colour_err: colour && err.is_terminal(),
        out: &mut out,
        err: &mut err,
    };
    let exit = cli::run(std::env::args_os(), &environment, &mut console);
    let flushed = out.flush();
    if flushed.is_err() && exit == cli::Exit::Ok { cli::Exit::Fault.into() } else { exit.into() }
}
