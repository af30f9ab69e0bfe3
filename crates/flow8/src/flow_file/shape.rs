//! Whether a document has the form of a flow: its header, its keys, the types of its values.

use engine::plan::Problem;
use model::flow::{FlowDef, Layer};
use model::value::{ValueError, from_value};
use model::{Map, Value};

use super::{API_VERSION, KIND, layer_name, problem};

/// The flow that a document holds.
///
/// # Errors
/// What is wrong with the header, with the flow's own keys, and with each flowlet.
pub(super) fn read(document: &Value) -> Result<FlowDef, Vec<Problem>> {
    let Some(fields) = document.as_map() else {
        let message = format!("a flow file begins with \"apiVersion: {API_VERSION}\" and \"kind: {KIND}\"");
        return Err(vec![problem(None, "", message)]);
    };
    let mut problems: Vec<Problem> = [("apiVersion", API_VERSION), ("kind", KIND)]
        .into_iter()
        .filter_map(|(key, known)| header(fields, key, known))
        .collect();
    let mut flow = fields.clone();
    flow.shift_remove("apiVersion");
    flow.shift_remove("kind");
    let read = from_value(&Value::from(flow.clone()));
    match read {
        Ok(def) if problems.is_empty() => return Ok(def),
        Ok(_) => {}
        Err(error) => problems.extend(one_by_one(document, flow, error)),
    }
    Err(problems)
}

fn header(fields: &Map, key: &str, known: &str) -> Option<Problem> {
    match fields.get(key) {
        Some(given) if given.as_str() == Some(known) => None,
        Some(given) => Some(problem(None, key, format!("is {}; this flow8 reads {known}", given.to_json()))),
        None => Some(problem(None, "", format!("lacks \"{key}: {known}\""))),
    }
}

/// Reading stops at the first thing that does not fit; so the flow's own keys and each flowlet are
/// read by themselves, to find more in one go.
fn one_by_one(document: &Value, mut flow: Map, first: ValueError) -> Vec<Problem> {
    let layers = flow.get("layers").cloned();
    flow.insert("layers".into(), Value::list::<Value>([]));
    let mut problems = Vec::new();
    if let Err(error) = from_value::<FlowDef>(&flow.into()) {
        problems.push(below(None, "", error));
    }
    for (at, layer) in layers.as_ref().and_then(Value::as_list).unwrap_or_default().iter().enumerate() {
        if let Err(error) = from_value::<Layer>(layer) {
            problems.push(below(layer_name(document, at), &format!("layers[{at}]"), error));
        }
    }
    if problems.is_empty() { vec![below(None, "", first)] } else { problems }
}

/// What does not fit, below a path.
fn below(layer: Option<String>, above: &str, error: ValueError) -> Problem {
    let ValueError { path, message } = error;
    let path = match (above, path.as_str()) {
        (above, "") => above.to_owned(),
        ("", path) => path.to_owned(),
        (above, path) if path.starts_with('[') => format!("{above}{path}"),
        (above, path) => format!("{above}.{path}"),
    };
    problem(layer, path, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_below() {
        for (flow, expected) in [
            ("[]", vec![("", "begins with")]),
            ("{}", vec![("", "lacks \"apiVersion: flow8/v1\""), ("", "lacks \"kind: Flow\""), ("", "lacks name")]),
            (r#"{"apiVersion":"flow8/v2","kind":"Flow","name":"x"}"#, vec![("apiVersion", "is \"flow8/v2\"")]),
            (r#"{"apiVersion":"flow8/v1","kind":"Flow","name":1}"#, vec![("name", "expects a string, not 1")]),
            (
                r#"{"apiVersion":"flow8/v1","kind":"Flow","name":"x","layers":{}}"#,
                vec![("layers", "expects a list, not an object")],
            ),
            (
                r#"{"apiVersion":"flow8/v1","kind":"Flow","name":"x","layers":[1]}"#,
                vec![("layers[0]", "expects an object, not 1")],
            ),
            (
                r#"{"apiVersion":"flow8/v1","kind":"Flow","name":"x","layers":[{"ref":"a","appId":"v","retry":{"cuont":1}}]}"#,
                vec![("layers[0].retry.cuont", "is no key here; did you mean count?")],
            ),
            (
                r#"{"apiVersion":"flow8/v1","kind":"Flow","name":"x","layers":[{"ref":"1a","appId":"v"},{"ref":"a","appId":"v","timeout":-1}]}"#,
                vec![
                    ("layers[0].ref", "a ref is a letter"),
                    ("layers[1].timeout", "expects a whole number of 0 or more, not -1"),
                ],
            ),
        ] {
            let problems = read(&Value::from_json(flow.as_bytes()).expect("JSON")).expect_err(flow);
            let found: Vec<(&str, &str)> = problems.iter().map(|one| (&*one.path, &*one.message)).collect();
            let fits = found.len() == expected.len()
                && found.iter().zip(&expected).all(|(one, other)| one.0 == other.0 && one.1.contains(other.1));
            assert!(fits, "{flow}: {found:?}");
        }
    }
}
