//! Chaos: plays are started, operators do what they like, processes end; then all is calm, every
//! question is answered, and every play must come to its end.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::decide::Command;
use engine::driver::{Admit, AdmitError, RequestInfo};
use engine::failpoint::FailPoint;
use model::batch::WaitKind;
use model::play::{PlayHeader, PlayKey, PlayState};
use model::record::Resolution;
use model::time::Timestamp;
use store::{Store, WaitQuery};

use crate::dice::Dice;
use crate::fence::Process;
use crate::ledger::{Did, Granted, Ledger};
use crate::site::Site;
use crate::stage::{BEGIN, COMPANY, Stage, json, person};
use crate::watch::Watch;

/// What a person at the controls holds in hand.
#[derive(Clone)]
struct Hand {
    engine: Arc<Engine>,
    process: Arc<Process>,
    watch: Arc<Watch>,
    ledger: Arc<Ledger>,
}

impl Hand {
    /// Does something on its own; what it gives counts unless the process ends first.
    fn spawn<T: Send + 'static>(
        &self,
        doing: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&Hand, T) + Send + 'static,
    ) {
        let hand = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = hand.process.ended() => {}
                done = doing => if !hand.process.is_dead() {
                    then(&hand, done);
                }
            }
        });
    }

    fn command(&self, play: PlayKey, did: Did, command: Command) {
        let engine = self.engine.clone();
        self.watch.note(|| format!("{did:?} {}", play.play.0));
        self.spawn(
            async move { engine.command(play, command, &RequestInfo::default()).await },
            move |hand, outcome| {
                hand.watch.note(|| format!("{did:?} {}: {outcome:?}", play.play.0));
                if outcome.is_ok() {
                    hand.ledger.write(|pages| pages.commands.push((play.play, did)));
                }
            },
        );
    }

    fn admit(&self, flow: String, args: String, admit: Admit, wait: Option<Duration>) {
        let (engine, key) = (self.engine.clone(), admit.idempotency_key.clone());
        self.watch.note(|| format!("run {flow} {args} key {key:?}"));
        self.spawn(async move { engine.admit(admit, wait).await }, move |hand, outcome| {
            let at = hand.watch.elapsed();
            match outcome {
                Ok(report) => {
                    let play = report.header.key.play;
                    hand.watch.note(|| format!("run {flow}: is {} replayed {}", play.0, report.replayed));
                    hand.ledger.write(|pages| {
                        pages.plays.push(play);
                        let Some(key) = key else { return };
                        let granted =
                            pages.keys.entry(key.clone()).or_insert(Granted { flow, args: args.clone(), play, at });
                        if granted.play != play {
                            hand.watch.breach(format!("the key {key} gave {} and then {}", granted.play.0, play.0));
                        } else if granted.args != args {
                            hand.watch.breach(format!("the key {key} was granted with other arguments"));
                        }
                    });
                }
                Err(error) => {
                    hand.watch.note(|| format!("run {flow}: {error}"));
                    if let AdmitError::Internal(error) = error {
                        hand.watch.breach(format!("a play was refused with: {error}"));
                    }
                }
            }
        });
    }
}

/// Rounds in which nothing happens, though all questions are answered and hours pass.
const PATIENCE: u32 = 40;

/// A schedule: what runs, who does what, and the chance of it.
pub(crate) struct Chaos<'a> {
    pub(crate) site: &'a mut Site,
    pub(crate) dice: &'a mut Dice,
    /// The refs of each flow.
    pub(crate) flows: &'a [Vec<String>],
    pub(crate) ledger: Arc<Ledger>,
}

impl<'a> Chaos<'a> {
    fn hand(&self) -> Hand {
        Hand {
            engine: self.site.engine.clone(),
            process: self.site.process.clone(),
            watch: self.site.watch.clone(),
            ledger: self.ledger.clone(),
        }
    }

    /// Lets things happen.
    pub(crate) async fn rage(&mut self) {
        for _ in 0..self.dice.within(6, 24) {
            let pause = match self.dice.below(10) {
                0..=3 => Duration::ZERO,
                4..=7 => self.dice.ms(3_000),
                _ => self.dice.ms(200_000),
            };
            self.pause(pause).await;
            self.act().await;
        }
    }

    /// Lets time pass; a process that ends meanwhile is followed by another, after a while.
    async fn pause(&mut self, pause: Duration) {
        let process = self.site.process.clone();
        let until = self.site.watch.elapsed() + pause;
        tokio::select! {
            biased;
            () = process.ended() => {
                let down = self.dice.ms(5_000);
                tokio::time::sleep(down).await;
                self.site.restart().await;
                tokio::time::sleep(until.saturating_sub(self.site.watch.elapsed())).await;
            }
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn act(&mut self) {
        let plays = self.site.plays().await;
        match self.dice.below(100) {
            0..=39 => self.run(),
            40..=69 => self.operate(&plays).await,
            70..=77 => {
                let (engine, key) = (self.site.engine.clone(), format!("e{}", self.dice.below(3)));
                let once = self.dice.chance(50).then(|| format!("once{}", self.dice.below(3)));
                self.hand().spawn(
                    async move { engine.post_event(COMPANY, &key, json("7"), once.as_deref(), Vec::new()).await },
                    |hand, outcome| hand.watch.note(|| format!("event: {outcome:?}")),
                );
            }
            78..=84 => self.retry(&plays),
            85..=88 => {
                self.site.watch.note(|| "the process ends".into());
                self.site.restart().await;
            }
            89..=91 => {
                let patience = self.dice.ms(20_000);
                self.site.watch.note(|| "the process drains".into());
                let (engine, process) = (self.site.engine.clone(), self.site.process.clone());
                tokio::select! {
                    biased;
                    () = process.ended() => {}
                    _ = engine.drain(patience) => {}
                }
                self.site.restart().await;
            }
            _ => {
                let point = *self.dice.pick(&FailPoint::ALL);
                let passes = self.dice.below(6);
                self.site.arm(point, passes);
            }
        }
    }

    fn run(&mut self) {
        let flow = format!("flow-{}", self.dice.below(self.flows.len() as u64));
        let args = format!("{{\"n\":{},\"who\":\"{}\"}}", self.dice.below(6), self.dice.pick(&["a", "b"]));
        let mut admit = Stage::wish(&flow, &args);
        let now = Timestamp(BEGIN).plus(self.site.watch.elapsed());
        admit.idempotency_key = self.dice.chance(35).then(|| format!("{flow}/key{}", self.dice.below(3)));
        admit.start_at = self.dice.chance(10).then(|| now.plus(self.dice.ms(100_000)));
        // Under a key that was used before, the same arguments again, mostly.
        let granted = admit.idempotency_key.as_ref().and_then(|key| self.ledger.read().keys.get(key).cloned());
        let args = match granted {
            Some(granted) if self.dice.chance(80) => granted.args,
            _ => args,
        };
        admit.args = json(&args);
        let wait = self.dice.chance(25).then(|| self.dice.ms(60_000));
        self.hand().admit(flow, args, admit, wait);
    }

    fn retry(&mut self, plays: &[PlayHeader]) {
        let ended: Vec<&PlayHeader> =
            plays.iter().filter(|play| play.state.is_ended() && play.parent.is_none()).collect();
        if ended.is_empty() {
            return;
        }
        let header = *self.dice.pick(&ended);
        let play = header.key;
        let from = self.dice.chance(40).then(|| self.dice.pick(self.refs_of(header)).clone());
        let engine = self.site.engine.clone();
        self.site.watch.note(|| format!("retry {} from {from:?}", play.play.0));
        self.hand().spawn(
            async move { engine.retry(play, from, person(1), &RequestInfo::default()).await },
            move |hand, outcome| match outcome {
                Ok(report) => {
                    hand.watch.note(|| format!("retry {}: is {}", play.play.0, report.header.key.play.0));
                    hand.ledger.write(|pages| pages.plays.push(report.header.key.play));
                }
                Err(error) => hand.watch.note(|| format!("retry {}: {error}", play.play.0)),
            },
        );
    }

    fn refs_of(&self, play: &PlayHeader) -> &'a [String] {
        let number = play.flow.permanent_id.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        &self.flows[number.unwrap_or(0)]
    }

    async fn operate(&mut self, plays: &[PlayHeader]) {
        let waits = self.waits().await;
        if !waits.is_empty() && self.dice.chance(50) {
            let (kind, asked) = *self.dice.pick(&waits);
            self.answer(kind, asked);
            return;
        }
        let open: Vec<&PlayHeader> = plays.iter().filter(|play| !play.state.is_ended()).collect();
        if open.is_empty() {
            return;
        }
        let play = self.dice.pick(&open).key;
        let actor = person(1);
        let (did, command) = match self.dice.below(10) {
            0..=3 => (Did::Hold, Command::Hold { actor }),
            4..=7 => (Did::Resume, Command::Resume { actor }),
            _ => (Did::Cancel, Command::Cancel { compensate: self.dice.chance(50), reason: None, actor }),
        };
        self.hand().command(play, did, command);
    }

    /// Who waits for a person: the kind of answer, and who.
    async fn waits(&self) -> Vec<(WaitKind, store_wait::Asked)> {
        store_wait::all(&*self.site.memory).await
    }

    fn answer(&mut self, kind: WaitKind, asked: store_wait::Asked) {
        let (play, layer) = asked;
        let actor = person(self.dice.within(2, 4) as u8);
        let hand = self.hand();
        match kind {
            WaitKind::Approval => {
                let approved = self.dice.chance(75);
                let command = Command::Approve { layer, approved, seen: None, note: None, actor, roles: Vec::new() };
                hand.command(play, Did::Decide, command);
            }
            WaitKind::InDoubt => {
                let decision = *self.dice.pick(&[Resolution::Happened, Resolution::Repeat, Resolution::Failed]);
                let out = Some(json(r#"{"data":"resolved"}"#));
                hand.command(play, Did::Resolve, Command::Resolve { layer, decision, out, note: None, actor });
            }
            WaitKind::Event => {}
        }
    }

    /// Answers all questions until every play has ended.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        self.site.calm_down();
        if self.site.process.is_dead() || self.dice.chance(40) {
            self.site.restart().await;
        }
        let mut pause = Duration::from_secs(1);
        let (mut idle, mut before) = (0, 0);
        while idle < PATIENCE {
            tokio::time::sleep(pause).await;
            pause = (pause * 5 / 4).min(Duration::from_secs(4_000));
            let records = self.site.plays().await.iter().map(|play| play.records).sum();
            idle = if before == records { idle + 1 } else { 0 };
            before = records;
            let open: Vec<PlayHeader> =
                self.site.plays().await.into_iter().filter(|play| !play.state.is_ended()).collect();
            if open.is_empty() {
                return Ok(());
            }
            for (kind, asked) in self.waits().await {
                self.answer(kind, asked);
            }
            for number in 0..3 {
                let (engine, key) = (self.site.engine.clone(), format!("e{number}"));
                let posted = engine.post_event(COMPANY, &key, json("8"), None, Vec::new()).await;
                posted.map_err(|error| format!("an event in calm: {error}"))?;
            }
            for play in open.iter().filter(|play| play.state == PlayState::OnHold) {
                self.hand().command(play.key, Did::Resume, Command::Resume { actor: person(1) });
            }
        }
        let open = self.site.plays().await.into_iter().filter(|play| !play.state.is_ended());
        let open: Vec<String> = open
            .map(|play| {
                format!(
                    "{} of {} is {} since record {}, owner {:?}, due {:?}, slot {:?}",
                    play.key.play.0, play.flow.permanent_id, play.state, play.records, play.owner, play.due, play.slot
                )
            })
            .collect();
        Err(format!("these plays never end:\n{}", open.join("\n")))
    }
}

/// Questions to people, as the store has them.
mod store_wait {
    use super::*;
    use model::ids::LayerId;

    pub(super) type Asked = (PlayKey, LayerId);

    pub(super) async fn all(store: &dyn Store) -> Vec<(WaitKind, Asked)> {
        let mut all = Vec::new();
        for kind in [WaitKind::Approval, WaitKind::InDoubt] {
            let query = WaitQuery { company: COMPANY, kind, play: None, skip: 0, limit: 1_000 };
            let waits = store.waits(&query).await.unwrap_or_default();
            all.extend(waits.into_iter().map(|wait| (kind, (wait.play, wait.layer))));
        }
        all
    }
}
