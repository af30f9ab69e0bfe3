//! The way from an outside event to plays, the same for every kind of channel: admitted exactly once, with what is
//! written down of it in the play's own commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::driver::{Admit, AdmitError, Foreseen, Patience, Report, RequestInfo};
use model::actor::{Actor, ActorKind};
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, PlayId};
use model::payload::Digest;
use model::play::Trigger;
use model::time::Timestamp;
use model::value::Value;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::door::Guest;
use crate::log::Logged;
use crate::route::Route;
use crate::table::Counts;

/// What somebody outside wants of a route.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What the flow gets.
    pub args: Value,
    /// The ids that its plays get, one for each flow: made with [`Engine::new_id`].
    pub plays: Vec<PlayId>,
    /// What stands for the wish: the same starts one play.
    pub key: Option<String>,
    /// What must be the same where the key comes again.
    pub same: Digest,
    /// Who wants it, where that is known.
    pub guest: Option<Guest>,
    /// A signature that may be used once, and until when it would pass again.
    pub once: Option<(String, Timestamp)>,
    /// Its method, path and bytes, for the log of the channel.
    pub shown: (String, String, u64),
    /// The request behind it.
    pub request: RequestInfo,
}

/// What became of a wish.
#[derive(Debug)]
pub struct Outcome {
    /// The plays: that of the first flow first.
    pub reports: Vec<Report>,
}

/// Why nothing became of it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A play was not admitted.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// A play was not admitted, after others were.
    #[error("some plays were started, and then: {0}")]
    Partly(AdmitError),
    /// The same signed request has come before.
    #[error("this request has come before")]
    Replayed,
}

impl Refused {
    /// Whether it is certain that no play was started.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Replayed => true,
            // Where the store failed, the play may have been born all the same.
            Self::Admit(error) => !matches!(error, AdmitError::Store(_) | AdmitError::Internal(_)),
            Self::Partly(_) => false,
        }
    }
}

/// What is remembered of a signature.
#[derive(Serialize, Deserialize)]
struct Seen {
    /// The idempotency key that came with it.
    key: Option<String>,
}

/// Whose channel and route something is wanted of.
pub(crate) struct Wish<'w> {
    pub(crate) company: CompanyId,
    pub(crate) channel: &'w Channel,
    pub(crate) route: &'w Route,
    pub(crate) counts: Option<&'w Counts>,
}

impl Wish<'_> {
    /// Starts the plays of a route. Each of its flows is admitted by itself: where the process ends between two, the
    /// same request that comes again starts those that are missing.
    pub(crate) async fn grant(
        &self,
        engine: &Arc<Engine>,
        wanted: Wanted,
        wait: Option<Duration>,
    ) -> Result<Outcome, Refused> {
        // Somebody waits for an answer, not for the flow to come to a wait.
        let patience = wait.map(|most| Patience { most, waits_on: true });
        if self.route.target_flow_ids.len() > 1 {
            self.check_targets(engine).await?;
        }
        let mut reports = Vec::with_capacity(wanted.plays.len());
        let mut entry = self.entry(engine, &wanted);
        for (flow, play) in self.route.target_flow_ids.iter().zip(&wanted.plays) {
            let admitted = self.admit(engine, &wanted, (flow, *play), entry.take(), patience).await;
            match admitted {
                Ok(report) => reports.push(report),
                Err(Refused::Replayed) if self.route.target_flow_ids.len() > 1 => {}
                Err(Refused::Admit(error)) if !reports.is_empty() => return Err(Refused::Partly(error)),
                Err(error) => return Err(error),
            }
        }
        if reports.is_empty() { Err(Refused::Replayed) } else { Ok(Outcome { reports }) }
    }

    /// Whether each of several flows can run: better none of them starts than some.
    async fn check_targets(&self, engine: &Arc<Engine>) -> Result<(), AdmitError> {
        for flow in &self.route.target_flow_ids {
            if !engine.published(self.company, flow).await?.enabled {
                return Err(AdmitError::Disabled(flow.clone()));
            }
        }
        Ok(())
    }

    async fn admit(
        &self,
        engine: &Arc<Engine>,
        wanted: &Wanted,
        (flow, play): (&String, PlayId),
        entry: Option<DocWrite>,
        patience: Option<Patience>,
    ) -> Result<Report, Refused> {
        let seen = wanted.once.as_ref().map(|once| self.seen(wanted, once, flow));
        let foreseen = Some(Foreseen { play, same: wanted.same });
        let admit = Admit {
            company: self.company,
            flow: flow.clone(),
            args: wanted.args.clone(),
            actor: self.actor(wanted.guest.as_ref()),
            trigger: Trigger::Channel,
            labels: BTreeMap::new(),
            idempotency_key: wanted.key.as_ref().map(|key| self.scoped(key)),
            start_at: None,
            force: false,
            request: wanted.request.clone(),
            docs: seen.iter().cloned().chain(entry.clone()).collect(),
        };
        let again = Admit { docs: entry.into_iter().collect(), ..admit.clone() };
        let key = match engine.admit_as(admit, foreseen, patience).await {
            Err(AdmitError::Overtaken(key)) if seen.as_ref().is_some_and(|seen| seen.key == key) => key,
            ended => return Ok(ended?),
        };
        // It has come before. With the idempotency key it came with, it is the same wish, and has the same answer.
        let doc = engine.store().doc(&key).await.map_err(AdmitError::Store)?;
        let known = doc.and_then(|doc| doc.read::<Seen>().ok()).and_then(|seen| seen.key);
        if known.is_none() || known != wanted.key {
            return Err(Refused::Replayed);
        }
        Ok(engine.admit_as(again, foreseen, patience).await?)
    }

    fn actor(&self, guest: Option<&Guest>) -> Actor {
        let name = match guest {
            Some(guest) => format!("{} by {}", self.channel.definition.name, guest.name),
            None => self.channel.definition.name.clone(),
        };
        Actor { kind: ActorKind::Channel, id: Some(self.channel.id), name, user: guest.and_then(|guest| guest.user) }
    }

    /// An idempotency key counts within its route. Its digest stands for it, however long it is.
    fn scoped(&self, key: &str) -> String {
        format!("channel/{}/{}/{}", self.channel.id, self.route.id, Digest::of(key.as_bytes()))
    }

    fn seen(&self, wanted: &Wanted, (digest, until): &(String, Timestamp), flow: &str) -> DocWrite {
        let id = format!("seen/{}/{}/{digest}", self.channel.id, Digest::of(flow.as_bytes()));
        let key = DocKey::new(self.company, DocKind::ChannelRequest, id);
        DocWrite::put(key, Expect::Absent, &Seen { key: wanted.key.clone() }).expiring(*until)
    }

    /// What is written down of a request, unless too many came.
    fn entry(&self, engine: &Engine, wanted: &Wanted) -> Option<DocWrite> {
        let entry =
            Logged { play_ids: wanted.plays.clone(), ..self.seen_as(engine, wanted.shown.clone(), &wanted.request) };
        self.counts?.log.write(self.company, self.channel.id, entry)
    }

    /// Writes down what starts no play, unless too much of it came: why not, and with which status it was refused,
    /// where somebody waits for an answer.
    pub(crate) async fn note_refused(
        &self,
        engine: &Arc<Engine>,
        shown: (String, String, u64),
        request: &RequestInfo,
        (status, why): (Option<u16>, &str),
    ) {
        let entry = Logged { status, error: Some(why.to_owned()), ..self.seen_as(engine, shown, request) };
        let Some(counts) = self.counts else { return };
        let Some(entry) = counts.log.write(self.company, self.channel.id, entry) else { return };
        if let Err(error) = engine.store().commit(Batch { docs: vec![entry], ..Batch::default() }).await {
            tracing::warn!(%error, "what was refused is not in the log of its channel");
        }
    }

    fn seen_as(&self, engine: &Engine, (method, path, bytes): (String, String, u64), request: &RequestInfo) -> Logged {
        Logged {
            id: engine.new_id(),
            at: engine.now(),
            route_id: self.route.id,
            route_name: self.route.name.clone(),
            method,
            path,
            ip: request.ip.clone(),
            bytes,
            request_id: request.id.clone().unwrap_or_default(),
            play_ids: Vec::new(),
            status: None,
            error: None,
        }
    }
}

/// Ids for the plays of a route.
pub(crate) fn foresee(engine: &Engine, route: &Route) -> Vec<PlayId> {
    route.target_flow_ids.iter().map(|_| PlayId(engine.new_id())).collect()
}

/// Whether a flow makes its answer itself.
pub(crate) async fn responds(engine: &Engine, report: &Report) -> bool {
    let plan = engine.plan_for(&report.header).await;
    plan.is_ok_and(|plan| plan.def.layers.iter().any(|layer| &*layer.app_id == "respond"))
}
