//! The rows of the audit log about plays. Each stands in the batch that it describes.

use model::actor::Actor;
use model::audit::AuditRow;
use model::play::PlayHeader;
use model::record::Record;
use model::time::Timestamp;
use model::value::{Value, to_value};

use super::RequestInfo;
use crate::decide::Command;

/// Somebody did something to a play.
pub(super) fn of_play(
    header: &PlayHeader,
    actor: &Actor,
    action: &str,
    after: Value,
    request: &RequestInfo,
    now: Timestamp,
) -> AuditRow {
    AuditRow {
        company: header.key.company,
        at: now,
        actor: actor.clone(),
        action: action.to_owned(),
        entity: "play".into(),
        entity_id: header.key.play.to_string(),
        before: Value::Null,
        after,
        request_id: request.id.clone(),
        ip: request.ip.clone(),
    }
}

/// Somebody's command was taken, and led to these records.
pub(super) fn of_command(
    header: &PlayHeader,
    command: &Command,
    records: &[Record],
    request: &RequestInfo,
    now: Timestamp,
) -> AuditRow {
    let row = |actor: &Actor, action: &str, after: Value| of_play(header, actor, action, after, request, now);
    let text = |text: &Option<String>| Value::from(text.clone());
    match command {
        Command::Approve { layer, approved, note, actor, .. } => {
            let seen = records.iter().find_map(|record| match record {
                Record::ApprovalGiven { seen, .. } => *seen,
                _ => None,
            });
            let decision = if *approved { "approved" } else { "declined" };
            let layer = layer.to_string();
            let after = Value::map([
                ("layerId", Value::from(layer)),
                ("decision", decision.into()),
                ("note", text(note)),
                ("digest", text(&seen.map(|seen| seen.to_string()))),
            ]);
            row(actor, "play.approve", after)
        }
        Command::Resolve { layer, decision, note, actor, .. } => {
            let decision = to_value(decision).unwrap_or_default();
            let after =
                Value::map([("layerId", Value::from(layer.to_string())), ("decision", decision), ("note", text(note))]);
            row(actor, "play.resolve", after)
        }
        Command::Cancel { compensate, reason, actor } => {
            let after = Value::map([("compensate", Value::from(*compensate)), ("reason", text(reason))]);
            row(actor, "play.cancel", after)
        }
        Command::Hold { actor } => row(actor, "play.hold", Value::Null),
        Command::Resume { actor } => row(actor, "play.resume", Value::Null),
    }
}
