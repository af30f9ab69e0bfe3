//! Whoever waits for a play: told when it has answered, when it has ended or comes to wait, wherever it is.
//!
//! A `respond` flowlet of the flow itself answers as soon as it is committed; the play goes on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::batch::WaitKind;
use model::payload::Payload;
use model::play::{PlayHeader, PlayKey, PlayState as Standing};
use model::record::{Record, StepId, Verdict};
use model::value::Value;
use store::{StoreError, WaitQuery};
use tokio::sync::oneshot;

use super::asked::{FIRST_LOOK, LONGEST_LOOK};
use super::facts::ReadError;
use super::play::Running;
use super::{AdmitError, Engine, Report};

impl Running {
    /// What the play has answered, where it has.
    pub(super) fn answered(&self) -> impl Future<Output = Option<Value>> + use<> {
        let answer = self.state.answer.clone().filter(|_| self.state.has_answered(&self.plan));
        self.engine.clone().given(self.key(), answer)
    }

    /// Tells whoever waits what the play has answered, where it has. All that the play knows must be committed.
    pub(super) async fn tell_of_answer(&mut self) {
        if self.watchers.is_empty() {
            return;
        }
        if let Some(answer) = self.answered().await {
            self.tell(Some(answer));
        }
    }

    /// Tells whoever waits that the play has ended or come to wait.
    pub(super) async fn tell_watchers(&mut self) {
        if self.watchers.is_empty() {
            return;
        }
        let out = match self.out.clone() {
            Some(out) => self.engine.clone().given(self.key(), Some(out)).await,
            None => self.answered().await,
        };
        self.tell(out);
    }

    fn tell(&mut self, out: Option<Value>) {
        for watcher in self.watchers.drain(..) {
            // Whoever waited may have gone away.
            let _ = watcher.send(Report { header: self.header.clone(), out: out.clone(), replayed: false });
        }
    }
}

/// How long somebody waits for a play to answer or to end.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// At most so long.
    pub most: Duration,
    /// Whether they wait on while the play waits for a time, an event or another play. Where a person has to do
    /// something first, nobody waits.
    pub waits_on: bool,
}

impl From<Duration> for Patience {
    /// Until the play waits for anything.
    fn from(most: Duration) -> Self {
        Self { most, waits_on: false }
    }
}

impl Engine {
    /// Whether a play goes on when a person has done something, and not before.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn needs_somebody(&self, play: &PlayHeader) -> Result<bool, StoreError> {
        if play.state != Standing::Wait {
            return Ok(play.state == Standing::OnHold);
        }
        let PlayKey { company, play } = play.key;
        for kind in [WaitKind::Approval, WaitKind::InDoubt] {
            let query = WaitQuery { company, kind, play: Some(play), skip: 0, limit: 1 };
            if !self.parts.store.waits(&query).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a play waits for something that nobody waits on for.
    async fn is_at_rest(&self, play: &PlayHeader, patience: Patience) -> Result<bool, StoreError> {
        if patience.waits_on {
            return self.needs_somebody(play).await;
        }
        Ok(matches!(play.state, Standing::Wait | Standing::OnHold))
    }

    /// Waits for a play, as long as somebody wants to.
    pub(super) async fn await_end(
        self: &Arc<Self>,
        report: Report,
        patience: Option<Patience>,
        watched: oneshot::Receiver<Report>,
    ) -> Result<Report, AdmitError> {
        let Some(patience) = patience else { return Ok(report) };
        if report.out.is_some() {
            return Ok(report);
        }
        if report.header.state.is_ended() {
            return self.with_output(report).await;
        }
        let over = self.parts.world.sleep(patience.most);
        tokio::pin!(over);
        let replayed = report.replayed;
        tokio::select! {
            biased;
            told = watched => match told {
                Ok(told) if told.out.is_none() && !told.header.state.is_ended() => {
                    let told = Report { replayed, ..told };
                    match self.is_at_rest(&told.header, patience).await? {
                        true => Ok(told),
                        false => self.watch_from_afar(told, patience, over).await,
                    }
                }
                Ok(told) => Ok(Report { replayed, ..told }),
                // Another replica has it, or it was let go.
                Err(_) => self.watch_from_afar(report, patience, over).await,
            },
            () = &mut over => self.as_it_stands(report).await,
        }
    }

    /// Looks at a play in the store until it has answered, has ended or is at rest, or time is over.
    async fn watch_from_afar(
        &self,
        mut report: Report,
        patience: Patience,
        mut over: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Report, AdmitError> {
        let mut pause = FIRST_LOOK;
        let may_answer = self.plan_for(&report.header).await.is_ok_and(|plan| plan.responders().next().is_some());
        let mut read = 0;
        loop {
            report = self.as_it_stands(report).await?;
            if may_answer && report.out.is_none() && report.header.records > read {
                report.out = self.answer_from(report.header.key, &mut read).await.map_err(unread)?;
            }
            let is_over = report.out.is_some() || report.header.state.is_ended() || self.is_draining();
            if is_over || self.is_at_rest(&report.header, patience).await? {
                return Ok(report);
            }
            tokio::select! {
                biased;
                () = &mut over => return Ok(report),
                () = self.parts.world.sleep(pause) => pause = (pause * 2).min(LONGEST_LOOK),
            }
        }
    }

    async fn as_it_stands(&self, report: Report) -> Result<Report, AdmitError> {
        let header = self.parts.store.header(report.header.key).await?.unwrap_or(report.header);
        let report = Report { header, ..report };
        if report.header.state.is_ended() { self.with_output(report).await } else { Ok(report) }
    }

    async fn with_output(&self, report: Report) -> Result<Report, AdmitError> {
        let out = self.output_of(report.header.key).await.map_err(unread)?;
        Ok(Report { out: Some(out), ..report })
    }

    /// What a play answers among its records from a place on; that place moves on behind them.
    async fn answer_from(&self, play: PlayKey, from: &mut u64) -> Result<Option<Value>, ReadError> {
        let mut answer = None;
        self.each_record_from(play, from, |entry| {
            answer = answer_in(entry.record);
            answer.is_none()
        })
        .await?;
        match answer {
            Some(answer) => self.shown(play, &answer).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The answer that a record makes: one of a loop is none.
fn answer_in(record: Record) -> Option<Payload> {
    match record {
        Record::StepEnded(end) if end.verdict == Verdict::Respond && is_of_flow(&end.step) => {
            Some(end.out.unwrap_or_default())
        }
        _ => None,
    }
}

fn is_of_flow(step: &StepId) -> bool {
    step.items.is_empty() && !step.undo
}

fn unread(error: ReadError) -> AdmitError {
    match error {
        ReadError::Store(error) => AdmitError::Store(error),
        other => AdmitError::Internal(other.to_string()),
    }
}
