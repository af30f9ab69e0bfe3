//! One channel, at one replica: opens the way in, takes what comes, says what became of it, and begins anew whenever
//! something breaks or changes.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use model::failure::{Failure, code};
use model::limits::{CHANNEL_MESSAGES_AT_ONCE, INTAKE_OPEN, INTAKE_SETTLE};
use sdk::intake::{Inbox, Intake, Ticket, Verdict};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::pause::{Pause, jittered};
use super::standing::{IntakeState, Standing};
use super::take::{Taken, Way, take};
use super::turn::{Turn, Whose};
use crate::channel::{Kind, RateLimit};
use crate::table::Counts;

/// How long a connection must last to count as one that works.
const LASTED: Duration = Duration::from_secs(30);

/// Where a channel takes in from, or why it cannot.
pub(super) type Directions = Result<Arc<Way>, String>;

/// What looks after one channel.
pub(super) struct Worker {
    pub(super) engine: Arc<Engine>,
    pub(super) standing: Arc<Standing>,
    pub(super) counts: Arc<Counts>,
    /// It ends when nobody holds the other end any more.
    pub(super) directions: watch::Receiver<Directions>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Why nothing more is taken on an open way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The channel or its component has changed, or is gone.
    Changed,
    /// flow8 stops.
    Stopped,
    /// It is another replica's turn.
    Turn,
}

impl Worker {
    /// Takes in until the channel is gone or flow8 stops.
    pub(super) async fn run(mut self) {
        let mut pause = Pause::default();
        while !*self.stopping.borrow() {
            // What hostile input does to the client of some peer must not end the channel.
            let run = AssertUnwindSafe(self.follow(&mut pause)).catch_unwind().await;
            let Err(_) = run else { break };
            tracing::error!("a client of a queue or a mailbox broke; please report this");
            self.set(IntakeState::Failing, Some("the client of the peer broke; please report this"));
            let wait = pause.next();
            let mut stopping = self.stopping.clone();
            tokio::select! {
                () = sleep(wait) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        }
        self.set(IntakeState::Off, None);
    }

    fn set(&self, state: IntakeState, error: Option<&str>) {
        self.standing.set(state, error, self.engine.now());
    }

    /// Takes in, as whatever it is told now.
    async fn follow(&mut self, pause: &mut Pause) {
        loop {
            let now = self.directions.borrow_and_update().clone();
            let end = match now {
                Ok(way) => self.take_in(&way, pause).await,
                Err(why) => {
                    self.set(IntakeState::Failing, Some(&why));
                    self.ended().await
                }
            };
            if end == End::Stopped || self.directions.has_changed().is_err() {
                return;
            }
        }
    }

    /// Returns when what is done now is to end.
    fn ended(&self) -> impl Future<Output = End> + use<> {
        let (mut directions, mut stopping) = (self.directions.clone(), self.stopping.clone());
        async move {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => End::Stopped,
                // Where nobody can change it any more, it is gone.
                _ = directions.changed() => End::Changed,
            }
        }
    }

    /// Takes in on one way, again and again, until that ends.
    async fn take_in(&self, way: &Arc<Way>, pause: &mut Pause) -> End {
        let backends = self.engine.backends();
        let intake = if way.channel.definition.kind == Kind::Mailbox { &backends.mailbox } else { &backends.queue };
        // A replica that is alone need not say that it takes in.
        let is_shared = intake.is_exclusive(&way.component) && !self.engine.is_alone();
        let mut ended = std::pin::pin!(self.ended());
        loop {
            let turn = is_shared.then(|| Turn::new(self.engine.clone(), way.company, way.channel.id));
            let mut taken = Instant::now();
            if let Some(turn) = &turn {
                match self.wait_for(turn, ended.as_mut()).await {
                    Ok(at) => taken = at,
                    Err(end) => return end,
                }
            }
            let kept = async {
                match &turn {
                    Some(turn) => turn.keep(taken).await,
                    None => pending().await,
                }
            };
            let began = Instant::now();
            // A wait that is over cannot be asked again.
            let mut has_ended = None;
            let outcome = {
                let mut kept = std::pin::pin!(kept);
                let over = async {
                    tokio::select! {
                        biased;
                        end = ended.as_mut() => *has_ended.insert(end),
                        () = kept.as_mut() => End::Turn,
                    }
                };
                self.open_and_take(way, &**intake, over).await
            };
            if let Some(turn) = &turn {
                turn.give_back().await;
            }
            let failure = match (outcome, has_ended) {
                (_, Some(end)) => return end,
                (Ok(End::Turn), None) => continue,
                (Ok(end), None) => return end,
                (Err(failure), None) => failure,
            };
            if began.elapsed() > LASTED {
                pause.reset();
            }
            self.standing.lost();
            let (slug, why) = (&*way.channel.definition.slug, &failure.message);
            tracing::warn!(channel = slug, code = &*failure.code, why, "cannot take messages in; trying again");
            self.set(IntakeState::Failing, Some(why));
            tokio::select! {
                end = ended.as_mut() => return end,
                () = sleep(pause.next()) => {}
            }
        }
    }

    /// Waits until it is this replica's turn; gives the moment at which that was asked for.
    async fn wait_for(&self, turn: &Turn, mut ended: Pin<&mut impl Future<Output = End>>) -> Result<Instant, End> {
        loop {
            let asked = Instant::now();
            let wait = match turn.take().await {
                Ok(Whose::Mine) => return Ok(asked),
                Ok(Whose::Others(lasts)) => {
                    self.set(IntakeState::Elsewhere, None);
                    lasts + jittered(Duration::from_millis(200))
                }
                Err(error) => {
                    self.set(IntakeState::Failing, Some(&error.to_string()));
                    jittered(Duration::from_secs(2))
                }
            };
            tokio::select! {
                end = ended.as_mut() => return Err(end),
                () = sleep(wait) => {}
            }
        }
    }

    async fn open_and_take(
        &self,
        way: &Arc<Way>,
        intake: &dyn Intake,
        over: impl Future<Output = End>,
    ) -> Result<End, Failure> {
        let mut over = std::pin::pin!(over);
        self.set(IntakeState::Connecting, None);
        let open = intake.open(&way.component, &way.source, CHANNEL_MESSAGES_AT_ONCE);
        let mut inbox = tokio::select! {
            end = over.as_mut() => return Ok(end),
            opened = timeout(INTAKE_OPEN, open) => opened.map_err(|_| slow("open a connection", INTAKE_OPEN))??,
        };
        self.set(IntakeState::Connected, None);
        self.take_all(way, &mut *inbox, over).await
    }

    /// Takes what comes, until that is over: what is being admitted then is still admitted and settled.
    async fn take_all(
        &self,
        way: &Arc<Way>,
        inbox: &mut dyn Inbox,
        mut over: Pin<&mut impl Future<Output = End>>,
    ) -> Result<End, Failure> {
        let mut under_way = FuturesUnordered::new();
        let (mut ending, mut pause, mut not_before) = (None, Pause::default(), None);
        let mut has_leave = false;
        let failure = loop {
            if let Some(end) = ending
                && under_way.is_empty()
            {
                return Ok(end);
            }
            not_before = not_before.filter(|at| *at > Instant::now());
            let mut may_take = ending.is_none() && under_way.len() < CHANNEL_MESSAGES_AT_ONCE && not_before.is_none();
            if may_take && !has_leave {
                match self.leave(way) {
                    Ok(()) => has_leave = true,
                    Err(wait) => (may_take, not_before) = (false, Some(Instant::now() + wait)),
                }
            }
            let until = not_before.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                end = over.as_mut(), if ending.is_none() => ending = Some(end),
                Some((ticket, taken)) = under_way.next() => {
                    let verdict = self.verdict(taken, &mut pause, &mut not_before);
                    if let Err(failure) = settle(inbox, ticket, verdict).await {
                        break failure;
                    }
                }
                next = inbox.next(), if may_take => match next {
                    Ok(message) => {
                        has_leave = false;
                        under_way.push(take(self.engine.clone(), way.clone(), self.counts.clone(), message));
                    }
                    Err(failure) => break failure,
                },
                () = sleep_until(until), if not_before.is_some() && ending.is_none() => {}
            }
        };
        // They come again, and find what is admitted now.
        while under_way.next().await.is_some() {}
        Err(failure)
    }

    /// One of the messages that the channel takes in a second.
    fn leave(&self, way: &Way) -> Result<(), Duration> {
        let Some(RateLimit { per_second, burst }) = way.channel.definition.rate_limit else { return Ok(()) };
        self.counts.pace.take(per_second, burst.unwrap_or(per_second), Instant::now())
    }

    /// What the peer is told. Where nothing can be started now, nothing more is taken for a while.
    fn verdict(&self, taken: Taken, pause: &mut Pause, not_before: &mut Option<Instant>) -> Verdict {
        match taken {
            Taken::Done { was_there } => {
                pause.reset();
                if self.standing.is(IntakeState::Paused) {
                    self.set(IntakeState::Connected, None);
                }
                self.standing.took(was_there);
                Verdict::Done
            }
            Taken::NotNow(why) => {
                self.standing.put_back();
                self.set(IntakeState::Paused, Some(&why));
                let now = Instant::now();
                // Those that were under way at the same time wait together.
                let until = not_before.filter(|at| *at > now).unwrap_or_else(|| now + pause.next());
                *not_before = Some(until);
                Verdict::Again(until - now)
            }
            Taken::Never(why) => {
                self.standing.gave_up();
                Verdict::Dead(why)
            }
        }
    }
}

async fn settle(inbox: &mut dyn Inbox, ticket: Ticket, verdict: Verdict) -> Result<(), Failure> {
    timeout(INTAKE_SETTLE, inbox.settle(ticket, verdict)).await.map_err(|_| slow("hear of a message", INTAKE_SETTLE))?
}

fn slow(what: &str, limit: Duration) -> Failure {
    Failure::new(code::TIMEOUT, format!("the peer took longer than {} s to {what}", limit.as_secs()))
}
