//! [`On`]: what starts a flow by itself, without a channel or a schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FlowDef;
use crate::limits::{KEY_CHARS, LISTENED_TO};
use crate::play::PlayState;

/// Any flow.
pub const ANY: &str = "*";

/// Something that starts a flow: exactly one of `flow`, `approval` and `kv`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct On {
    /// The end of a play of this flow: its permanent id or its id, `*` for any flow but this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// The states in which that play ends: `DONE` where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<PlayState>,
    /// That a play of this flow waits for an approval: as `flow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// A change of this key in the global scope, by another flow or a person; with `*` at its end, of all that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<String>,
}

/// States in which a play may end and start another.
const ENDS: [PlayState; 4] = [PlayState::Done, PlayState::Fail, PlayState::Filtered, PlayState::Canceled];

impl On {
    /// What is wrong with it.
    fn problem(&self) -> Option<String> {
        let given = [&self.flow, &self.approval, &self.kv].into_iter().flatten().collect::<Vec<_>>();
        let [what] = given[..] else { return Some("give one of flow, approval and kv".to_owned()) };
        if what.is_empty() || what.chars().count() > KEY_CHARS {
            return Some(format!("has from 1 to {KEY_CHARS} characters"));
        }
        if self.flow.is_none() && !self.states.is_empty() {
            return Some("states go with flow".to_owned());
        }
        let odd = self.states.iter().find(|state| !ENDS.contains(state))?;
        Some(format!("a play does not end in {odd}: give some of DONE, FAIL, FILTERED, CANCELED"))
    }

    /// Whether the end of a play in that state is meant.
    pub fn is_end(&self, state: PlayState) -> bool {
        if self.states.is_empty() { state == PlayState::Done } else { self.states.contains(&state) }
    }
}

impl FlowDef {
    /// What is wrong with what starts the flow by itself: where, and what.
    pub fn listening_problems(&self) -> Vec<(String, String)> {
        let mut problems: Vec<_> =
            (self.on.iter().enumerate()).filter_map(|(at, on)| Some((format!("on[{at}]"), on.problem()?))).collect();
        if self.on.len() > LISTENED_TO {
            problems.push(("on".to_owned(), format!("has at most {LISTENED_TO} entries")));
        }
        problems
    }
}

/// One entry stands for a list of it.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<On>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<On>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("what starts the flow, or a list of that")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Vec<On>, A::Error> {
            On::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|on| vec![on])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<On>, A::Error> {
            let mut all = Vec::new();
            while let Some(on) = list.next_element()? {
                all.push(on);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Visitor)
}
