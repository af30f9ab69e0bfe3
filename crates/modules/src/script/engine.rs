//! One run of a script, on the thread that it was given.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Value;
use model::failure::Failure;
use model::limits::{LOG_LINE_CHARS, LOG_LINES, OUTPUT_BYTES};
use model::record::LogLevel;
use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Error, Function, Object, Promise, Runtime};
use sha2::{Digest, Sha256};

use super::{CODE_ERROR, CODE_MEMORY, CODE_RESULT, CODE_TIMEOUT, Ended, Script, exact};

/// What a script finds around it, and the bridge for its values.
const PRELUDE: &str = include_str!("prelude.js");

/// The name under which error messages know the script.
const NAME: &str = "code";

/// Bytes of the stack that the script itself may use.
const SCRIPT_STACK: usize = 1 << 20;

/// Characters of an error's message that are told.
const MESSAGE_CHARS: usize = 1_000;

/// No network, no files, no modules; nothing whose effect depends on when memory is cleaned up.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

type Lines = Rc<RefCell<Vec<(LogLevel, String)>>>;

/// Promises that were rejected and that nobody handles: how many, and why the first one was.
type Rejected = Rc<RefCell<(usize, String)>>;

/// Runs a script until it ends or is told to stop.
pub(super) fn run(script: &Script, stop: &Arc<AtomicBool>) -> Ended {
    let lines = Lines::default();
    let result = start(script, stop, &lines);
    Ended { result, lines: lines.take() }
}

fn start(script: &Script, stop: &Arc<AtomicBool>, lines: &Lines) -> Result<Value, Failure> {
    let runtime = Runtime::new().map_err(|_| no_memory(script))?;
    runtime.set_memory_limit(script.memory);
    runtime.set_max_stack_size(SCRIPT_STACK);
    let flag = stop.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || flag.load(Ordering::Acquire))));
    let rejected = track_rejections(&runtime);
    let context = Context::custom::<Intrinsics>(&runtime).map_err(|_| no_memory(script))?;
    let result = context.with(|ctx| {
        let result = play(&ctx, script, stop, lines).catch(&ctx);
        result.map_err(|caught| explain(&caught, script, &runtime, stop))
    });
    let json = result?;
    if let (1.., why) = &*rejected.borrow() {
        return Err(thrown(&format!("a promise was rejected and nobody handles it: {why}"), None));
    }
    if json.len() > OUTPUT_BYTES {
        return Err(Failure::new(CODE_RESULT, format!("the result has more than {OUTPUT_BYTES} bytes as JSON")));
    }
    Value::from_json(json.as_bytes()).map_err(|error| Failure::new(CODE_RESULT, format!("the result: {error}")))
}

fn track_rejections(runtime: &Runtime) -> Rejected {
    let rejected = Rejected::default();
    let noted = rejected.clone();
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |_, _, reason, is_handled| {
        let mut noted = noted.borrow_mut();
        if is_handled {
            noted.0 = noted.0.saturating_sub(1);
            return;
        }
        noted.0 += 1;
        if noted.1.is_empty() {
            let told = reason.as_exception().and_then(rquickjs::Exception::message);
            noted.1 = told.unwrap_or_else(|| format!("a value of type {}", reason.type_name()));
        }
    })));
    rejected
}

/// The result as JSON.
fn play(ctx: &Ctx<'_>, script: &Script, stop: &AtomicBool, lines: &Lines) -> Result<String, Error> {
    let digest = Sha256::digest(&script.seed);
    let mark = format!("\u{e000}{}:", hex::encode(&digest[16..]));
    let bridge = bridge(ctx, script, &digest, &mark, lines)?;
    let marked = exact::marked(&script.input, &mark);
    let text = marked.as_ref().unwrap_or(&script.input).to_json();
    let input: Function<'_> = bridge.get("input")?;
    let input: rquickjs::Value<'_> = input.call((text, marked.is_some()))?;
    // On one line with the script's first, so that lines count as the script counts them.
    let source = format!("(async function (input) {{{}\n}})", script.source);
    let function: Function<'_> = ctx.eval_with_options(source, options())?;
    let promise: Promise<'_> = function.call((input,))?;
    let result = settle(ctx, &promise, stop)?;
    let output: Function<'_> = bridge.get("output")?;
    output.call((result,))
}

fn options() -> EvalOptions {
    let mut options = EvalOptions::default();
    options.filename = Some(NAME.to_owned());
    options
}

fn bridge<'js>(
    ctx: &Ctx<'js>,
    script: &Script,
    digest: &[u8],
    mark: &str,
    lines: &Lines,
) -> Result<Object<'js>, Error> {
    let prelude: Function<'js> = ctx.eval(PRELUDE)?;
    let lines = lines.clone();
    let host = Function::new(ctx.clone(), move |level: String, text: String| {
        let mut lines = lines.borrow_mut();
        if lines.len() < LOG_LINES {
            lines.push((level_of(&level), text.chars().take(LOG_LINE_CHARS).collect()));
        }
    })?;
    let dice: Vec<i32> =
        digest[..16].chunks_exact(4).map(|part| part.iter().fold(0, |all, byte| all << 8 | i32::from(*byte))).collect();
    // Milliseconds since 1970 are whole numbers that a double holds.
    prelude.call((host, script.now as f64, dice, mark))
}

fn level_of(level: &str) -> LogLevel {
    match level {
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

/// What a promise comes to, once all that can run has run.
fn settle<'js>(ctx: &Ctx<'js>, promise: &Promise<'js>, stop: &AtomicBool) -> Result<rquickjs::Value<'js>, Error> {
    while ctx.execute_pending_job() {
        if stop.load(Ordering::Acquire) {
            return Err(Error::WouldBlock);
        }
    }
    promise.result().unwrap_or(Err(Error::WouldBlock))
}

fn explain(caught: &CaughtError<'_>, script: &Script, runtime: &Runtime, stop: &AtomicBool) -> Failure {
    if stop.load(Ordering::Acquire) {
        return Failure::new(CODE_TIMEOUT, "the script was stopped");
    }
    match caught {
        CaughtError::Error(Error::WouldBlock) => {
            Failure::new(CODE_ERROR, "the script waits for a promise that nothing will ever keep")
        }
        CaughtError::Error(Error::Allocation) => no_memory(script),
        CaughtError::Error(Error::InvalidString(_)) => Failure::new(CODE_ERROR, "the script holds a NUL character"),
        CaughtError::Error(Error::Utf8(_)) => Failure::new(CODE_RESULT, "the result holds half of a character"),
        CaughtError::Error(Error::FromJs { .. }) => {
            Failure::new(CODE_ERROR, "the script is not the body of a function; look for a brace too many")
        }
        CaughtError::Error(_) => Failure::new(CODE_ERROR, "the script failed in a way that JavaScript does not tell"),
        CaughtError::Exception(exception) => {
            let message = exception.message().unwrap_or_default();
            if message == "out of memory" {
                return no_memory(script);
            }
            let name: String = exception.as_object().get("name").unwrap_or_else(|_| "Error".to_owned());
            thrown(&format!("{name}: {message}"), exception.stack().as_deref().and_then(line_of))
        }
        CaughtError::Value(value) if value.is_null() && is_full(runtime, script) => no_memory(script),
        CaughtError::Value(value) => {
            let text: Option<String> = value.as_string().and_then(|text| text.to_string().ok());
            thrown(&text.unwrap_or_else(|| format!("a value of type {} was thrown", value.type_name())), None)
        }
    }
}

fn thrown(what: &str, line: Option<u32>) -> Failure {
    let what: String = what.chars().take(MESSAGE_CHARS).collect();
    match line {
        Some(line) => {
            Failure::new(CODE_ERROR, format!("{what} (line {line})")).with_details(Value::map([("line", line)]))
        }
        None => Failure::new(CODE_ERROR, what),
    }
}

/// The topmost line of the script in a stack: `at f (code:3:7)`.
fn line_of(stack: &str) -> Option<u32> {
    stack.lines().find_map(|frame| {
        let (_, place) = frame.rsplit_once(&format!("{NAME}:"))?;
        place.split(':').next()?.trim_end_matches(')').parse().ok()
    })
}

/// Whether memory is what was lacking, where not even an error could be made.
fn is_full(runtime: &Runtime, script: &Script) -> bool {
    let used = runtime.memory_usage().malloc_size;
    usize::try_from(used).is_ok_and(|used| used > script.memory / 4 * 3)
}

fn no_memory(script: &Script) -> Failure {
    Failure::new(CODE_MEMORY, format!("the script takes more than {} MiB of memory", script.memory >> 20))
}
