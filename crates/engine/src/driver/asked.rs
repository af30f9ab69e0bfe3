//! What is asked of a play that another replica has in memory: it goes there as a message, and
//! the answer comes back as a document, in the commit that it speaks of.

use std::sync::Arc;
use std::time::Duration;

use model::batch::{Batch, Message};
use model::command::Command;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{Id, MessageId};
use model::limits::ANSWER_KEPT;
use model::play::PlayKey;
use model::record::MessageBody;
use serde::{Deserialize, Serialize};
use store::CommitError;

use super::play::Running;
use super::{Engine, EngineError, RequestInfo};
use crate::decide::Refusal;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon a play that is elsewhere is looked at for the first time.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(10);

/// How long it takes at most until it is looked at again.
pub(super) const LONGEST_LOOK: Duration = Duration::from_millis(200);

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    refused: Option<Refusal>,
}

fn answer_key(play: PlayKey, ask: Id) -> DocKey {
    DocKey::new(play.company, DocKind::Answer, ask)
}

impl Engine {
    /// Hands a command to whoever has the play, and waits for what became of it.
    pub(super) async fn ask_elsewhere(
        self: &Arc<Self>,
        play: PlayKey,
        command: Command,
        request: &RequestInfo,
    ) -> Result<(), EngineError> {
        let ask = self.new_id();
        let RequestInfo { id, ip, .. } = request.clone();
        let body = MessageBody::Asked { ask, command: Box::new(command), request_id: id, ip };
        let message = Message { id: MessageId(ask), to: play, at: self.now(), body };
        let sent = self.parts.store.commit(Batch { messages: vec![message], ..Batch::default() }).await;
        self.follow(&sent.map_err(|error| match error {
            CommitError::Store(error) => EngineError::Store(error),
            CommitError::Conflict(conflict) => EngineError::Internal(conflict.to_string()),
        })?);
        let over = self.parts.world.sleep(PATIENCE);
        tokio::pin!(over);
        let mut pause = FIRST_LOOK;
        loop {
            if let Some(answer) = self.parts.store.doc(&answer_key(play, ask)).await? {
                let answer: Answer = answer.read().map_err(|error| EngineError::Internal(error.to_string()))?;
                return answer.refused.map_or(Ok(()), |refusal| Err(refusal.into()));
            }
            match self.parts.store.header(play).await? {
                None => return Err(EngineError::NoSuchPlay(play.play.0)),
                // It ended before it was asked. Had it ended by what was asked, there were an answer.
                Some(header) if header.state.is_ended() && !self.is_answered(play, ask).await? => {
                    return Err(Refusal::Ended.into());
                }
                Some(_) => {}
            }
            tokio::select! {
                biased;
                () = &mut over => {
                    let why = "the replica that has the play does not answer; what was asked happens when it does";
                    return Err(Refusal::NotNow(why.into()).into());
                }
                () = self.parts.world.sleep(pause) => pause = (pause * 2).min(LONGEST_LOOK),
            }
        }
    }

    async fn is_answered(&self, play: PlayKey, ask: Id) -> Result<bool, EngineError> {
        Ok(self.parts.store.doc(&answer_key(play, ask)).await?.is_some())
    }
}

impl Running {
    /// Does what was asked at another replica, and keeps the answer for it.
    pub(super) fn answer_asked(&mut self, ask: Id, command: Command, request: &RequestInfo) {
        let refused = self.obey(command, request).err();
        let answer = DocWrite::put(answer_key(self.key(), ask), Expect::Anything, &Answer { refused });
        self.pending.docs.push(answer.expiring(self.engine.now().plus(ANSWER_KEPT)));
    }
}
