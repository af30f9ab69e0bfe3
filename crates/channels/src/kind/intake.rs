//! Queue and mailbox: messages that wait elsewhere become arguments. Nobody comes to such a channel; who fetches the
//! messages is [`crate::intake`].

use model::limits::{CHANNEL_SOURCE_BYTES, JSON_DEPTH};
use model::value::Value;

use crate::auth::AuthMode;
use crate::channel::Definition;
use crate::route::ResponseMode;

/// The field of a source that names its component.
pub(crate) const COMPONENT: &str = "component";

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let kind = definition.kind.as_str();
    if definition.auth_mode != AuthMode::None {
        return Err(format!("authMode: is left out for a channel of kind {kind}: nobody comes to it"));
    }
    if !definition.cors.origins.is_empty() {
        return Err(format!("cors: is not for a channel of kind {kind}: no page calls it"));
    }
    if definition.port.is_some() {
        return Err(format!("port: is not for a channel of kind {kind}: nobody comes to it"));
    }
    let source = definition.source.as_ref().ok_or_else(|| {
        format!("source: is required for a channel of kind {kind}; its component says where messages come from")
    })?;
    let measure = source.measure(CHANNEL_SOURCE_BYTES, JSON_DEPTH);
    if source.as_map().is_none() || measure.bytes > CHANNEL_SOURCE_BYTES || measure.depth > JSON_DEPTH {
        return Err(format!("source: is an object of at most {} KiB", CHANNEL_SOURCE_BYTES >> 10));
    }
    if source.get(COMPONENT).and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("source.component: names a component, by its name or its id".into());
    }
    let [route] = definition.routes.as_slice() else {
        return Err(format!("routes: a channel of kind {kind} has one"));
    };
    if route.response_mode != ResponseMode::Async {
        return Err(format!("routes[0].responseMode: is async for a channel of kind {kind}: nobody waits"));
    }
    if route.timeout_seconds.is_some() {
        return Err(format!("routes[0].timeoutSeconds: is not for a channel of kind {kind}: nobody waits"));
    }
    Ok(())
}

impl Definition {
    /// The component that messages come from, by its name or its id; none where nothing is taken in.
    pub fn source_component(&self) -> Option<&str> {
        self.source.as_ref()?.get(COMPONENT)?.as_str()
    }

    /// What is said of where messages lie, for the component to read: all but its own name.
    pub fn source_settings(&self) -> Value {
        let fields = self.source.as_ref().and_then(Value::as_map).cloned().unwrap_or_default();
        fields.into_iter().filter(|(name, _)| **name != *COMPONENT).collect::<model::value::Map>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: &[(&'static str, &str)]) -> Result<(), String> {
        let mut fields = vec![
            ("name", r#""Orders""#),
            ("slug", r#""orders""#),
            ("kind", r#""queue""#),
            ("source", r#"{"component": "rabbit", "queue": "orders"}"#),
            ("routes", r#"[{"name": "in", "targetFlowIds": ["take"]}]"#),
        ];
        fields.retain(|(name, _)| change.iter().all(|(changed, _)| name != changed));
        fields.extend(change.iter().filter(|(_, text)| !text.is_empty()));
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}: {value}")).collect();
        let value = Value::from_json(format!("{{{}}}", text.join(",")).as_bytes()).expect("JSON");
        let definition: Definition = model::value::from_value(&value).map_err(|error| error.to_string())?;
        definition.check()
    }

    #[test]
    fn what_means_nothing_where_nobody_comes_is_refused() {
        assert_eq!(checked(&[]), Ok(()));
        for (field, value, told) in [
            ("authMode", r#""public""#, "authMode: is left out"),
            ("auth", r#"{"secretName": "x"}"#, "auth.secretName"),
            ("cors", r#"{"origins": ["*"]}"#, "cors: "),
            ("port", "7702", "port: "),
            ("source", "", "source: is required"),
            ("source", "[]", "source: is an object"),
            ("source", "{}", "source.component"),
            ("routes", "[]", "routes: a channel of kind queue has one"),
            ("routes", r#"[{"name": "in", "targetFlowIds": ["take"], "path": "/x"}]"#, "path: is not for"),
            ("routes", r#"[{"name": "in", "targetFlowIds": ["take"], "toolName": "x"}]"#, "toolName: is not for"),
            (
                "routes",
                r#"[{"name": "in", "targetFlowIds": ["take"], "responseMode": "sync"}]"#,
                "responseMode: is async",
            ),
            ("routes", r#"[{"name": "in", "targetFlowIds": ["take"], "timeoutSeconds": 3}]"#, "timeoutSeconds"),
            ("routes", r#"[{"name": "in", "targetFlowIds": []}]"#, "targetFlowIds"),
        ] {
            let problem = checked(&[(field, value)]).expect_err(field);
            assert!(problem.contains(told), "{field} {value}: {problem}");
        }
        let two = r#"[{"name": "a", "targetFlowIds": ["take"]}, {"name": "b", "targetFlowIds": ["take"]}]"#;
        assert!(checked(&[("routes", two)]).is_err());
    }

    #[test]
    fn others_need_to_say_who_may_come_and_take_nothing_in() {
        let http: [(&str, &str); 3] = [("kind", r#""http""#), ("source", ""), ("routes", "[]")];
        assert!(checked(&http).expect_err("no authMode").starts_with("authMode: is required"));
        let mut public = http.to_vec();
        public.push(("authMode", r#""public""#));
        assert_eq!(checked(&public), Ok(()));
        public[1] = ("source", r#"{"component": "rabbit"}"#);
        assert!(checked(&public).expect_err("a source").starts_with("source: is not for"));
    }
}
