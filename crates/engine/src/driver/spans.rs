//! [`Span`]: one thing that took a while, for whoever keeps traces. They are handed over where
//! somebody takes them; where nobody does, none are made.

use std::sync::OnceLock;

use model::payload::Digest;
use model::record::StepId;
use model::time::Timestamp;
use model::trace::{SpanId, TraceParent};
use tokio::sync::mpsc;

use super::Engine;
use super::play::Running;
use crate::decide::AttemptEnd;

/// What kind of thing took a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Something inside.
    Internal,
    /// A request was answered.
    Server,
    /// Somebody was asked.
    Client,
}

/// One thing that took a while.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its trace, and what it is in it.
    pub at: TraceParent,
    /// What it is a part of; none where it is the whole.
    pub parent: SpanId,
    /// What it was.
    pub name: String,
    /// What kind of thing.
    pub kind: SpanKind,
    /// From when.
    pub began: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// Whether it went wrong.
    pub is_error: bool,
    /// More about it. Never anything that a flow computes.
    pub attributes: Vec<(&'static str, String)>,
}

/// Who takes spans, if somebody does.
#[derive(Debug, Default)]
pub(super) struct Spans(OnceLock<Taker>);

#[derive(Debug)]
struct Taker {
    spans: mpsc::Sender<Span>,
    /// Of the traces that begin here, the part that is kept: 0 for none, 1 for all.
    share: f64,
}

impl Taker {
    /// Whether a trace is kept that begins here. It follows from the trace alone.
    fn keeps(&self, trace: &[u8; 16]) -> bool {
        let Digest(bytes) = Digest::of(trace);
        let drawn = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        f64::from(drawn) < self.share * (f64::from(u32::MAX) + 1.0)
    }
}

impl Engine {
    /// Hands spans over from now on: those of traces that somebody else began and keeps, and of those that
    /// begin here a share, from 0 to 1. What does not fit is dropped, and counted. The first who asks for them
    /// gets them.
    pub fn hand_spans_to(&self, spans: mpsc::Sender<Span>, share: f64) {
        let _ = self.spans.0.set(Taker { spans, share });
    }

    /// Whether somebody takes spans.
    pub fn takes_spans(&self) -> bool {
        self.spans.0.get().is_some()
    }

    /// The place of something new in a trace: below what it comes from, or of a trace of its own.
    /// None where nobody takes spans.
    pub fn span_below(&self, parent: Option<TraceParent>) -> Option<TraceParent> {
        let taker = self.spans.0.get()?;
        let mut bytes = [0; 24];
        bytes[..12].copy_from_slice(self.new_id().as_bytes());
        bytes[12..].copy_from_slice(self.new_id().as_bytes());
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&bytes[..16]);
        span.copy_from_slice(&bytes[16..]);
        let span = SpanId(span);
        let own = || TraceParent { trace, span, is_sampled: taker.keeps(&trace) };
        Some(parent.map_or_else(own, |parent| parent.at(span)))
    }

    /// The beginning of a trace that nobody else has begun; none where nobody takes spans.
    pub(super) fn new_trace(&self) -> Option<TraceParent> {
        self.span_below(None).map(|own| own.at(SpanId::default()))
    }

    /// Hands a span over, where somebody takes it and the trace is kept.
    pub fn span(&self, span: Span) {
        let Some(taker) = self.spans.0.get().filter(|_| span.at.is_sampled) else { return };
        if taker.spans.try_send(span).is_err() {
            self.figures.span_was_dropped();
        }
    }
}

impl Running {
    /// The play has ended, and that is durable.
    pub(super) fn tell_of_end(&self) {
        let header = &self.header;
        let (Some(trace), Some(ended)) = (header.trace, header.ended_at) else { return };
        self.engine.span(Span {
            at: trace.at(SpanId::of_play(header.key.play)),
            parent: trace.span,
            name: format!("play {}", header.flow.permanent_id),
            kind: SpanKind::Internal,
            began: header.created_at,
            ended,
            is_error: header.state == model::play::PlayState::Fail,
            attributes: vec![
                ("flow8.play", header.key.play.to_string()),
                ("flow8.flow", header.flow.id.to_string()),
                ("flow8.company", header.key.company.to_string()),
                ("flow8.state", header.state.as_str().to_owned()),
            ],
        });
    }

    /// What an attempt sends to its peer, so that the peer's part is found in the trace.
    pub(super) fn traceparent(&self, step: &StepId, attempt: u32) -> Option<TraceParent> {
        let trace = self.header.trace?;
        let is_told = self.engine.spans.0.get().is_some();
        let own = SpanId::of_attempt(step.layer_id(self.key().play), attempt);
        // Without spans of our own, whoever called is the nearest that anybody knows of.
        if is_told { Some(trace.at(own)) } else { Some(trace).filter(|trace| !trace.span.is_none()) }
    }

    /// The span of an attempt, but for its end.
    pub(super) fn attempt_span(&self, step: &StepId, attempt: u32, began: Timestamp) -> Option<Span> {
        self.engine.spans.0.get()?;
        let at = self.traceparent(step, attempt)?;
        let module = self.plan.work(step).module.id;
        Some(Span {
            at,
            parent: SpanId::of_play(self.key().play),
            name: format!("{module} {}", self.plan.layer(step).name()),
            kind: SpanKind::Client,
            began,
            ended: began,
            is_error: false,
            attributes: vec![
                ("flow8.play", self.key().play.to_string()),
                ("flow8.flow", self.header.flow.id.to_string()),
                ("flow8.module", module.to_owned()),
                ("flow8.attempt", attempt.to_string()),
            ],
        })
    }
}

impl Span {
    /// The same, with its end.
    pub(super) fn ends(self, ended: Timestamp, end: &AttemptEnd) -> Self {
        Self { ended, is_error: !matches!(end, AttemptEnd::Ok(_)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_traces_that_begin_here_a_share_is_kept() {
        for (share, least, most) in [(0.0, 0, 0), (0.001, 2, 30), (0.25, 2_300, 2_700), (1.0, 10_000, 10_000)] {
            let taker = Taker { spans: mpsc::channel(1).0, share };
            let kept = (0..10_000_u128).filter(|trace| taker.keeps(&trace.to_be_bytes())).count();
            assert!((least..=most).contains(&kept), "{share}: {kept}");
        }
    }
}
