//! A flow as people write it: [`FlowDef`], the same shape in JSON and in a YAML file.
//!
//! Reading refuses unknown keys and wrong types. Whether the whole makes sense (refs that
//! exist, no cycle, arguments that fit their module) is checked at publishing, by the engine.

mod layer;
mod names;
mod on;

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use layer::{
    Approval, Branch, Cast, Compensate, Filter, FilterMode, InDoubt, InDoubtPolicy, Layer, OnError, OnExpire, Operator,
    Retry, Sensitive,
};
pub use names::{InvalidName, Ref, Slug};
pub use on::{ANY, On};

use crate::actor::Actor;
use crate::ids::{FlowId, GroupId, UserId};
use crate::payload::Digest;
use crate::time::Timestamp;

/// The definition of a flow: an ordered graph of flowlets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlowDef {
    /// What people call the flow.
    pub name: String,
    /// What it is for, in a sentence or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Stable through all versions; made from the name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_id: Option<Slug>,
    /// A flow that is not enabled runs only with `force`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// A word to sort flows by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The group (folder) it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<GroupId>,
    /// Seconds for a whole play, waiting included; 0 = no limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout: u64,
    /// How many plays may run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Whether a key that the flow's own KV scope lacks is looked up in its group's, then in the global one.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub kv_inherit: bool,
    /// Which scope wins where several have a key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kv_conflict: KvConflict,
    /// What starts it by itself: one thing, or a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "on::one_or_many")]
    pub on: Vec<On>,
    /// What publishing it asks for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub publishing: Publishing,
    /// The flowlets.
    #[serde(default)]
    pub layers: Vec<Layer>,
}

/// A bound on the plays of a flow that run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Concurrency {
    /// How many plays with the same key may hold a slot.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// An expression over `$prev.args` and `$flow`; each result has slots of its own. None: one pool for the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What happens to a play that finds no free slot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_limit: OnLimit,
}

/// What happens to a play that finds no free slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnLimit {
    /// It waits its turn, first in, first out.
    #[default]
    Queue,
    /// It is refused.
    Reject,
}

/// Which KV scope wins where several have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KvConflict {
    /// The widest: global before group before flow.
    Parent,
    /// The narrowest: flow before group before global.
    #[default]
    Child,
    /// Objects are merged, the narrower scope's fields on top; anything else is as `child`.
    Merge,
}

/// What publishing a flow asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publishing {
    /// Whoever changed the draft since the newest version may not publish it: somebody else must. To take this out of
    /// a flow needs somebody else, too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub four_eyes: bool,
}

/// A flow as it is kept: its draft, and where its versions stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The flow's id.
    pub id: FlowId,
    /// The name that outlives versions; unique within the company.
    pub permanent_id: Slug,
    /// What is being edited.
    pub draft: FlowDef,
    /// Rises by one with every edit of the draft.
    pub revision: u64,
    /// The revision of the draft that the newest version was made from.
    #[serde(default)]
    pub published_revision: Option<u64>,
    /// The version that runs; none before the first publishing.
    #[serde(default)]
    pub version: Option<u32>,
    /// What starts that version by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<On>,
    /// How many versions were ever made.
    #[serde(default)]
    pub last_version: u32,
    /// Who changed the draft since the newest version was made, each once. It has no more entries than the company
    /// has people, and one for the command line.
    #[serde(default)]
    pub editors: Vec<Actor>,
    /// Whether the newest version asks for four eyes.
    #[serde(default)]
    pub four_eyes: bool,
    /// When the flow was made.
    pub created_at: Timestamp,
    /// When the draft last changed.
    pub updated_at: Timestamp,
}

/// One published version of a flow. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowVersion {
    /// The flow it is a version of.
    pub flow: FlowId,
    /// From 1.
    pub version: u32,
    /// The digest of what runs, under which it is kept.
    pub definition: Digest,
    /// When it was published.
    pub published_at: Timestamp,
    /// Who published it; none where it was not a person.
    #[serde(default)]
    pub published_by: Option<UserId>,
}

/// The component that serves each kind, by kind: its id or its name.
pub type ComponentChoice = BTreeMap<String, Option<String>>;

fn yes() -> bool {
    true
}

fn is_yes(truth: &bool) -> bool {
    *truth
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Flow {
    /// Whether publishing needs somebody who did not change the draft: the draft says so, or the version that runs.
    pub fn needs_four_eyes(&self) -> bool {
        self.four_eyes || self.draft.publishing.four_eyes
    }

    /// Notes who changed the draft. A person counts once, whichever key of theirs they use.
    pub fn edited_by(&mut self, actor: &Actor) {
        if !self.editors.iter().any(|known| known.is_same_person(actor)) {
            self.editors.push(actor.clone());
        }
    }
}

impl FlowDef {
    /// The slug that the flow goes by: the one given, else one made of its name.
    pub fn slug(&self) -> Slug {
        self.permanent_id.clone().unwrap_or_else(|| Slug::from_name(&self.name))
    }

    /// Where the flowlet of that ref stands in `layers`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| *layer.name == *name)
    }

    /// The index of each flowlet: the one given; else 0, or one more than the highest of those it
    /// depends on. In a circle of dependencies an index that is not given counts as 0.
    pub fn indexes(&self) -> Vec<u32> {
        let places: HashMap<&str, usize> =
            self.layers.iter().enumerate().map(|(at, layer)| (&*layer.name, at)).collect();
        let mut indexes: Vec<Option<u32>> = self.layers.iter().map(|layer| layer.index).collect();
        let mut entered = vec![false; self.layers.len()];
        for first in 0..self.layers.len() {
            // Depth first without recursion: flows come from outside, and may be one long chain.
            let mut path = vec![first];
            while let Some(at) = path.last().copied() {
                if indexes[at].is_some() {
                    path.pop();
                    continue;
                }
                let deps = self.layers[at].depends_on.iter().filter_map(|name| places.get(&**name).copied());
                let before = path.len();
                if !std::mem::replace(&mut entered[at], true) {
                    path.extend(deps.clone().filter(|dep| indexes[*dep].is_none() && !entered[*dep]));
                }
                if path.len() == before {
                    indexes[at] =
                        Some(deps.filter_map(|dep| indexes[dep]).map(|dep| dep.saturating_add(1)).max().unwrap_or(0));
                }
            }
        }
        indexes.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, from_value};

    fn indexes(layers: &str) -> Vec<u32> {
        let text = format!(r#"{{"name":"x","layers":[{layers}]}}"#);
        let def: FlowDef = from_value(&Value::from_json(text.as_bytes()).expect("JSON")).expect("a flow");
        def.indexes()
    }

    #[test]
    fn an_index_that_is_left_out_follows_from_what_is_waited_for() {
        let layers = r#"{"ref":"end","appId":"var","dependsOn":["b","c"]},{"ref":"a","appId":"var"},
            {"ref":"b","appId":"var","index":4},{"ref":"c","appId":"var","dependsOn":["a"]}"#;
        assert_eq!(indexes(layers), [5, 0, 4, 1]);
    }

    #[test]
    fn a_circle_has_indexes_too() {
        let layers =
            r#"{"ref":"a","appId":"var","dependsOn":["b"]},{"ref":"b","appId":"var","dependsOn":["a","a","b"]}"#;
        assert_eq!(indexes(layers), [1, 0]);
        assert_eq!(indexes(r#"{"ref":"a","appId":"var","dependsOn":["gone"]}"#), [0]);
    }
}
