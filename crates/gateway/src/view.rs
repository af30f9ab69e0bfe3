//! How the API shows plays and their flowlets.

use std::collections::BTreeMap;

use engine::history::LayerRow;
use engine::plan::Plan;
use model::actor::Actor;
use model::failure::Failure;
use model::ids::{FlowId, LayerId, PlayId, ReplicaId};
use model::play::{Compensation, LayerState, PlayHeader, PlayState, Trigger};
use model::record::WaitOn;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::Serialize;

/// A play.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlayView {
    pub(crate) id: PlayId,
    pub(crate) flow_id: FlowId,
    /// The name that outlives versions.
    pub(crate) permanent_id: String,
    pub(crate) flow_name: String,
    /// The version it runs; 0 for a draft that was forced.
    pub(crate) version: u32,
    pub(crate) state: PlayState,
    pub(crate) trigger: Trigger,
    /// Who started it.
    pub(crate) actor: Actor,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created_at: Timestamp,
    /// Not to begin before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// Milliseconds from the beginning to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<u64>,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// The play whose flowlet started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<PlayId>,
    /// The play because of which it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause_id: Option<PlayId>,
    /// The play that it retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_of: Option<PlayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failure>,
    /// The flowlet that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_ref: Option<String>,
    /// How the undoing went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compensation: Option<Compensation>,
    /// What it was started with; only where one play is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Value>,
    /// What it gave; only where one play is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<Value>,
}

impl PlayView {
    pub(crate) fn of(header: PlayHeader) -> Self {
        let since = header.started_at.unwrap_or(header.created_at);
        Self {
            id: header.key.play,
            flow_id: header.flow.id,
            permanent_id: header.flow.permanent_id.to_string(),
            flow_name: header.flow.name,
            version: header.flow.version,
            state: header.state,
            trigger: header.trigger,
            actor: header.actor,
            labels: header.labels,
            created_at: header.created_at,
            start_at: header.start_at,
            started_at: header.started_at,
            ended_at: header.ended_at,
            duration: header.ended_at.map(|at| at.since(since).as_millis() as u64),
            due: header.due.filter(|_| !header.state.is_ended()),
            parent_id: header.parent.map(|parent| parent.play),
            cause_id: header.cause.map(|cause| cause.play),
            retry_of: header.retry_of,
            error: header.error,
            failed_ref: header.failed_ref,
            compensation: header.compensation,
            args: None,
            out: None,
        }
    }
}

/// The record of one flowlet inside a play.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayerView {
    pub(crate) id: LayerId,
    #[serde(rename = "ref")]
    pub(crate) name: String,
    /// What people call the flowlet.
    #[serde(rename = "name", skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) app_id: String,
    pub(crate) index: u32,
    pub(crate) state: LayerState,
    /// Inside loops: the round of each, from the outermost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub(crate) items: Vec<u32>,
    /// It undoes the flowlet of that ref.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub(crate) compensates: bool,
    pub(crate) attempts: u32,
    pub(crate) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<u64>,
    /// Who made the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replica: Option<ReplicaId>,
    /// The arguments as they were resolved; secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Value>,
    /// The output; a large one is fetched from `outUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<Value>,
    /// Where a large output is to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failure>,
    /// An event's key, or the play that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for: Option<String>,
    /// Until when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// The play that it was taken over from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reused_from: Option<PlayId>,
}

impl LayerView {
    pub(crate) fn of(plan: &Plan, row: &LayerRow) -> Self {
        let layer = plan.layer(&row.step);
        Self {
            id: row.id,
            name: layer.name().to_owned(),
            title: layer.def.title.clone(),
            app_id: layer.def.app_id.clone(),
            index: layer.index,
            state: row.state,
            items: row.step.items.to_vec(),
            compensates: row.step.undo,
            attempts: row.attempts,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration: row.ended_at.map(|at| at.since(row.started_at).as_millis() as u64),
            replica: row.replica,
            args: None,
            out: None,
            out_url: None,
            error: row.error.clone(),
            waits_for: row.waits_for.as_ref().and_then(|on| match on {
                WaitOn::Until(_) => None,
                WaitOn::Event(key) => Some(key.clone()),
                WaitOn::Play(play) => Some(play.to_string()),
            }),
            until: row.until,
            reused_from: row.reused_from,
        }
    }
}
