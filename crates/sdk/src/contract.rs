//! What every module promises, as a test: [`contract!`](crate::contract!).

use expr::{Found, Root, Scope};
use model::value::Value;
use schemars::Schema;

use crate::{Class, Module, Nature, Outcome, PureCtx, Role, Run, Stopped};

/// Tests a module's promises: `sdk::contract!(module());` at the end of its file.
///
/// The example fits the schema and gives the output it shows; every field is documented;
/// unknown and missing arguments fail and do not panic; the effect class is what `run` is.
#[macro_export]
macro_rules! contract {
    ($module:expr) => {
        #[cfg(test)]
        #[test]
        fn keeps_the_contract() {
            $crate::contract::check(&$module);
        }
    };
}

/// Fixed facts, so that examples give the same output every time.
struct FixedFacts;

impl Scope for FixedFacts {
    fn find(&self, root: &Root<'_>) -> Found {
        match root {
            Root::Now => Found::Value("2026-01-31T08:00:00.000Z".into()),
            Root::Seed => Found::Value("00112233445566778899aabbccddeeff".into()),
            Root::Kv(_) => Found::Value(Value::Null),
            _ => Found::Missing("an example has only facts".into()),
        }
    }
}

/// Panics where the module breaks a promise.
///
/// # Panics
/// With what is broken.
pub fn check(module: &Module) {
    let id = module.id;
    assert!(is_id(id), "{id}: an id is lower-case words joined by \"-\"");
    assert!(module.summary.ends_with('.') && module.summary.len() <= 100, "{id}: the summary is one short sentence");
    documented(id, "argument", &module.args);
    documented(id, "output", &module.out);
    assert_eq!(
        module.args.get("additionalProperties"),
        Some(&false.into()),
        "{id}: unknown arguments must be refused (deny_unknown_fields)"
    );
    let args =
        Value::from_json(module.example.args.as_bytes()).unwrap_or_else(|error| panic!("{id}: example: {error}"));
    fits(id, "the example's arguments", &module.args, &args);
    for (name, _) in module.uses {
        assert!(module.args.pointer(&format!("/properties/{name}")).is_some(), "{id}: no argument {name}");
    }
    honest(module, &args);
    runs(module, &args);
}

fn is_id(id: &str) -> bool {
    let mut words = id.split('-');
    words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn documented(id: &str, what: &str, schema: &Schema) {
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    for (name, property) in properties.into_iter().flatten() {
        assert!(property.get("description").is_some(), "{id}: the {what} {name} has no description");
    }
}

fn fits(id: &str, what: &str, schema: &Schema, value: &Value) {
    let json: serde_json::Value = serde_json::from_str(&value.to_json()).expect("a value is JSON");
    let validator =
        jsonschema::validator_for(schema.as_value()).unwrap_or_else(|error| panic!("{id}: schema: {error}"));
    let errors: Vec<String> =
        validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{id}: {what} {json} do not fit: {errors:?}");
}

fn honest(module: &Module, args: &Value) {
    let Nature { class, .. } = (module.nature)(args);
    let is_pure = matches!(module.run, Run::Pure(_) | Run::Blocking(_) | Run::Engine);
    assert_eq!(is_pure, class == Class::Pure, "{}: the effect class is not what `run` does", module.id);
    assert_eq!(is_pure, module.class == Class::Pure, "{}: the catalogue's class is not what `run` does", module.id);
    assert!(
        (module.nature)(&Value::Null).class == class || !is_pure,
        "{}: odd arguments change a pure module",
        module.id
    );
}

fn runs(module: &Module, args: &Value) {
    let id = module.id;
    let (Run::Pure(run) | Run::Blocking(run)) = &module.run else { return };
    let mut ctx = PureCtx::new(&FixedFacts);
    let outcome = run(args.clone(), &mut ctx).unwrap_or_else(|stopped| panic!("{id}: the example fails: {stopped:?}"));
    if let Outcome::Done(out) | Outcome::Respond(out) = &outcome {
        fits(id, "the example's output", &module.out, out);
        let shown = module.example.out.unwrap_or_else(|| panic!("{id}: a pure example shows its output"));
        let shown = Value::from_json(shown.as_bytes()).unwrap_or_else(|error| panic!("{id}: example output: {error}"));
        assert_eq!(*out, shown, "{id}: the example gives another output");
    } else {
        assert!(module.role != Role::Step || module.example.out.is_none(), "{id}: the example gives no output");
    }
    for bad in [r#"{"noSuchArgument":1}"#, "null", "[]", "7"] {
        let bad = Value::from_json(bad.as_bytes()).expect("JSON");
        let outcome = run(bad.clone(), &mut PureCtx::new(&FixedFacts));
        assert!(matches!(outcome, Err(Stopped::Failed(_))), "{id}: takes {bad} for arguments");
    }
}
