//! The concurrency limiter against a model so simple that it is plainly right: a list of those
//! who run and a list of those who queue, for each key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Settings;
use engine::decide::Command;
use engine::driver::{AdmitError, RequestInfo, RetryError};
use model::ids::PlayId;
use model::play::{PlayHeader, PlayKey, PlayState, SlotPlace};
use proptest::prelude::*;
use store::fault::{Fate, Faulty, Plan};
use store::memory::MemoryStore;
use store::{LimitCount, PlayQuery};

use crate::dice::{Dice, SharedDice};
use crate::stage::{COMPANY, Stage, person};

/// Each play waits for an event of its own; with `n` above 0, by way of a play that it calls.
const FLOW: &str = r#"
name: Limited
concurrency: {limit: LIMIT, key: "{{ $prev.args.who }}", onLimit: ON_LIMIT}
layers:
  - ref: child
    appId: subflow
    filters: [{leftValue: "{{ $prev.args.n }}", operator: gt, rightValue: 0}]
    args: {flowId: limited, args: {n: "{{ $prev.args.n - 1 }}", who: "{{ $prev.args.who }}"}}
  - ref: gate
    appId: wait-event
    filters: [{leftValue: "{{ $prev.args.n }}", operator: eq, rightValue: 0}]
    args: {key: "{{ $play.id }}"}
"#;

/// What is done; the numbers choose a play.
#[derive(Debug, Clone)]
enum Do {
    Admit {
        who: usize,
        calls: u32,
    },
    Finish(usize),
    Cancel(usize),
    /// One that runs is canceled, and a newcomer comes at once, before the first in the queue has
    /// taken the slot.
    Overtake(usize),
    Hold(usize),
    Resume(usize),
    Retry(usize),
    Restart,
}

fn things() -> impl Strategy<Value = Vec<Do>> {
    let one = prop_oneof![
        5 => (0..WHO.len(), 0..3_u32).prop_map(|(who, calls)| Do::Admit { who, calls }),
        3 => any::<usize>().prop_map(Do::Finish),
        2 => any::<usize>().prop_map(Do::Cancel),
        2 => any::<usize>().prop_map(Do::Overtake),
        1 => any::<usize>().prop_map(Do::Hold),
        1 => any::<usize>().prop_map(Do::Resume),
        1 => any::<usize>().prop_map(Do::Retry),
        1 => Just(Do::Restart),
    ];
    proptest::collection::vec(one, 1..30)
}

const WHO: [&str; 3] = ["a", "b", "c"];

/// The model of one key.
#[derive(Default)]
struct Line {
    running: BTreeSet<PlayId>,
    queued: Vec<PlayId>,
}

impl Line {
    fn admits(&self, limit: usize) -> bool {
        self.running.len() < limit && self.queued.is_empty()
    }

    fn enter(&mut self, play: PlayId, limit: usize) {
        if self.admits(limit) {
            self.running.insert(play);
        } else {
            self.queued.push(play);
        }
    }

    fn leave(&mut self, play: PlayId, limit: usize) {
        self.running.remove(&play);
        self.queued.retain(|queued| *queued != play);
        while self.running.len() < limit && !self.queued.is_empty() {
            let first = self.queued.remove(0);
            self.running.insert(first);
        }
    }
}

/// A store that takes its time, so that a newcomer may overtake the first in the queue on the way.
struct Slow(SharedDice);

impl Plan for Slow {
    fn commit(&self) -> Fate {
        Fate::Happens
    }

    fn read_fails(&self) -> bool {
        false
    }

    fn delays(&self) -> (Duration, Duration) {
        (self.0.throw(|dice| dice.ms(20)), Duration::ZERO)
    }
}

/// The engine and the model side by side.
struct Both {
    stage: Stage,
    limit: usize,
    rejects: bool,
    lines: [Line; WHO.len()],
    /// Whose each play is, whether it is on hold, whether it has ended.
    plays: BTreeMap<PlayId, (usize, bool, bool)>,
}

impl Both {
    async fn new(limit: usize, rejects: bool, seed: u64) -> Self {
        let store = Faulty::new(Arc::new(MemoryStore::default()), Slow(SharedDice::new(Dice::new(seed))));
        let stage = Stage::with(Arc::new(store), Settings::default()).await;
        let on_limit = if rejects { "reject" } else { "queue" };
        stage.publish(&FLOW.replace("ON_LIMIT", on_limit).replace("LIMIT", &limit.to_string())).await;
        Self { stage, limit, rejects, lines: Default::default(), plays: BTreeMap::new() }
    }

    fn key(play: PlayId) -> PlayKey {
        PlayKey { company: COMPANY, play }
    }

    /// The play that a number chooses among those of which something holds.
    fn choose(&self, number: usize, fits: impl Fn(&Self, PlayId, (usize, bool, bool)) -> bool) -> Option<PlayId> {
        let fitting: Vec<PlayId> =
            self.plays.iter().filter(|(play, of)| fits(self, **play, **of)).map(|(play, _)| *play).collect();
        (!fitting.is_empty()).then(|| fitting[number % fitting.len()])
    }

    fn runs(&self, play: PlayId, who: usize) -> bool {
        self.lines[who].running.contains(&play)
    }

    fn entered(&mut self, who: usize, outcome: Option<PlayId>) {
        let line = &mut self.lines[who];
        let refused = self.rejects && !line.admits(self.limit);
        assert_eq!(outcome.is_none(), refused, "a full limit refuses, and nothing else does");
        if let Some(play) = outcome {
            line.enter(play, self.limit);
            self.plays.insert(play, (who, false, false));
        }
    }

    fn ended(&mut self, play: PlayId) {
        if let Some((who, _, ended)) = self.plays.get_mut(&play) {
            *ended = true;
            self.lines[*who].leave(play, self.limit);
        }
    }

    async fn admit(&mut self, who: usize, calls: u32) {
        let wish = Stage::wish("limited", &format!("{{\"who\":\"{}\",\"n\":{calls}}}", WHO[who]));
        let outcome = match self.stage.admit(wish).await {
            Ok(report) => Some(report.header.key.play),
            Err(AdmitError::LimitReached) => None,
            Err(error) => panic!("{error}"),
        };
        self.entered(who, outcome);
    }

    async fn act(&mut self, what: Do) {
        match what {
            Do::Admit { who, calls } => self.admit(who, calls).await,
            Do::Overtake(number) => {
                let is_awaited = |both: &Self, play, (who, _, _): (usize, bool, bool)| {
                    both.runs(play, who) && !both.lines[who].queued.is_empty()
                };
                let Some(play) = self.choose(number, is_awaited) else { return };
                let (who, ..) = self.plays[&play];
                self.stage.cancel(Self::key(play), false).await;
                self.ended(play);
                self.admit(who, 0).await;
            }
            Do::Finish(number) => {
                let Some(play) = self.choose(number, |both, play, (who, held, _)| both.runs(play, who) && !held) else {
                    return;
                };
                // The play at the end of the calls waits for the event; all above it wait for that one.
                let headers = self.headers().await;
                let mut last = play;
                while let Some(child) =
                    headers.iter().find(|header| header.parent.as_ref().is_some_and(|above| above.play == last))
                {
                    last = child.key.play;
                }
                self.stage.post(&last.0.to_string(), "1").await;
                self.ended(play);
            }
            Do::Cancel(number) => {
                if let Some(play) = self.choose(number, |_, _, (_, _, ended)| !ended) {
                    self.stage.cancel(Self::key(play), false).await;
                    self.ended(play);
                }
            }
            Do::Hold(number) => {
                if let Some(play) = self.choose(number, |both, play, (who, held, _)| both.runs(play, who) && !held) {
                    self.stage.command(Self::key(play), Command::Hold { actor: person(1) }).await.expect("holds");
                    self.plays.entry(play).and_modify(|(_, held, _)| *held = true);
                }
            }
            Do::Resume(number) => {
                if let Some(play) = self.choose(number, |both, play, (who, held, _)| both.runs(play, who) && held) {
                    self.stage.command(Self::key(play), Command::Resume { actor: person(1) }).await.expect("resumes");
                    self.plays.entry(play).and_modify(|(_, held, _)| *held = false);
                }
            }
            Do::Retry(number) => {
                let Some(play) = self.choose(number, |_, _, (_, _, ended)| ended) else { return };
                if self.stage.state(Self::key(play)).await != PlayState::Canceled {
                    return;
                }
                let (who, ..) = self.plays[&play];
                let retried = self.stage.engine.retry(Self::key(play), None, person(1), &RequestInfo::default()).await;
                let outcome = match retried {
                    Ok(report) => Some(report.header.key.play),
                    Err(RetryError::Admit(AdmitError::LimitReached)) => None,
                    Err(error) => panic!("{error}"),
                };
                self.entered(who, outcome);
            }
            Do::Restart => self.stage.restart().await,
        }
    }

    async fn headers(&self) -> Vec<PlayHeader> {
        self.stage.store.headers(&PlayQuery::of(COMPANY, 10_000)).await.expect("reads").plays
    }

    /// The engine's view of it is the model's.
    async fn compare(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let headers = self.headers().await;
        let at = |place: SlotPlace| -> BTreeSet<PlayId> {
            let of = headers.iter().filter(|header| header.slot.as_ref().is_some_and(|slot| slot.place == place));
            of.map(|header| header.key.play).collect()
        };
        let running: BTreeSet<PlayId> = self.lines.iter().flat_map(|line| line.running.iter().copied()).collect();
        let queued: BTreeSet<PlayId> = self.lines.iter().flat_map(|line| line.queued.iter().copied()).collect();
        assert_eq!(at(SlotPlace::Held), running, "those who hold a slot");
        assert_eq!(at(SlotPlace::Queued), queued, "those who queue");
        for header in &headers {
            let play = header.key.play;
            if header.parent.as_ref().is_some_and(|parent| parent.waits) {
                assert_eq!(header.slot, None, "a play that is waited for shares the slot of the one that waits");
            } else {
                assert_eq!(queued.contains(&play), header.state == PlayState::Deferred, "{}", header.state);
                let is_open = queued.contains(&play) || running.contains(&play);
                assert_eq!(header.state.is_ended(), !is_open, "{}", header.state);
            }
            let Some(slot) = &header.slot else { continue };
            let line = &self.lines[self.plays[&play].0];
            let count = self.stage.store.limit(COMPANY, slot.key).await.expect("reads");
            let expected = LimitCount { held: line.running.len() as u64, queued: line.queued.len() as u64 };
            assert_eq!(count, expected, "the counts under a key");
            assert!(count.held <= u64::from(slot.limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_limiter_does_as_its_model(limit in 1..4_usize, rejects in prop::bool::weighted(0.25), seed: u64, things in things()) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut both = Both::new(limit, rejects, seed).await;
            for thing in things {
                both.act(thing).await;
                both.compare().await;
            }
            for play in both.plays.keys().copied().collect::<Vec<_>>() {
                if !both.plays[&play].2 {
                    both.stage.cancel(Both::key(play), false).await;
                    both.ended(play);
                }
            }
            both.compare().await;
            assert!(both.lines.iter().all(|line| line.running.is_empty() && line.queued.is_empty()));
        });
    }
}
