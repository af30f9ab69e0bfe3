//! A stage for tests: runs a pure module over facts that are always the same.

use expr::Given;
use model::failure::Failure;
use model::record::LogLine;
use model::{Map, Value};
use sdk::{Module, Outcome, PureCtx, Run, Stopped};

/// The value of a JSON text.
pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fields(text: &str) -> Map {
    json(text).as_map().cloned().unwrap_or_default()
}

/// What the tests read.
pub(crate) fn facts() -> Given {
    Given {
        prev: fields(r#"{"order":{"limit":100,"name":"ada"}}"#),
        args: Some(json(r#"{"factor":2}"#)),
        kv: fields(r#"{"known":[1,2],"nothing":null}"#),
        secret: fields(r#"{"token":"s3cr3t"}"#),
        step: Some(json(r#"{"ref":"step","index":0,"attempt":1,"idempotencyKey":"k-1"}"#)),
        now: Some("2026-03-01T09:30:00.000Z".into()),
        seed: Some("00112233445566778899aabbccddeeff".into()),
        item: Some(json(r#"{"outer":true}"#)),
        index: Some(7.into()),
        ..Given::default()
    }
}

/// What a module asks for, and what it logs.
pub(crate) fn play(module: &Module, args: &str) -> (Result<Outcome, Stopped>, Vec<LogLine>) {
    play_with(module, &json(args), &facts())
}

/// The same, over other facts.
pub(crate) fn play_with(
    module: &Module,
    args: &Value,
    facts: &dyn expr::Scope,
) -> (Result<Outcome, Stopped>, Vec<LogLine>) {
    let (Run::Pure(run) | Run::Blocking(run)) = &module.run else { panic!("{} is not pure", module.id) };
    let mut ctx = PureCtx::new(facts);
    let outcome = run(args.clone(), &mut ctx);
    (outcome, ctx.into_log())
}

/// What a module asks for.
pub(crate) fn outcome(module: &Module, args: &str) -> Result<Outcome, Failure> {
    play(module, args).0.map_err(|stopped| match stopped {
        Stopped::Failed(failure) => failure,
        Stopped::Need(needs) => panic!("{}: needs {needs:?}", module.id),
    })
}

/// The output of a module.
pub(crate) fn run(module: &Module, args: &str) -> Result<Value, Failure> {
    outcome(module, args).map(|outcome| match outcome {
        Outcome::Done(out) => out,
        other => panic!("{}: asks for {other:?}", module.id),
    })
}

/// Checks a table of arguments and outputs, as JSON.
pub(crate) fn check(module: &Module, table: &[(&str, &str)]) {
    for (args, out) in table {
        let given = run(module, args).unwrap_or_else(|failure| panic!("{args}: {failure}"));
        assert_eq!(given.to_json(), *out, "{args}");
    }
}

/// The code and the message of a failure.
pub(crate) fn failure(module: &Module, args: &str) -> (String, String) {
    match outcome(module, args) {
        Err(failure) => (failure.code.into_owned(), failure.message),
        Ok(outcome) => panic!("{args}: gives {outcome:?}"),
    }
}
