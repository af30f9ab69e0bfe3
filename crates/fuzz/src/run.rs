//! [`run`]: one input after the other, in a thread of its own that is watched.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Target;
use crate::change::input;
use crate::dice::Dice;

/// How often an input that was found is tried with less in it.
const CUTS: usize = 2_000;

/// What is told of at most: as text, a byte may take four characters.
const SHOWN_BYTES: usize = 4_000;

/// Inputs that the watcher may be behind.
const AHEAD: usize = 64;

type Check = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What is being tried, for whoever watches.
type Now = Arc<Mutex<(String, Vec<u8>)>>;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// See [`Target::holds`].
pub(crate) fn run(target: &Target, check: Check) {
    let now = Now::default();
    let (tell, told) = sync_channel(AHEAD);
    let worker = Worker { target: target.clone(), check, now: now.clone(), tell };
    // Not joined: what does not end is left to the end of the process.
    let started = thread::Builder::new().name(format!("fuzz {}", target.name)).spawn(move || worker.work());
    assert!(started.is_ok(), "no thread for it");
    watch(target, &told, &now);
}

fn watch(target: &Target, told: &Receiver<Told>, now: &Now) {
    loop {
        match told.recv_timeout(target.patience) {
            Ok(Told::Goes) => {}
            Ok(Told::Held) => return,
            Ok(Told::Broken(text)) => panic!("{text}"),
            Err(RecvTimeoutError::Timeout) => {
                let (which, bytes) = &*now.lock().unwrap_or_else(PoisonError::into_inner);
                let limit = target.patience;
                panic!("{}: {which} does not end within {limit:?}:\n{}", target.name, shown(bytes));
            }
            Err(RecvTimeoutError::Disconnected) => panic!("{}: it is gone", target.name),
        }
    }
}

enum Told {
    Goes,
    Held,
    Broken(String),
}

struct Worker {
    target: Target,
    check: Check,
    now: Now,
    tell: SyncSender<Told>,
}

impl Worker {
    fn work(&self) {
        let outcome = match self.all() {
            Ok(()) => Told::Held,
            Err(text) => Told::Broken(text),
        };
        // Nobody listens where the patience is over.
        let _ = self.tell.send(outcome);
    }

    fn all(&self) -> Result<(), String> {
        let (seconds, seed) = (told("FLOW8_FUZZ_SECONDS"), told("FLOW8_SEED"));
        if let (None, Some(seed)) = (seconds, seed) {
            return self.of_seed(seed);
        }
        for (name, bytes) in self.target.corpus.iter() {
            self.one(&format!("tests/corpus/{}/{name}", self.target.name), bytes)?;
        }
        let Some(seconds) = seconds else {
            return (0..self.target.at_least).try_for_each(|seed| self.of_seed(seed));
        };
        let (began, first) = (now(), seed.unwrap_or_else(drawn));
        // A crash of the whole process leaves this behind.
        say(&format!("fuzz {}: {seconds} s, from FLOW8_SEED={first}", self.target.name));
        let mut inputs = 0;
        while began.elapsed() < Duration::from_secs(seconds) {
            self.of_seed(first.wrapping_add(inputs))?;
            inputs += 1;
        }
        say(&format!("fuzz {}: {inputs} inputs in {} s", self.target.name, began.elapsed().as_secs()));
        Ok(())
    }

    fn of_seed(&self, seed: u64) -> Result<(), String> {
        self.one(&format!("FLOW8_SEED={seed}"), &input(&self.target, seed))
    }

    fn one(&self, which: &str, bytes: &[u8]) -> Result<(), String> {
        // One that ends too late is told by the watcher.
        let _ = self.tell.send(Told::Goes);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (which.to_owned(), bytes.to_vec());
        let Err(why) = self.holds(bytes) else { return Ok(()) };
        let least = self.least(bytes);
        let why = self.holds(&least).err().unwrap_or(why);
        Err(format!("{}: {which} breaks: {why}\nas little as is needed:\n{}", self.target.name, shown(&least)))
    }

    fn holds(&self, bytes: &[u8]) -> Result<(), String> {
        hush();
        IS_QUIET.set(true);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (self.check)(bytes)));
        IS_QUIET.set(false);
        outcome.map_err(|thrown| text(&*thrown))
    }

    /// The input without what is not needed for it to break.
    fn least(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut least, mut tries) = (bytes.to_vec(), 0);
        let mut size = least.len().div_ceil(2);
        while size > 0 && tries < CUTS {
            let (mut at, before) = (0, least.len());
            while at < least.len() && tries < CUTS {
                let mut cut = least.clone();
                drop(cut.drain(at..(at + size).min(least.len())));
                tries += 1;
                let _ = self.tell.send(Told::Goes);
                if self.holds(&cut).is_err() { least = cut } else { at += size }
            }
            size = if size == 1 && least.len() < before { 1 } else { size / 2 };
        }
        least
    }
}

/// Panics of the check are told once, by whoever started it, and not at every try.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                before(info);
            }
        }));
    });
}

fn text(thrown: &(dyn Any + Send)) -> String {
    let text = thrown.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| thrown.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

fn shown(bytes: &[u8]) -> String {
    let rest = bytes.len().saturating_sub(SHOWN_BYTES);
    let more = if rest > 0 { format!(" and {rest} bytes more") } else { String::new() };
    format!("b\"{}\"{more}", bytes[..bytes.len() - rest].escape_ascii())
}

#[expect(clippy::print_stderr, reason = "whoever started a long run wants to see it")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::disallowed_methods, reason = "how long it goes is up to whoever runs the tests")]
fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "a long run is so long in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A seed that no run before had.
fn drawn() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Dice::new(since.as_nanos() as u64).any() >> 16
}
