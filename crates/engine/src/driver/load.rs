//! A play comes back into memory: read, folded, and told what happened meanwhile.

use std::sync::Arc;

use model::batch::Message;
use model::codec;
use model::payload::Payload;
use model::play::{PlayKey, SlotPlace};
use model::record::{MessageBody, Record, StepId};
use store::keys::KeysError;
use store::{Conflict, Loaded, StoreError};

use super::commit::{Abandoned, NotCommitted, decode_records, look_again};
use super::play::{Note, Running};
use super::plays::Inbox;
use super::tail::Tail;
use super::{Engine, EngineError, RequestInfo};
use crate::decide::{Input, Refusal};
use crate::flows::FlowError;
use crate::plan::Plan;
use crate::state::{At, Phase, PlayState};

/// Plays that are read at once. Of more, none would be here sooner, and others would wait for the store.
pub(super) const LOADS: usize = 16;

/// Brings a play into memory and runs it until it is let go.
async fn wake(engine: Arc<Engine>, play: PlayKey, mut inbox: Inbox) {
    let turn = engine.loads.acquire().await;
    let loaded = load(&engine, play).await;
    drop(turn);
    match loaded {
        Ok(Found::Here(mut running)) => match running.resume().await {
            Ok(()) => running.run(inbox).await,
            Err(Abandoned(why)) => {
                tracing::warn!(play = %play.play, %why, "cannot take a play up");
                engine.take_up_again(play, inbox);
            }
        },
        outcome => {
            // It is gone, has ended or is elsewhere, or it cannot be read; whoever wants something of it is told.
            let is_unread = outcome.as_ref().err().map(ToString::to_string);
            if is_unread.is_none() {
                engine.drop_out(play);
            }
            while let Ok(note) = inbox.try_recv() {
                if let Note::Command(_, _, reply) = note {
                    let told = match &outcome {
                        Err(error) => EngineError::Internal(error.to_string()),
                        // Whoever asked asks where it is.
                        Ok(Found::Elsewhere) => continue,
                        Ok(_) => Refusal::Ended.into(),
                    };
                    let _ = reply.send(Err(told));
                }
            }
            if let Some(error) = is_unread {
                tracing::error!(play = %play.play, %error, "cannot load a play; trying again");
                engine.take_up_again(play, inbox);
            }
        }
    }
}

impl Engine {
    /// Brings a play back that could not go on, after a while; unless somebody else has it by then.
    ///
    /// The store may say that it is here: nobody else would bring it back.
    pub(super) fn take_up_again(self: &Arc<Self>, play: PlayKey, inbox: Inbox) {
        let engine = self.clone();
        tokio::spawn(async move {
            engine.parts.world.sleep(super::commit::LONGEST_PAUSE).await;
            let owner = match engine.persist(|| engine.parts.store.header(play)).await {
                Ok(header) => header.and_then(|header| header.owner),
                Err(_) => None,
            };
            if engine.is_draining() || owner.is_some_and(|owner| owner != engine.replica()) {
                engine.drop_out(play);
            } else {
                engine.wake(play, inbox);
            }
        });
    }

    /// Lets a play go, whatever it was told or waits for.
    pub(super) fn drop_out(&self, play: PlayKey) {
        self.plays.drop_out(play);
        self.permits.forget(play);
    }

    /// Lets a play go that others may have wanted something of meanwhile.
    pub(super) fn leave(self: &Arc<Self>, play: PlayKey, inbox: Inbox) {
        if !self.plays.let_go(play, &inbox) {
            self.wake(play, inbox);
        }
    }

    /// Brings a play into memory.
    pub(super) fn wake(self: &Arc<Self>, play: PlayKey, inbox: Inbox) {
        tokio::spawn(wake(self.clone(), play, inbox));
    }
}

/// Why a play cannot be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its records do not read: {0}")]
    Codec(#[from] codec::CodecError),
    #[error("its flow does not compile any more: {0}")]
    Flow(#[from] FlowError),
    #[error("its secrets cannot be opened: {0}")]
    Keys(#[from] KeysError),
}

/// What is found of a play that is to be brought into memory.
enum Found {
    /// It is here now.
    Here(Box<Running>),
    /// It has ended, or is gone.
    Ended,
    /// Another replica has it.
    Elsewhere,
}

async fn load(engine: &Arc<Engine>, play: PlayKey) -> Result<Found, LoadError> {
    let Some(loaded) = engine.persist(|| engine.parts.store.load(play)).await? else { return Ok(Found::Ended) };
    if loaded.header.state.is_ended() {
        return Ok(Found::Ended);
    }
    if loaded.header.owner.is_some_and(|owner| owner != engine.replica()) {
        return Ok(Found::Elsewhere);
    }
    engine.bring_keys(play.company).await?;
    let plan = engine.plan_of(play.company, loaded.header.flow.definition).await?;
    let state = PlayState::read(&plan, &loaded)?;
    let tail = Tail::of(&loaded);
    let mut running = Running::new(engine, plan, loaded.header, state);
    running.tail = tail;
    running.receive(loaded.messages).await;
    Ok(Found::Here(running))
}

impl PlayState {
    /// The state that a store holds: what was written down, and the records since.
    ///
    /// # Errors
    /// Where the bytes were altered, or written by a newer version.
    pub fn read(plan: &Plan, loaded: &Loaded) -> Result<Self, codec::CodecError> {
        let mut state = match &loaded.snapshot {
            Some(snapshot) => {
                let bytes = codec::decompress(&snapshot.bytes, STATE_BYTES)?;
                let mut state: Self = codec::decode(&bytes)?;
                state.revive(plan);
                state
            }
            None => Self::default(),
        };
        for chunk in &loaded.tail {
            for entry in decode_records(&chunk.bytes, chunk.count)? {
                state.apply(plan, &entry);
            }
        }
        Ok(state)
    }
}

/// Bytes that the state of one play may take.
const STATE_BYTES: usize = 1 << 30;

impl Running {
    /// Takes up where the play was left: attempts that were lost, times that have come, a start.
    async fn resume(&mut self) -> Result<(), Abandoned> {
        if self.state.phase == Phase::Deferred {
            return self.begin().await;
        }
        let lost: Vec<StepId> = self
            .state
            .all_active()
            .filter(|(_, active)| active.at == At::Attempt)
            .map(|(step, _)| step.clone())
            .collect();
        if !lost.is_empty() {
            for step in lost {
                self.recall_now(&step).await.map_err(|error| Abandoned(error.to_string()))?;
            }
            self.inputs.push_front(Input::Lost);
        }
        self.inputs.push_back(Input::Due);
        self.seek_events();
        Ok(())
    }

    /// Brings a step's own frozen arguments to hand, before anything is decided.
    async fn recall_now(&mut self, step: &StepId) -> Result<(), super::facts::ReadError> {
        for (spot, payload) in self.state.missing_args(step) {
            let value = self.engine.value_of(self.key(), &payload).await?;
            self.refill(&spot, Payload::Recalled(value, Arc::new(payload)));
        }
        Ok(())
    }

    /// Begins a play that was deferred, if its time has come and a slot is free; else it waits on.
    async fn begin(&mut self) -> Result<(), Abandoned> {
        let now = self.engine.now();
        if self.header.start_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        let deferred = self.state.clone();
        let place = self.slot.as_ref().map(|slot| slot.place);
        self.stand(SlotPlace::Held);
        self.record(Record::Started, now);
        let Some(place) = place else { return Ok(()) };
        match self.commit().await {
            Ok(()) => return Ok(()),
            Err(NotCommitted::Conflict(Conflict::SlotBusy)) => {}
            Err(error) => return Err(Abandoned(format!("{error:?}"))),
        }
        // No slot is free: as if nothing had been decided, it goes to the queue or stays there.
        self.state = deferred;
        self.pending = super::pending::Pending::default();
        self.stand(SlotPlace::Queued);
        match self.commit().await {
            Ok(()) => Ok(()),
            Err(NotCommitted::Conflict(Conflict::QueueFull)) => {
                self.stand(place);
                self.not_before = Some(look_again(now));
                Ok(())
            }
            Err(error) => Err(Abandoned(format!("{error:?}"))),
        }
    }

    fn stand(&mut self, place: SlotPlace) {
        if let Some(slot) = &mut self.slot {
            slot.place = place;
        }
    }

    /// Reads the messages that the store has for the play.
    pub(super) async fn read_mail(&mut self) {
        let (engine, play) = (self.engine.clone(), self.key());
        match engine.persist(|| engine.parts.store.messages(play)).await {
            Ok(messages) => self.receive(messages).await,
            Err(error) => tracing::error!(play = %play.play, %error, "cannot read messages"),
        }
    }

    /// Takes messages up; those that were taken up before and are not committed yet are passed over.
    pub(super) async fn receive(&mut self, messages: Vec<Message>) {
        for message in messages {
            if self.pending.read.contains(&message.id) {
                continue;
            }
            let body = match message.body {
                MessageBody::ChildEnded { step, child, company, state, out, error } => {
                    let out = match self.engine.value_of(PlayKey { company, play: child }, &out).await {
                        Ok(value) => {
                            // What the subflow had to seal is sealed here, too.
                            self.hush.learn_of(&Payload::Recalled(value.clone(), Arc::new(out)));
                            value.into()
                        }
                        Err(error) => {
                            tracing::error!(play = %child, %error, "cannot read what a subflow gave");
                            model::Payload::default()
                        }
                    };
                    MessageBody::ChildEnded { step, child, company, state, out, error }
                }
                MessageBody::Asked { ask, command, request_id, ip } => {
                    self.pending.read.push(message.id);
                    self.answer_asked(ask, *command, &RequestInfo { id: request_id, ip, trace: None });
                    continue;
                }
                other => other,
            };
            self.pending.read.push(message.id);
            self.inputs.push_back(Input::Message(body));
        }
    }
}
