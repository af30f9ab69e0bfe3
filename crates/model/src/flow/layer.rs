//! One flowlet of a flow ([`Layer`]) and the policies it may carry.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ComponentChoice, Ref, is_default};
use crate::value::{Value, from_value};

/// One flowlet: a module with its arguments, and how it is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layer {
    /// Unique in the flow; how expressions name the output.
    #[serde(rename = "ref")]
    pub name: Ref,
    /// What people call the flowlet; the ref when left out.
    #[serde(default, rename = "name", skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The id of the module.
    pub app_id: String,
    /// Flowlets of the same index run in parallel; a higher index waits for all lower ones. When
    /// left out: 0, or one more than the highest of those in `dependsOn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Exactly the flowlets to wait for; where it names any, `index` does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Ref>,
    /// The module's arguments; strings may hold expressions.
    #[serde(default = "Value::empty_map", skip_serializing_if = "is_empty_map")]
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    pub args: Value,
    /// Conditions without which the flowlet does not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Seconds for one attempt; 300 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// How often a failed attempt is tried again; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What a failure does to the play.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_error: OnError,
    /// What happens when it is not known whether an attempt took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<InDoubt>,
    /// The peer honours `Idempotency-Key`, so that repeating is safe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotent: bool,
    /// Whether a person must agree before the flowlet runs.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "approval",
        serialize_with = "approval_out"
    )]
    #[schemars(with = "ApprovalChoice")]
    pub needs_approval: Option<Approval>,
    /// What undoes the flowlet when the play fails later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Compensate>,
    /// Run only on that label of a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
    /// The component that serves each kind, by its id or its name; the one named `default` where none is given.
    #[serde(default, skip_serializing_if = "ComponentChoice::is_empty")]
    pub component_config_ids: ComponentChoice,
    /// The stored credential to call out with, by its id or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_id: Option<String>,
    /// What is sealed at rest and masked wherever it is shown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sensitive: Sensitive,
}

/// JSON pointers into a flowlet's arguments and output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sensitive {
    /// Pointers into the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Pointers into the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<String>,
}

/// One condition: two expressions and how they are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Usually an expression.
    pub left_value: Value,
    /// How the two are compared.
    pub operator: Operator,
    /// What it is compared with; `is_empty` and `not_empty` have none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub right_value: Value,
    /// What both sides are turned into first; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cast: Option<Cast>,
    /// `or` starts a new group; conditions inside a group must all hold.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: FilterMode,
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equal by value.
    Eq,
    /// Not equal.
    Neq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// A text that holds a text, a list that holds an item, an object that has a key.
    Contains,
    /// The opposite of `contains`.
    NotContains,
    /// Null, `""`, `[]` or `{}`.
    IsEmpty,
    /// Anything else.
    NotEmpty,
    /// A text in which the pattern is found.
    Regex,
}

/// What a filter turns its two sides into before it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cast {
    /// Text.
    String,
    /// An exact number.
    Number,
    /// True or false.
    Boolean,
}

/// How a filter joins the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FilterMode {
    /// Both must hold.
    #[default]
    And,
    /// A new group starts: one whole group must hold.
    Or,
}

/// How often and how soon a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// How many more attempts.
    pub count: u32,
    /// Milliseconds before the first of them.
    #[serde(default = "Retry::default_delay_ms")]
    pub delay_ms: u64,
    /// By how much the delay grows each time.
    #[serde(default = "Retry::default_multiplier")]
    #[schemars(range(min = 1))]
    pub backoff_multiplier: f64,
    /// The longest delay, in milliseconds.
    #[serde(default = "Retry::default_max_delay_ms")]
    pub max_delay_ms: u64,
    /// Whether the delay is drawn between half and all of itself, so that many do not come at once.
    #[serde(default = "super::yes")]
    pub jitter: bool,
}

impl Retry {
    fn default_delay_ms() -> u64 {
        500
    }

    fn default_multiplier() -> f64 {
        2.0
    }

    fn default_max_delay_ms() -> u64 {
        30_000
    }

    /// So many more attempts, with the default delays.
    pub fn times(count: u32) -> Self {
        Self {
            count,
            delay_ms: Self::default_delay_ms(),
            backoff_multiplier: Self::default_multiplier(),
            max_delay_ms: Self::default_max_delay_ms(),
            jitter: true,
        }
    }
}

/// What a failure does to the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// The play fails, after compensation.
    #[default]
    Fail,
    /// The flowlet is FAIL, its output is `{error}`, and the play goes on.
    Continue,
    /// The flowlet is SKIP, and the play goes on.
    Skip,
}

/// What happens when it is not known whether an attempt took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InDoubt {
    /// Repeat, ask or fail.
    pub policy: InDoubtPolicy,
    /// With `ask`: seconds after which the flowlet fails unanswered.
    pub expires_in: Option<u64>,
}

/// Repeat, ask or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InDoubtPolicy {
    /// Try again with the same idempotency key.
    Repeat,
    /// Wait for a person to say what happened.
    Ask,
    /// The flowlet fails.
    Fail,
}

/// The long form of [`InDoubt`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InDoubtFields {
    policy: InDoubtPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

impl<'de> Deserialize<'de> for InDoubt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.as_map().is_some() {
            let InDoubtFields { policy, expires_in } = from_value(&value).map_err(de::Error::custom)?;
            return Ok(Self { policy, expires_in });
        }
        let policy = from_value(&value).map_err(de::Error::custom)?;
        Ok(Self { policy, expires_in: None })
    }
}

impl Serialize for InDoubt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.expires_in {
            None => self.policy.serialize(serializer),
            Some(_) => InDoubtFields { policy: self.policy, expires_in: self.expires_in }.serialize(serializer),
        }
    }
}

impl JsonSchema for InDoubt {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InDoubt".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let short = generator.subschema_for::<InDoubtPolicy>();
        let long = generator.subschema_for::<InDoubtFields>();
        schemars::json_schema!({"anyOf": [short, long]})
    }
}

/// Who must agree before a flowlet runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Any holder of one of these roles may decide; with none, whoever may decide approvals at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Who started the play may not decide; nor may the publisher where a schedule or channel started it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub four_eyes: bool,
    /// How many different people must agree.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1))]
    pub quorum: u32,
    /// Seconds until it expires; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// What an expiry counts as.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_expire: OnExpire,
}

impl Default for Approval {
    fn default() -> Self {
        Self { roles: Vec::new(), four_eyes: false, quorum: 1, expires_in: None, on_expire: OnExpire::Declined }
    }
}

/// What an approval that nobody decided counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnExpire {
    /// As a no: the flowlet fails with `APPROVAL_DECLINED`.
    #[default]
    Declined,
    /// As a yes.
    Approved,
}

fn one() -> u32 {
    1
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

/// `needsApproval` as people write it: yes, no, or the terms.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "NeedsApproval")]
#[allow(dead_code, reason = "only its schema is used")]
enum ApprovalChoice {
    YesOrNo(bool),
    Terms(Approval),
}

fn approval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Approval>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(Approval::default())),
        terms => from_value(&terms).map(Some).map_err(de::Error::custom),
    }
}

fn approval_out<S: Serializer>(approval: &Option<Approval>, serializer: S) -> Result<S::Ok, S::Error> {
    match approval {
        None => serializer.serialize_bool(false),
        Some(terms) if *terms == Approval::default() => serializer.serialize_bool(true),
        Some(terms) => terms.serialize(serializer),
    }
}

/// What undoes a flowlet: a module with arguments, frozen when the flowlet finishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compensate {
    /// The id of the module.
    pub app_id: String,
    /// Its arguments; expressions may also read the output of the flowlet that is undone.
    #[serde(default = "Value::empty_map", skip_serializing_if = "is_empty_map")]
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    pub args: Value,
    /// How often a failed attempt is tried again; five times when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What happens when it is not known whether an attempt took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<InDoubt>,
    /// The peer honours `Idempotency-Key`, so that repeating is safe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotent: bool,
    /// Seconds for one attempt; 300 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// A label of a router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Branch {
    /// The ref of the router.
    pub router: Ref,
    /// The label on which to run.
    pub label: String,
}

fn is_empty_map(value: &Value) -> bool {
    value.as_map().is_some_and(|fields| fields.is_empty())
}

impl Layer {
    /// What people call the flowlet.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::to_value;

    fn read(json: &str) -> Result<Layer, crate::value::ValueError> {
        from_value(&Value::from_json(json.as_bytes()).expect("JSON"))
    }

    #[test]
    fn the_short_and_the_long_forms_mean_the_same() {
        let short = read(r#"{"ref":"a","appId":"var","needsApproval":true,"inDoubt":"ask"}"#).expect("a layer");
        let long = read(
            r#"{"ref":"a","appId":"var","needsApproval":{"quorum":1},"inDoubt":{"policy":"ask","expiresIn":null}}"#,
        )
        .expect("a layer");
        assert_eq!(short, long);
        let off = read(r#"{"ref":"a","appId":"var","needsApproval":false}"#).expect("a layer");
        assert_eq!(off.needs_approval, None);
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let layer = read(r#"{"ref":"a","appId":"var","needsApproval":{"fourEyes":true}}"#).expect("a layer");
        assert_eq!(
            to_value(&layer).expect("JSON").to_json(),
            r#"{"ref":"a","appId":"var","needsApproval":{"fourEyes":true}}"#
        );
    }

    #[test]
    fn an_error_names_the_key() {
        let message = |json: &str| read(json).expect_err("refused").to_string();
        let unknown = message(r#"{"ref":"a","appId":"var","retrys":1}"#);
        assert_eq!(unknown, "retrys: is no key here; did you mean retry?");
        assert!(message(r#"{"ref":"1a","appId":"var"}"#).starts_with("ref: a ref is a letter"));
        assert!(message(r#"{"ref":"a","appId":"var","needsApproval":{"role":"x"}}"#).contains("role: is no key here"));
        assert!(message(r#"{"ref":"a","appId":"var","inDoubt":"maybe"}"#).contains("\"maybe\" is no choice here"));
    }
}
