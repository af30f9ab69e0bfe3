//! [`Route`]: what of a channel leads to which flows, and how it answers.

use std::time::Duration;

use http::{HeaderName, Method};
use model::ids::Id;
use model::limits::{
    CHANNEL_DESCRIPTION_CHARS, CHANNEL_NAME_CHARS, CHANNEL_PATH_CHARS, CHANNEL_SCHEMA_BYTES, CHANNEL_TARGETS,
    CHANNEL_TIMEOUT, JSON_DEPTH, WAIT,
};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channel::Kind;

/// How the names of the tools begin with which an installation is managed.
pub const OWN_TOOLS: &str = "flow8_";

/// What of a channel leads to flows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ChannelRoute")]
pub struct Route {
    /// Which one; made where it is left out.
    #[serde(default)]
    #[schemars(with = "String")]
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Whether it answers.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// HTTP: the method it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_method: Option<HttpMethod>,
    /// HTTP and WebSocket: the path below the channel, such as `/orders/:id`; `*rest` at its end takes all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// MCP: what the tool is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// MCP: what the tool takes, as a JSON Schema of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// MCP: what the tool gives, as a JSON Schema of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// MCP: what the tool is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The flows that it starts, by id or permanent id. An answer is that of one, so `sync` and `stream` have one.
    #[schemars(length(min = 1, max = 10))]
    pub target_flow_ids: Vec<String>,
    /// What is answered, and when.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// How long an answer waits for the play; 30 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout_seconds: Option<u32>,
    /// WebSocket: a message `{"type":"event","key":…,"data":…}` whose key begins so reaches the plays that wait for it.
    /// Without this, such a message starts a play as every other does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_prefix: Option<String>,
    /// HTTP: the header whose value stands for a request: the same one starts one play, however often it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_header: Option<String>,
}

fn yes() -> bool {
    true
}

/// What is answered, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResponseMode {
    /// What the flow gives, when it has ended.
    Sync,
    /// The play's id, once the play is durable.
    #[default]
    Async,
    /// What happens, as it happens: server-sent events.
    Stream,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are the methods of HTTP")]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// Any of them.
    Any,
}

impl HttpMethod {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }

    /// The methods of the requests that it takes. HEAD is GET without the body of the answer.
    pub(crate) fn taken(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
            Self::Post => &["POST"],
            Self::Put => &["PUT"],
            Self::Patch => &["PATCH"],
            Self::Delete => &["DELETE"],
            Self::Any => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        }
    }

    /// Whether it takes a request of that method.
    pub(crate) fn takes(self, method: &Method) -> bool {
        self.taken().contains(&method.as_str())
    }
}

impl Route {
    /// How long an answer waits for the play.
    pub fn timeout(&self) -> Duration {
        self.timeout_seconds.map_or(CHANNEL_TIMEOUT, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Whether it may be so, in a channel of that kind.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), String> {
        let name = self.name.trim();
        if name.is_empty() || self.name.chars().count() > CHANNEL_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(format!("name: has 1 to {CHANNEL_NAME_CHARS} characters"));
        }
        let targets = self.target_flow_ids.len();
        if !(1..=CHANNEL_TARGETS).contains(&targets) {
            return Err(format!("targetFlowIds: names 1 to {CHANNEL_TARGETS} flows"));
        }
        if targets > 1 && self.response_mode != ResponseMode::Async {
            return Err("targetFlowIds: names one flow where somebody waits for its answer".into());
        }
        if let Some(target) = (1..targets).find(|at| self.target_flow_ids[..*at].contains(&self.target_flow_ids[*at])) {
            return Err(format!("targetFlowIds[{target}]: is there twice"));
        }
        let most = WAIT.as_secs();
        if self.timeout_seconds.is_some_and(|seconds| seconds == 0 || u64::from(seconds) > most) {
            return Err(format!("timeoutSeconds: is from 1 to {most}"));
        }
        if let Some(header) = &self.idempotency_header {
            check_header(header).map_err(|problem| format!("idempotencyHeader: {problem}"))?;
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > CHANNEL_DESCRIPTION_CHARS) {
            return Err(format!("description: has at most {CHANNEL_DESCRIPTION_CHARS} characters"));
        }
        let fields = [
            ("httpMethod", self.http_method.is_some(), [Kind::Http].as_slice()),
            ("path", self.path.is_some(), &[Kind::Http, Kind::Websocket]),
            ("idempotencyHeader", self.idempotency_header.is_some(), &[Kind::Http]),
            ("eventPrefix", self.event_prefix.is_some(), &[Kind::Websocket]),
            ("toolName", self.tool_name.is_some(), &[Kind::Mcp]),
            ("inputSchema", self.input_schema.is_some(), &[Kind::Mcp]),
            ("outputSchema", self.output_schema.is_some(), &[Kind::Mcp]),
        ];
        match fields.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&kind)) {
            Some((field, ..)) => Err(format!("{field}: is not for a channel of kind {}", kind.as_str())),
            None => Ok(()),
        }
    }

    /// Its path in the words of the router.
    pub(crate) fn pattern(&self) -> Result<String, String> {
        let path = self.path.as_deref().ok_or("path: is required, such as /orders/:id")?;
        if !path.starts_with('/') || path.len() > CHANNEL_PATH_CHARS {
            return Err(format!("path: begins with / and has at most {CHANNEL_PATH_CHARS} characters"));
        }
        if path == "/" {
            return Ok(path.to_owned());
        }
        let mut pattern = String::with_capacity(path.len() + 8);
        let parts: Vec<&str> = path[1..].split('/').collect();
        for (at, part) in parts.iter().enumerate() {
            pattern.push('/');
            let is_word =
                |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let name = part.strip_prefix([':', '*']);
            if name.is_some() && parts[..at].iter().any(|before| before.strip_prefix(':') == name) {
                return Err(format!("path: has {part} twice"));
            }
            if let Some(name) = part.strip_prefix(':').filter(|name| is_word(name)) {
                pattern.push_str(&format!("{{{name}}}"));
            } else if let Some(name) = part.strip_prefix('*').filter(|name| is_word(name) && at + 1 == parts.len()) {
                pattern.push_str(&format!("{{*{name}}}"));
            } else if !part.is_empty() && !matches!(*part, "." | "..") && part.bytes().all(is_literal) {
                pattern.push_str(part);
            } else {
                let message =
                    "is a word of letters, digits and -._~!$&'()+,;=@, a parameter such as :id, or *rest at the end";
                return Err(format!("path: the part {part:?} {message}"));
            }
        }
        Ok(pattern)
    }

    pub(crate) fn check_tool(&self) -> Result<(), String> {
        let is_fine = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
        if !self.tool_name.as_deref().is_some_and(|name| (1..=64).contains(&name.len()) && name.chars().all(is_fine)) {
            return Err("toolName: has 1 to 64 letters, digits, _, - or .".into());
        }
        if self.tool_name.as_deref().is_some_and(|name| name.starts_with(OWN_TOOLS)) {
            return Err(format!("toolName: {OWN_TOOLS}… are the tools of flow8 itself"));
        }
        for (field, schema) in self.schemas() {
            let measure = schema.measure(CHANNEL_SCHEMA_BYTES, JSON_DEPTH);
            if measure.bytes > CHANNEL_SCHEMA_BYTES || measure.depth > JSON_DEPTH {
                return Err(format!("{field}: has at most {} KiB", CHANNEL_SCHEMA_BYTES >> 10));
            }
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                return Err(format!("{field}: is a JSON Schema with the type object"));
            }
        }
        Ok(())
    }

    /// The schemas of a tool, each by its field.
    pub fn schemas(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let schemas = [("inputSchema", &self.input_schema), ("outputSchema", &self.output_schema)];
        schemas.into_iter().filter_map(|(field, schema)| Some((field, schema.as_ref()?)))
    }
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=@".contains(&byte)
}

/// Whether a text can be the name of a header.
pub(crate) fn check_header(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not the name of a header"))?;
    match name.as_str() {
        "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade" => {
            Err(format!("{name} has a meaning of its own; name another header"))
        }
        _ => Ok(name),
    }
}
