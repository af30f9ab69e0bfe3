//! What came of a trial, as it may be shown.

use model::failure::Failure;
use model::record::LogLine;
use model::value::Value;

use super::{Reads, Tried};
use crate::hush::Hush;
use crate::mask::mask;
use crate::plan::PlanLayer;

/// The same, as it may be shown: without what is sensitive, and without any secret that was read.
pub(super) fn masked(tried: Tried, layer: &PlanLayer, reads: &Reads) -> Tried {
    let mut hush = Hush::default();
    reads.secrets.values().flatten().for_each(|secret| hush.learn(secret));
    let text = |text: &str| hush.text(text);
    let show = |value: Value, pointers: &[String]| mask(&value, "", pointers, &text);
    Tried {
        state: tried.state,
        args: tried.args.map(|args| show(args, &layer.work.sensitive_args)),
        out: tried.out.map(|out| show(out, &layer.work.sensitive_out)),
        error: tried.error.map(|error| Failure {
            message: text(&error.message),
            details: error.details.map(|details| show(details, &[])),
            ..error
        }),
        log: tried
            .log
            .into_iter()
            .map(|line| LogLine { message: text(&line.message), data: show(line.data, &[]), ..line })
            .collect(),
    }
}
