//! What may happen to a replica, and to the database.

use std::fmt;
use std::time::{Duration, Instant};

use engine::failpoint::FailPoint;
use model::Value;
use store_suite::set::ReplicaSet;

use crate::outside::Outside;
use crate::peer::Peer;
use crate::replicas::{COUNT, Replicas};
use crate::tale::{Dice, LOOK, is_over};

/// Plays that are kept waiting on a replica to which something happens.
const PROBES: usize = 3;

/// How often a server stands still, as with a slow disk, for how long, and how long it goes on between.
const STALLS: (u32, Duration, Duration) = (15, Duration::from_millis(120), Duration::from_millis(30));

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL; it starts again later.
    Kill(usize),
    /// SIGSTOP, until others have taken over; then SIGCONT.
    Pause(usize),
    /// SIGSTOP and SIGCONT, perhaps before anybody noticed.
    Doze(usize, Duration),
    /// It stands still the n-th time that it is about to do this, until all has ended without it; then SIGCONT.
    Halt(usize, FailPoint, u64),
    /// The primary gives way to another.
    StepDown,
    /// A server of the database is cut off for a while: from replicas and from the others.
    Cut(usize, Duration),
    /// The primary is alone for a while, and then gone: what it took meanwhile, nobody else has.
    Alone(Duration),
    /// The primary stands still again and again.
    Slow,
}

impl Fault {
    /// What happens in a seed: something to a replica, to the database, or to both at once.
    pub(crate) fn of(dice: &mut Dice) -> Vec<Self> {
        let millis = |dice: &mut Dice, end| Duration::from_millis(dice.below(end));
        let replica = dice.below(COUNT as u64) as usize;
        let of_replica = match dice.below(7) {
            0 | 1 => Self::Kill(replica),
            2 | 3 => Self::Pause(replica),
            4 => Self::Doze(replica, millis(dice, 4_000)),
            5 => Self::Halt(replica, FailPoint::BeforeEffect, 1 + dice.below(6)),
            _ => Self::Halt(replica, FailPoint::BeforeCommit, 1 + dice.below(12)),
        };
        let of_database = match dice.below(5) {
            0 => Self::StepDown,
            1 | 2 => Self::Alone(Duration::from_millis(800) + millis(dice, 700)),
            3 => Self::Cut(dice.below(3) as usize, millis(dice, 3_000)),
            _ => Self::Slow,
        };
        match dice.below(4) {
            0 | 1 => vec![of_replica],
            2 => vec![of_database],
            _ => vec![of_replica, of_database],
        }
    }

    pub(crate) fn is_of_database(self) -> bool {
        matches!(self, Self::StepDown | Self::Cut(..) | Self::Alone(_) | Self::Slow)
    }

    /// Which replica is told to stand still, and where.
    pub(crate) fn halt(self) -> Option<(usize, String)> {
        let Self::Halt(at, point, times) = self else { return None };
        Some((at, format!("{point}:{times}:stop")))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill(_) => "SIGKILL of a replica",
            Self::Pause(_) => "SIGSTOP of a replica until others took over",
            Self::Doze(..) => "SIGSTOP of a replica for a moment",
            Self::Halt(..) => "a replica that stood still until it was too late",
            Self::StepDown => "step-down of the primary",
            Self::Cut(..) => "a database server cut off",
            Self::Alone(_) => "a primary that was alone, and is gone",
            Self::Slow => "a primary that stands still again and again",
        }
    }

    /// Makes it happen, and returns when it is over. Says how long it took until others went on with
    /// what the replica had been at.
    pub(crate) async fn happen(self, stage: &Stage<'_>) -> Vec<Duration> {
        match self {
            Self::Kill(at) => {
                let probes = stage.send_probes(at).await;
                let Some(replica) = stage.replicas.take(at) else { return Vec::new() };
                let began = now();
                replica.signal("KILL");
                let resumed = stage.taken_over(&probes, began).await;
                stage.replicas.begin(at).await;
                resumed
            }
            Self::Pause(at) => {
                let probes = stage.send_probes(at).await;
                let Some(replica) = stage.replicas.get(at) else { return Vec::new() };
                let began = now();
                replica.signal("STOP");
                let resumed = stage.taken_over(&probes, began).await;
                replica.signal("CONT");
                resumed
            }
            Self::Doze(at, long) => {
                let Some(replica) = stage.replicas.get(at) else { return Vec::new() };
                replica.signal("STOP");
                tokio::time::sleep(long).await;
                replica.signal("CONT");
                Vec::new()
            }
            Self::Halt(at, point, _) => {
                stage.come_too_late(at, point).await;
                Vec::new()
            }
            Self::StepDown => {
                stage.set.step_down().await;
                Vec::new()
            }
            Self::Cut(at, long) => {
                let network = &stage.set.members()[at].network;
                network.cut();
                tokio::time::sleep(long).await;
                network.mend();
                Vec::new()
            }
            Self::Alone(long) => {
                let primary = stage.set.primary().await;
                let members = stage.set.members().iter().enumerate();
                let (alone, others): (Vec<_>, Vec<_>) = members.partition(|(at, _)| *at == primary);
                others.iter().for_each(|(_, other)| other.server.signal("STOP"));
                tokio::time::sleep(long).await;
                for (_, gone) in &alone {
                    gone.network.cut();
                    gone.server.signal("STOP");
                }
                others.iter().for_each(|(_, other)| other.server.signal("CONT"));
                stage.set.takes_writes().await;
                for (_, back) in &alone {
                    back.server.signal("CONT");
                    back.network.mend();
                }
                Vec::new()
            }
            Self::Slow => {
                let server = &stage.set.members()[stage.set.primary().await].server;
                let (times, still, between) = STALLS;
                for _ in 0..times {
                    server.signal("STOP");
                    tokio::time::sleep(still).await;
                    server.signal("CONT");
                    tokio::time::sleep(between).await;
                }
                Vec::new()
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[expect(clippy::disallowed_methods, reason = "a process is killed in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Where faults happen.
pub(crate) struct Stage<'s> {
    pub(crate) set: &'s ReplicaSet,
    pub(crate) replicas: &'s Replicas,
    pub(crate) peer: &'s Peer,
    pub(crate) outside: &'s Outside,
    pub(crate) outside_url: &'s str,
}

impl Stage<'_> {
    /// The names of the plays that are kept waiting, where something happens to a replica.
    pub(crate) fn probes() -> impl Iterator<Item = String> {
        (0..PROBES).map(|number| format!("probe-{number}"))
    }

    /// Has plays kept waiting on a replica, and returns when it is at them: their names.
    async fn send_probes(&self, at: usize) -> Vec<String> {
        let names: Vec<String> = Self::probes().collect();
        for name in &names {
            self.replicas.wish(at, "probe", self.outside_url, name).await;
        }
        while names.iter().any(|name| self.outside.kept(name).is_empty()) {
            tokio::time::sleep(LOOK).await;
        }
        names
    }

    /// Waits until each of them is called for again.
    async fn taken_over(&self, probes: &[String], began: Instant) -> Vec<Duration> {
        let mut resumed = Vec::new();
        for name in probes {
            let again = loop {
                match self.outside.kept(name).get(1) {
                    Some(again) => break *again,
                    None => tokio::time::sleep(LOOK).await,
                }
            };
            resumed.push(again.saturating_duration_since(began));
        }
        resumed
    }

    /// Waits until a replica stands still and all has ended without it. Then it goes on, and must change nothing.
    async fn come_too_late(&self, at: usize, point: FailPoint) {
        let Some(replica) = self.replicas.get(at) else { return };
        let answers = async || replica.ask("GET", "/plays?size=1", &Value::Null).await.is_some();
        while answers().await {
            if is_over(self.replicas).await {
                // It had too little to do.
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.replicas.take(at);
        while !is_over(self.replicas).await {
            tokio::time::sleep(LOOK).await;
        }
        let now = async || {
            let plays = self.replicas.granted(at + 1, "GET", "/plays?size=100", &Value::Null).await;
            (self.peer.count() + self.outside.calls(), plays)
        };
        let ((calls, plays), said) = (now().await, replica.log().len());
        let nothing_happens = async || {
            let (called, changed) = now().await;
            assert_eq!(called, calls, "replica {at} reached outside too late\n{}", replica.log());
            assert!(changed == plays, "replica {at} committed too late\n{}\n{}", plays.to_json(), changed.to_json());
        };
        let stood_still = !answers().await;
        replica.signal("CONT");
        // It finds what it was at in other hands, and says so.
        let told: &[&str] = match point {
            FailPoint::BeforeEffect => &["was given up while it was at it"],
            _ => &["letting a play go", "cannot take a play up"],
        };
        let lets_go = || {
            let log = replica.log();
            told.iter().any(|told| log[said..].contains(told))
        };
        while stood_still && !lets_go() {
            nothing_happens().await;
            tokio::time::sleep(LOOK).await;
        }
        nothing_happens().await;
        self.replicas.put_back(at, replica);
    }
}
