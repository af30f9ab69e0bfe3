//! The power goes at any write or sync: what was answered is there, whole batches only.
//!
//! A `SIGKILL` leaves the system's cache, so it cannot show that anything was synced. Here the
//! store runs on a [`Platter`]: when the power goes, only what was synced is certain. Each seed
//! is a life or two: open, commit alone and in groups, checkpoint, shrink, close and open, until
//! the power goes, also while the store recovers from the cut before. The threads of the store
//! run as the system lets them, so a seed that fails may need to be run a few times.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use libtest_mimic::Failed;
use model::batch::Batch;
use rusqlite::{Connection, OpenFlags};
use store::sqlite::{FILE_NAME, SqliteStore, Synchronous};
use store::{CommitError, Store, StoreError};

use crate::beginning::{Beginning, LOG_NAME, fresh, options, send_together, used};
use crate::history::{History, NEWCOMER, View, mark_of};
use crate::platter::{Call, Cut, Image, Platter};
use crate::random::Random;
use crate::{Folder, runtime, vfs};

/// Why a run shows that the store is not durable.
#[derive(Debug)]
enum Violation {
    Lost(String),
    Half(Vec<&'static str>),
    Damaged(String),
    Failed(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(batch) => write!(f, "batch {batch} was acknowledged and is lost"),
            Self::Half(parts) => write!(f, "some batch happened in part: {parts:?} differ"),
            Self::Damaged(what) => write!(f, "the database is damaged: {what}"),
            Self::Failed(what) => write!(f, "failed while the power was on: {what}"),
        }
    }
}

/// When the power went, over all seeds: in which part of the work, and in which call.
type Cuts = BTreeSet<(&'static str, Call)>;

/// Calls that are rare in a run, and so are aimed at: those of checkpoints, and of the end.
const RARE: [(&str, &str); 4] =
    [(FILE_NAME, "write"), (FILE_NAME, "sync"), (FILE_NAME, "truncate"), (LOG_NAME, "delete")];

pub(crate) fn what_was_answered_survives(seeds: Range<u64>) -> Result<(), Failed> {
    let is_short = seeds.end - seeds.start < 1_000;
    let cuts = Mutex::new(Cuts::new());
    if let Some((seed, violation)) = first_violation(seeds, Synchronous::Full, &cuts) {
        return Err(format!("{violation}; again with FLOW8_SEEDS={seed}..{}", seed + 1).into());
    }
    let cuts = cuts.into_inner().expect("no panic");
    // The evidence is only as good as the places it looked at.
    for (part, file, call) in [
        ("open", FILE_NAME, "write"),
        ("open", LOG_NAME, "sync"),
        ("commit", LOG_NAME, "write"),
        ("commit", LOG_NAME, "sync"),
        ("commit", FILE_NAME, "write"),
        ("commit", FILE_NAME, "sync"),
        ("shrink", LOG_NAME, "write"),
        ("shrink", LOG_NAME, "sync"),
        ("close", FILE_NAME, "write"),
        ("close", FILE_NAME, "sync"),
        ("close", FILE_NAME, "truncate"),
        ("close", LOG_NAME, "delete"),
    ] {
        if !is_short && !cuts.contains(&(part, (file.into(), call))) {
            return Err(format!("in no run did the power go in {part} at a {call} of {file}: {cuts:?}").into());
        }
    }
    Ok(())
}

pub(crate) fn without_sync_the_same_check_fails(seeds: Range<u64>) -> Result<(), Failed> {
    match first_violation(seeds, Synchronous::Off, &Mutex::default()) {
        Some((_, Violation::Lost(_))) => Ok(()),
        Some((seed, other)) => Err(format!("seed {seed} found something else: {other}").into()),
        None => Err("no loss was found, so the check cannot see one".into()),
    }
}

fn first_violation(seeds: Range<u64>, synchronous: Synchronous, cuts: &Mutex<Cuts>) -> Option<(u64, Violation)> {
    let beginnings = [fresh(), used(true), used(false)];
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |cores| cores.get().min(8)) {
            scope.spawn(|| {
                let folder = Folder::new();
                let runtime = runtime();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || found.lock().expect("no panic").is_some() {
                        return;
                    }
                    let beginning = &beginnings[(seed % 3) as usize];
                    let run = Run { folder: &folder, synchronous, random: Random::new(seed), cuts };
                    if let Err(violation) = runtime.block_on(run.lives(beginning)) {
                        found.lock().expect("no panic").get_or_insert((seed, violation));
                    }
                }
            });
        }
    });
    found.into_inner().expect("no panic")
}

/// One seed.
struct Run<'a> {
    folder: &'a Folder,
    synchronous: Synchronous,
    random: Random,
    cuts: &'a Mutex<Cuts>,
}

impl Run<'_> {
    async fn lives(mut self, beginning: &Beginning) -> Result<(), Violation> {
        let mut history = beginning.history.clone();
        let mut image = beginning.image.clone();
        for _ in 0..1 + self.random.below(2) {
            let platter = Arc::new(Platter::holding(image, Some(self.choose_cut())));
            let mount = vfs::mount(self.folder.path(), platter.clone());
            let (part, unanswered) = self.live(&platter, &mut history).await?;
            drop(mount);
            if let Some(last) = platter.last_call() {
                self.cuts.lock().expect("no panic").insert((part, last));
            }
            platter.cut();
            image = platter.after_power_cut(&mut self.random);
            self.check(image.clone(), &mut history, unanswered).await?;
        }
        Ok(())
    }

    fn choose_cut(&mut self) -> Cut {
        let early = *self.random.pick(&[30, 300, 1_500, 4_000]);
        match self.random.below(10) {
            0..4 => Cut::Change(1 + self.random.below(early)),
            4..7 => Cut::Sync(1 + self.random.below(early / 10)),
            _ => {
                let (file, call) = *self.random.pick(&RARE);
                let most = if call == "write" { 1_000 } else { 3 };
                Cut::Such((file.into(), call), 1 + self.random.below(most))
            }
        }
    }

    /// Works until the power goes or all is done. Says where that was, and which batches had been
    /// sent and not acknowledged.
    async fn live(
        &mut self,
        platter: &Arc<Platter>,
        history: &mut History,
    ) -> Result<(&'static str, Vec<Batch>), Violation> {
        let mut store: Option<Arc<SqliteStore>> = None;
        for _ in 0..4 + self.random.below(10) {
            let open = match &store {
                Some(store) => store.clone(),
                None => match self.open(platter, history).await? {
                    Some(opened) => store.insert(opened).clone(),
                    None => return Ok(("open", Vec::new())),
                },
            };
            match self.random.below(10) {
                0..4 => {
                    let batches = history.next(1, &mut self.random).await;
                    let unanswered = commit_together(open, platter, batches, history).await?;
                    if !unanswered.is_empty() {
                        return Ok(("commit", unanswered));
                    }
                }
                4..7 => {
                    let count = 2 + self.random.below(4);
                    let batches = history.next(count, &mut self.random).await;
                    let unanswered = commit_together(open, platter, batches, history).await?;
                    if !unanswered.is_empty() {
                        return Ok(("commit", unanswered));
                    }
                }
                7..9 => {
                    for _ in 0..1 + self.random.below(6) {
                        if let Err(error) = open.shrink().await {
                            while_on(platter, &error)?;
                            return Ok(("shrink", Vec::new()));
                        }
                    }
                }
                _ => {
                    drop(open);
                    store = None;
                    if platter.last_call().is_some() {
                        return Ok(("close", Vec::new()));
                    }
                }
            }
        }
        if self.random.percent(50) {
            platter.cut();
        }
        drop(store);
        Ok(("close", Vec::new()))
    }

    async fn open(&mut self, platter: &Platter, history: &mut History) -> Result<Option<Arc<SqliteStore>>, Violation> {
        let store = match SqliteStore::open(&options(self.folder.path(), self.synchronous)) {
            Ok(store) => Arc::new(store),
            Err(error) => return while_on(platter, &error).map(|()| None),
        };
        match store.adopt(NEWCOMER).await {
            Ok(_) => {
                history.adopted();
                Ok(Some(store))
            }
            Err(error) => while_on(platter, &error).map(|()| None),
        }
    }

    /// The power is back. Batches that were not answered may have happened, or not.
    async fn check(&self, image: Image, history: &mut History, unanswered: Vec<Batch>) -> Result<(), Violation> {
        let damaged = |error: StoreError| Violation::Damaged(error.to_string());
        let platter = Arc::new(Platter::holding(image, None));
        let _mount = vfs::mount(self.folder.path(), platter);
        let store = SqliteStore::open(&options(self.folder.path(), Synchronous::Full)).map_err(damaged)?;
        store.adopt(NEWCOMER).await.map_err(damaged)?;
        let view = View::of(&store).await.map_err(damaged)?;
        if let Some(lost) = history.acknowledged().find(|batch| !view.has(batch)) {
            return Err(Violation::Lost(mark_of(lost).id.clone()));
        }
        for batch in unanswered.iter().filter(|batch| view.has(batch)) {
            history.committed(batch);
        }
        let model = history.model().await;
        model.adopt(NEWCOMER).await.map_err(damaged)?;
        let differences = view.differences(&View::of(&model).await.map_err(damaged)?);
        if !differences.is_empty() {
            return Err(Violation::Half(differences));
        }
        match integrity(&self.folder.path().join(FILE_NAME)) {
            Ok(verdict) if verdict == "ok" => Ok(()),
            Ok(verdict) => Err(Violation::Damaged(verdict)),
            Err(error) => Err(Violation::Damaged(error.to_string())),
        }
    }
}

/// A failure is as it should be once the power is out, and never before.
fn while_on(platter: &Platter, error: &dyn fmt::Display) -> Result<(), Violation> {
    match platter.last_call() {
        Some(_) => Ok(()),
        None => Err(Violation::Failed(error.to_string())),
    }
}

/// Commits batches in groups, and gives back those that were not answered.
async fn commit_together(
    store: Arc<SqliteStore>,
    platter: &Platter,
    batches: Vec<Batch>,
    history: &mut History,
) -> Result<Vec<Batch>, Violation> {
    let mut unanswered = Vec::new();
    for (batch, outcome) in send_together(&store, platter, batches).await {
        match outcome {
            Ok(_) => history.committed(&batch),
            Err(CommitError::Store(error)) => {
                while_on(platter, &error)?;
                unanswered.push(batch);
            }
            Err(CommitError::Conflict(conflict)) => return Err(Violation::Failed(conflict.to_string())),
        }
    }
    Ok(unanswered)
}

fn integrity(file: &Path) -> rusqlite::Result<String> {
    let connection = Connection::open_with_flags_and_vfs(file, OpenFlags::SQLITE_OPEN_READ_WRITE, vfs::NAME)?;
    connection.query_row("PRAGMA integrity_check", (), |row| row.get(0))
}
