//! Tools with which flows are looked after: to list, check and run flows, and to read plays. Each is a request to the
//! API in the name of whoever calls, so what they may not do there, they may not do here, and it is audited there.

use http::Method;
use model::value::Value;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ProtocolVersion, Tool, ToolAnnotations};
use serde_json::json;

use crate::door::{ApiCall, Caller};
use crate::result::{failed, of_value, plain, wrong};
use crate::schema;
use crate::service::unknown;

/// A tool: its name, what it is good for, whether it changes nothing, its arguments, what it answers with, its request.
struct Own {
    name: &'static str,
    description: &'static str,
    reads: bool,
    args: fn() -> serde_json::Value,
    out: fn() -> serde_json::Value,
    call: fn(&Value) -> ApiCall,
}

/// In the order of their names.
const OWN: [Own; 5] = [
    Own {
        name: "flow8_check_flow",
        description: "Checks the draft of a flow as publishing would, and changes nothing.",
        reads: true,
        args: || object(json!({"flowId": id("The flow's id or permanent id.")}), &["flowId"]),
        out: || object(json!({"sound": {"type": "boolean"}, "problems": {"type": "array"}}), &["sound", "problems"]),
        call: |args| post(format!("/flows/{}/check", part(args, "flowId")), None),
    },
    Own {
        name: "flow8_get_play",
        description: "Reads a play: its state, its arguments and its output. Read resource flow8://plays/{id} for \
            what each flowlet did.",
        reads: true,
        args: || object(json!({"playId": id("The play's id.")}), &["playId"]),
        out: || object(json!({"id": text(), "flowId": text(), "state": text()}), &["id", "flowId", "state"]),
        call: |args| get(format!("/plays/{}", part(args, "playId"))),
    },
    Own {
        name: "flow8_list_flows",
        description: "Lists flows.",
        reads: true,
        args: || {
            let search = json!({"type": "string", "description": "With that in the name or the permanent id."});
            paged(json!({"search": search, "category": text(), "enabled": {"type": "boolean"}}))
        },
        out: page,
        call: |args| get(format!("/flows{}", query(args))),
    },
    Own {
        name: "flow8_list_plays",
        description: "Lists plays, newest first.",
        reads: true,
        args: || {
            let state = json!({"type": "string", "description": "In these states alone: FAIL, or WAIT,ON_HOLD."});
            let time = json!({"type": "string", "format": "date-time"});
            paged(json!({"flowId": text(), "state": state, "from": time, "to": time}))
        },
        out: page,
        call: |args| get(format!("/plays{}", query(args))),
    },
    Own {
        name: "flow8_run_flow",
        description: "Runs a flow. With wait, answers with the play once it has ended, or where it stands by then.",
        reads: false,
        args: || {
            let args = json!({"type": "object", "description": "What expressions read as $prev.args."});
            let key = json!({"type": "string", "description": "The same key starts one play."});
            let wait = json!({"type": "number", "minimum": 0, "maximum": 300, "description": "Seconds."});
            let flow = id("The flow's id or permanent id.");
            object(json!({"flowId": flow, "args": args, "idempotencyKey": key, "wait": wait}), &["flowId"])
        },
        out: || object(json!({"playId": text(), "state": text()}), &["playId", "state"]),
        call: |args| {
            let wait = args.get("wait").map(|wait| format!("?wait={}", wait.to_json())).unwrap_or_default();
            let fields = ["args", "idempotencyKey"].into_iter();
            let body = Value::map(fields.filter_map(|field| Some((field, args.get(field)?.clone()))));
            post(format!("/flows/{}/run{wait}", part(args, "flowId")), Some(body))
        },
    },
];

fn text() -> serde_json::Value {
    json!({"type": "string"})
}

fn id(description: &str) -> serde_json::Value {
    json!({"type": "string", "minLength": 1, "maxLength": 200, "description": description})
}

fn object(properties: serde_json::Value, required: &[&str]) -> serde_json::Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// Arguments that ask for a page of a list.
fn paged(mut properties: serde_json::Value) -> serde_json::Value {
    properties["page"] = json!({"type": "integer", "minimum": 0});
    properties["size"] = json!({"type": "integer", "minimum": 1, "maximum": 100});
    object(properties, &[])
}

/// A page of a list.
fn page() -> serde_json::Value {
    object(json!({"data": {"type": "array"}, "total": {"type": "integer"}}), &["data", "total"])
}

/// A part of a path. What begins another part of it is no part of a name.
fn part(args: &Value, field: &str) -> String {
    encoded(args.get(field).and_then(Value::as_str).unwrap_or_default())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The arguments as a query.
fn query(args: &Value) -> String {
    let fields = args.as_map().into_iter().flat_map(|fields| fields.iter());
    let pairs = fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
        format!("{}={}", encoded(name), encoded(&value))
    });
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn get(path: String) -> ApiCall {
    ApiCall { method: Method::GET, path, body: None }
}

fn post(path: String, body: Option<Value>) -> ApiCall {
    ApiCall { method: Method::POST, path, body }
}

fn map(schema: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    match schema {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    }
}

/// Arguments that are not named are refused, as everywhere.
fn input(own: &Own) -> serde_json::Map<String, serde_json::Value> {
    let mut schema = map((own.args)());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// All of them, in the order of their names.
pub(crate) fn tools() -> Vec<Tool> {
    let described = OWN.iter().map(|own| {
        let hints = ToolAnnotations::new().read_only(own.reads).open_world(false);
        let tool = Tool::new(own.name, own.description, input(own));
        tool.with_raw_output_schema(map((own.out)()).into()).with_annotations(hints)
    });
    described.collect()
}

/// Calls one.
///
/// # Errors
/// Where there is none of that name.
pub(crate) async fn call(
    caller: &dyn Caller,
    name: &str,
    args: &Value,
    revision: Option<&ProtocolVersion>,
) -> Result<CallToolResult, ErrorData> {
    let own = OWN.iter().find(|own| own.name == name).ok_or_else(|| unknown(name))?;
    if let Err(problem) = schema::check(&serde_json::Value::Object(input(own)), &plain(args)) {
        return Ok(in_words(wrong("VALIDATION_ERROR", format!("arguments: {problem}"))));
    }
    let answer = caller.api((own.call)(args)).await;
    Ok(if answer.is_granted { of_value(&answer.body, revision) } else { in_words(failed(&answer.body)) })
}

/// What is wrong is no answer as the schema says, which some clients compare it with all the same.
fn in_words(mut wrong: CallToolResult) -> CallToolResult {
    wrong.structured_content = None;
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_its_schemas_are_schemas() {
        assert!(OWN.is_sorted_by_key(|own| own.name));
        for tool in tools() {
            assert!(tool.name.starts_with(channels::OWN_TOOLS));
            for schema in [Some(tool.input_schema), tool.output_schema].into_iter().flatten() {
                let schema = serde_json::Value::Object((*schema).clone());
                let told = schema::check(&schema, &json!(1)).expect_err("it wants an object");
                assert!(told.contains("object"), "{told}");
            }
        }
    }

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        let args = Value::map([("flowId", "../plays?x#y/z"), ("search", "a&size=9")]);
        let check = (OWN[0].call)(&args);
        assert_eq!(check.path, "/flows/%2E%2E%2Fplays%3Fx%23y%2Fz/check");
        let list = (OWN[2].call)(&Value::map([("search", "a&size=9")]));
        assert_eq!(list.path, "/flows?search=a%26size%3D9");
    }
}
