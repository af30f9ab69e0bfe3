//! [`Peer`]: what flowlets reach outside. It does, refuses, loses, hangs as the dice say, and
//! notes every call; of each it checks that its intent was committed before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use engine::Engine;
use model::Failure;
use model::ids::PlayId;
use model::play::PlayKey;
use model::record::Record;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};

use crate::dice::{Dice, SharedDice};
use crate::fence::Process;
use crate::stage::{PeerArgs, PeerOut};
use crate::watch::Watch;

/// A call as the peer saw it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) play: PlayId,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    /// Whether the peer did what was asked.
    pub(crate) done: bool,
}

/// What flowlets reach outside.
pub(crate) struct Peer {
    dice: SharedDice,
    /// Out of a hundred calls, those that do not simply go well.
    trouble: u64,
    calm: AtomicBool,
    calls: Mutex<Vec<Call>>,
    watch: Arc<Watch>,
    /// Reads what is committed.
    auditor: OnceLock<Arc<Engine>>,
}

impl Peer {
    pub(crate) fn new(mut dice: Dice, watch: Arc<Watch>) -> Self {
        let trouble = *dice.pick(&[0, 20, 50, 80]);
        let auditor = OnceLock::new();
        Self {
            dice: SharedDice::new(dice),
            trouble,
            calm: AtomicBool::new(false),
            calls: Mutex::default(),
            watch,
            auditor,
        }
    }

    pub(crate) fn audited_by(&self, auditor: Arc<Engine>) {
        // Set once, before the first call.
        let _ = self.auditor.set(auditor);
    }

    /// From now on all calls go well.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `call` writes, `put` writes what may be written twice, `look` reads.
    pub(crate) fn modules(self: &Arc<Self>, process: &Arc<Process>) -> Vec<Module> {
        [("call", Nature::WRITE), ("put", Nature::PUT), ("look", Nature::READ)]
            .into_iter()
            .map(|(id, nature)| {
                let (peer, process) = (self.clone(), process.clone());
                Module::effect(id, Group::Control, "Calls the peer.", nature, move |args: PeerArgs, ctx| {
                    let (peer, process) = (peer.clone(), process.clone());
                    async move {
                        process.goes_on().await;
                        let outcome = peer.meet(args, ctx).await;
                        process.goes_on().await;
                        outcome
                    }
                })
            })
            .collect()
    }

    async fn meet(&self, args: PeerArgs, ctx: Arc<EffectCtx>) -> Result<PeerOut, Mishap> {
        self.check_intent(&ctx).await;
        let is_calm = self.calm.load(Ordering::SeqCst);
        let act = self.dice.throw(|dice| {
            if is_calm || !dice.chance(self.trouble) {
                return Act::Do(if dice.chance(50) { Duration::ZERO } else { dice.ms(3_000) });
            }
            match dice.below(10) {
                0..=2 => Act::Refuse,
                3..=4 => Act::DoAndLose,
                5 => Act::Lose,
                6 => Act::Hang,
                7 => Act::DoAndHang,
                _ => Act::Do(dice.ms(120_000)),
            }
        });
        let done = matches!(act, Act::Do(_) | Act::DoAndLose | Act::DoAndHang);
        self.watch.note(|| format!("peer: {} attempt {} of {}: {act:?}", args.name, ctx.attempt, ctx.play.0));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Call {
            play: ctx.play,
            key: ctx.idempotency_key.clone(),
            attempt: ctx.attempt,
            done,
        });
        match act {
            Act::Do(after) => {
                tokio::time::sleep(after).await;
                Ok(PeerOut::of(&args, ctx.attempt))
            }
            Act::Refuse => Err(Mishap::Failed(Failure::new("PEER", "refused"))),
            Act::DoAndLose | Act::Lose => Err(Mishap::Unknown(Failure::new("PEER", "lost"))),
            Act::Hang | Act::DoAndHang => std::future::pending().await,
        }
    }

    /// No effect before its intent is committed.
    async fn check_intent(&self, ctx: &EffectCtx) {
        let Some(auditor) = self.auditor.get() else { return };
        let play = PlayKey { company: ctx.company, play: ctx.play };
        let header = auditor.store().header(play).await.ok().flatten();
        // Of a long play, all records are read for some calls only.
        let chance = if header.is_some_and(|header| header.records > 40) { 10 } else { 60 };
        if !self.dice.throw(|dice| dice.chance(chance)) {
            return;
        }
        let mut keys = std::collections::BTreeMap::new();
        let mut intended = false;
        let read = auditor
            .each_record(play, |entry| {
                match entry.record {
                    Record::Admitted(admission) => keys = admission.keys,
                    Record::Attempting { step, attempt, .. } if attempt == ctx.attempt => {
                        let key = keys.get(&step.layer_id(ctx.play)).cloned();
                        intended |= key.unwrap_or_else(|| step.idempotency_key(ctx.play)) == ctx.idempotency_key;
                    }
                    _ => {}
                }
                true
            })
            .await;
        if read.is_err() || !intended {
            self.watch.breach(format!("attempt {} of {} was made before it was recorded", ctx.attempt, ctx.play.0));
        }
    }
}

#[derive(Debug)]
enum Act {
    /// It does it, and answers after a while.
    Do(Duration),
    Refuse,
    DoAndLose,
    Lose,
    Hang,
    DoAndHang,
}
