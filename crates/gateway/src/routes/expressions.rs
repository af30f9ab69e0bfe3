//! Trying an expression out.

use expr::{Budget, Given, Stop, Template};
use http::{Method, StatusCode};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Permission;
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::reach::Reach;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Evaluates expressions against values that are given.";
    vec![
        Route::about(
            (Method::POST, "/expressions/evaluate"),
            "evaluateExpression",
            Permission::FlowsView,
            summary,
            evaluate,
        )
        .also(422, "The expression does not parse, or cannot be evaluated; the message names the column."),
    ]
}

/// Something to evaluate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Trial {
    /// A text with `{{ … }}`, or any JSON with such texts in it.
    expression: Value,
    /// Outputs of flowlets by ref; `args` is the play's arguments.
    #[serde(default = "Value::empty_map")]
    prev: Value,
    /// Key/values.
    #[serde(default = "Value::empty_map")]
    kv: Value,
    /// The current item of a loop.
    item: Option<Value>,
    /// The round of a loop.
    index: Option<Value>,
    /// The current element of a list, which a leading dot reads.
    dot: Option<Value>,
}

/// What came of it.
#[derive(Serialize, JsonSchema)]
struct Outcome {
    value: Value,
}

async fn evaluate(call: Call<Nothing, Nothing, Json<Trial>>, _: Reach) -> Result<Reply<Outcome>, ApiError> {
    let Json(trial) = call.body;
    let map = |name: &str, value: Value| {
        let no_object = || ApiError::invalid(format!("{name}: is an object, not a {}", value.type_name()));
        value.as_map().cloned().ok_or_else(no_object)
    };
    let seed = format!("{}{}", call.app.engine.new_id(), call.app.engine.new_id());
    let given = Given {
        args: trial.prev.get("args").or_else(|| trial.prev.get("input")).cloned(),
        prev: map("prev", trial.prev)?,
        kv: map("kv", trial.kv)?,
        now: Some(call.app.engine.now().to_string().into()),
        seed: Some(seed.into()),
        item: trial.item,
        index: trial.index,
        dot: trial.dot,
        ..Given::default()
    };
    let fault = |message: String, path: &str, column: usize| {
        let details = Value::map([("path", Value::from(path)), ("column", Value::from(column as u64))]);
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "EXPRESSION_ERROR", message).with_details(details)
    };
    let template = Template::compile(&trial.expression).map_err(|faults| {
        let first = faults.first();
        let (path, column) = first.map_or(("", 1), |fault| (fault.path.as_str(), fault.column));
        fault(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), path, column)
    })?;
    match template.eval(&given, &mut Budget::default()) {
        Ok(value) => Ok(Reply::ok(Outcome { value })),
        Err(Stop::Failed(error)) => Err(fault(error.to_string(), &error.path, error.column)),
        Err(Stop::Need(needs)) => {
            let names: Vec<String> = needs.iter().map(ToString::to_string).collect();
            Err(fault(format!("not given: {}", names.join(", ")), "", 1))
        }
    }
}
