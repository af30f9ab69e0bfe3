//! [`Site`]: a store that outlives processes, the peer, and the process that runs now.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::driver::Probe;
use engine::failpoint::FailPoint;
use engine::world::World;
use engine::{Engine, Parts, Settings};
use model::play::PlayHeader;
use model::time::Timestamp;
use sdk::{Module, Registry};
use store::fault::{Fate, Faulty, Plan};
use store::memory::MemoryStore;
use store::{PlayQuery, Store};
use tokio::time::Instant;

use crate::dice::{Dice, SharedDice};
use crate::fence::{Fenced, Process};
use crate::peer::Peer;
use crate::stage::{BEGIN, COMPANY, Files, NoHttp, Upside};
use crate::watch::Watch;

/// The built-in modules that drawn flows use.
const BUILT_IN: [&str; 14] = [
    "var",
    "delay",
    "wait-event",
    "subflow",
    "iterator",
    "aggregator",
    "router",
    "kv-increment",
    "kv-append",
    "kv-set",
    "end",
    "fail",
    "respond",
    "log",
];

/// A store that outlives processes, the peer, and the process that runs now.
pub(crate) struct Site {
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) peer: Arc<Peer>,
    /// Reads what is in the store, and is told of no trouble.
    pub(crate) auditor: Arc<Engine>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) process: Arc<Process>,
    faults: Arc<Faults>,
    files: Arc<Files>,
    settings: Settings,
    dice: Dice,
    /// The failure point that ends the process, and how often it is passed before.
    armed: Arc<Mutex<Option<(FailPoint, u64)>>>,
}

impl Site {
    pub(crate) async fn new(dice: &mut Dice) -> Self {
        let memory = Arc::new(MemoryStore::default());
        let watch = Arc::new(Watch::new(Instant::now()));
        let peer = Arc::new(Peer::new(dice.fork(), watch.clone()));
        let faults = Arc::new(Faults::new(dice.fork()));
        let files = Arc::new(Files::default());
        let process = Arc::new(Process::default());
        let settings = Settings {
            max_effects: *dice.pick(&[1, 3, 1_000]),
            max_active: *dice.pick(&[2, 4, 4_096]),
            ..Settings::default()
        };
        let mut own = dice.fork();
        let world = Clock::new(&watch, own.next());
        let auditor =
            engine(memory.clone(), Registry::new(modules(&peer, &process)), world, &files, Settings::default(), None);
        peer.audited_by(auditor.clone());
        let mut site = Self {
            engine: auditor.clone(),
            memory,
            watch,
            peer,
            auditor,
            process,
            faults,
            files,
            settings,
            dice: own,
            armed: Arc::default(),
        };
        site.begin().await;
        site
    }

    /// Begins a process.
    async fn begin(&mut self) {
        self.process = Arc::new(Process::default());
        let fenced = Fenced { inner: self.memory.clone(), process: self.process.clone(), watch: self.watch.clone() };
        let store = Arc::new(Faulty::new(Arc::new(fenced), Shared(self.faults.clone())));
        let registry = Registry::new(modules(&self.peer, &self.process));
        let world = Clock::new(&self.watch, self.dice.next());
        let engine = engine(store, registry, world, &self.files, self.settings.clone(), Some(self.probe()));
        while engine.start().await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.engine = engine;
    }

    /// Ends the process at the armed failure point.
    fn probe(&self) -> Probe {
        let (armed, process, watch) = (self.armed.clone(), self.process.clone(), self.watch.clone());
        Arc::new(move |point| {
            let mut armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((at, left)) = armed.as_mut().filter(|(at, _)| *at == point) else { return };
            if *left > 0 {
                *left -= 1;
            } else if !process.is_dead() {
                watch.note(|| format!("the process ends at {at}"));
                *armed = None;
                process.end();
            }
        })
    }

    pub(crate) fn arm(&self, point: FailPoint, passes: u64) {
        self.watch.note(|| format!("the process will end at {point}, after {passes} times"));
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((point, passes));
    }

    /// Ends the process, if it has not ended, and begins another.
    pub(crate) async fn restart(&mut self) {
        self.process.end();
        self.watch.note(|| "a new process begins".into());
        self.begin().await;
    }

    /// No more trouble from the store, the peer or crashes.
    pub(crate) fn calm_down(&self) {
        self.watch.note(|| "from now on all is calm".into());
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.faults.calm.store(true, Ordering::SeqCst);
        self.peer.calm_down();
    }

    /// The plays, oldest first.
    pub(crate) async fn plays(&self) -> Vec<PlayHeader> {
        let page = self.memory.headers(&PlayQuery::of(COMPANY, 10_000)).await;
        page.map(|page| page.plays.into_iter().rev().collect()).unwrap_or_default()
    }
}

fn modules(peer: &Arc<Peer>, process: &Arc<Process>) -> Vec<Module> {
    thread_local! {
        static ALL: OnceCell<Vec<Module>> = const { OnceCell::new() };
    }
    let built_in = ALL.with(|all| {
        all.get_or_init(|| modules::all().into_iter().filter(|module| BUILT_IN.contains(&module.id)).collect()).clone()
    });
    built_in.into_iter().chain(peer.modules(process)).collect()
}

fn engine(
    store: Arc<dyn Store>,
    modules: Registry,
    world: Clock,
    files: &Arc<Files>,
    settings: Settings,
    probe: Option<Probe>,
) -> Arc<Engine> {
    Engine::new(Parts {
        store,
        modules,
        world: Arc::new(world),
        seal: Arc::new(Upside),
        http: Arc::new(NoHttp),
        files: files.clone(),
        objects: files.clone(),
        backends: Default::default(),
        declared: Default::default(),
        settings,
        probe,
    })
}

/// A clock that stands on tokio's, and randomness from the seed.
struct Clock {
    watch: Arc<Watch>,
    random: AtomicU64,
}

impl Clock {
    fn new(watch: &Arc<Watch>, seed: u64) -> Self {
        Self { watch: watch.clone(), random: AtomicU64::new(seed) }
    }
}

#[async_trait]
impl World for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGIN).plus(self.watch.elapsed())
    }

    fn random(&self) -> u64 {
        Dice::new(self.random.fetch_add(1, Ordering::Relaxed)).next()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// What is due is found by looking, too, where word of it was lost with a commit's answer.
    fn longest_sleep(&self) -> Duration {
        Duration::from_secs(300)
    }
}

/// How the store fails.
struct Faults {
    dice: SharedDice,
    commits: u64,
    reads: u64,
    delays: u64,
    calm: AtomicBool,
}

impl Faults {
    fn new(mut dice: Dice) -> Self {
        let (commits, reads, delays) =
            (*dice.pick(&[0, 0, 5, 20]), *dice.pick(&[0, 0, 3, 10]), *dice.pick(&[0, 20, 60]));
        Self { dice: SharedDice::new(dice), commits, reads, delays, calm: AtomicBool::new(false) }
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }
}

struct Shared(Arc<Faults>);

impl Plan for Shared {
    fn commit(&self) -> Fate {
        if self.0.is_calm() {
            return Fate::Happens;
        }
        let chance = self.0.commits;
        self.0.dice.throw(|dice| match dice.below(200) {
            roll if roll < chance => Fate::FailsBefore,
            roll if roll < 2 * chance => Fate::FailsAfter,
            _ => Fate::Happens,
        })
    }

    fn read_fails(&self) -> bool {
        !self.0.is_calm() && self.0.dice.throw(|dice| dice.chance(self.0.reads))
    }

    fn delays(&self) -> (Duration, Duration) {
        if self.0.is_calm() {
            return Default::default();
        }
        let chance = self.0.delays;
        self.0.dice.throw(|dice| {
            let mut one = || if dice.chance(chance) { dice.ms(300) } else { Duration::ZERO };
            (one(), one())
        })
    }
}
