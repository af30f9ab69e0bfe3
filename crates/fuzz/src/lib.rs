//! [`Target`]: what reads hostile input, put to a corpus and to whatever can be made of it. For tests alone.
//!
//! Every run replays the files of the corpus, `tests/corpus/<target>` of the crate under test, and then some
//! changes of them, the same each time. `FLOW8_FUZZ_SECONDS=60` goes on for so long, from a seed that is drawn and
//! told; `FLOW8_SEED=n` is one input alone, or the first one of a long run.
//!
//! A new target is a test that calls [`Target::holds`], a folder with a few inputs, real and hostile, and a line in
//! `scripts/fuzz`.
//!
//! What is found is told with its seed and cut down to what is needed for it: that belongs into the corpus.

mod change;
mod dice;
mod run;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an input, unless the target says otherwise.
const MAX_BYTES: usize = 4096;

/// What one input may take. It is long: the machine may be busy, and a build for tests is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is put to the test: a corpus, and what belongs into its inputs.
#[derive(Debug, Clone)]
pub struct Target {
    name: &'static str,
    corpus: Arc<Vec<(String, Vec<u8>)>>,
    words: Vec<&'static [u8]>,
    max_bytes: usize,
    at_least: u64,
    patience: Duration,
}

impl Target {
    /// The target of that name of the crate in `folder`: `env!("CARGO_MANIFEST_DIR")`.
    ///
    /// # Panics
    /// Where it has no corpus.
    #[must_use]
    pub fn new(folder: &str, name: &'static str) -> Self {
        let from = Path::new(folder).join("tests/corpus").join(name);
        let files = fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let file = |entry: fs::DirEntry| {
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        };
        let mut corpus: Vec<_> = files.map(|entry| file(entry.unwrap_or_else(|error| panic!("{error}")))).collect();
        corpus.sort();
        assert!(!corpus.is_empty(), "{} is empty", from.display());
        let max_bytes = corpus.iter().map(|(_, bytes)| bytes.len() * 2).max().unwrap_or_default().max(MAX_BYTES);
        Self { name, corpus: Arc::new(corpus), words: Vec::new(), max_bytes, at_least: 1_000, patience: PATIENCE }
    }

    /// What belongs into the inputs, and is seldom hit upon by chance.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = &'static str>) -> Self {
        self.words.extend(words.into_iter().map(str::as_bytes));
        self
    }

    /// How many inputs a short run makes.
    #[must_use]
    pub fn at_least(mut self, inputs: u64) -> Self {
        self.at_least = inputs;
        self
    }

    /// A file of the corpus.
    ///
    /// # Panics
    /// Where it is not there.
    #[must_use]
    pub fn file(&self, name: &str) -> &[u8] {
        let found = self.corpus.iter().find(|(is, _)| is == name);
        &found.unwrap_or_else(|| panic!("no {name} in the corpus {}", self.name)).1
    }

    /// Puts the check to everything. It takes its input, panics where what is promised does not hold, and ends.
    ///
    /// # Panics
    /// Where it does not hold for some input, or does not end.
    #[track_caller]
    pub fn holds(&self, check: impl Fn(&[u8]) + Send + Sync + 'static) {
        run::run(self, Arc::new(check));
    }
}

#[cfg(test)]
mod tests {
    use std::panic;
    use std::sync::Mutex;

    use super::*;

    fn target() -> Target {
        Target::new(env!("CARGO_MANIFEST_DIR"), "itself").words(["needle"])
    }

    fn complaint(check: impl Fn(&[u8]) + Send + Sync + 'static) -> String {
        let target = Target { patience: Duration::from_millis(200), ..target() };
        let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| target.holds(check)));
        *caught.expect_err("is found").downcast::<String>().expect("a text")
    }

    #[test]
    fn every_file_of_the_corpus_comes_first_and_then_what_is_made_of_it() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tell = seen.clone();
        target().at_least(50).holds(move |input| tell.lock().expect("no panic").push(input.to_vec()));
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen[..2], [b"".to_vec(), b"one: 1\ntwo: [2, 3]\n".to_vec()]);
        assert_eq!(seen.len(), 52);
        assert!(seen.iter().all(|input| input.len() <= MAX_BYTES));
    }

    #[test]
    fn what_does_not_hold_is_told_with_its_seed_and_as_little_as_is_needed() {
        let text = complaint(|input| assert!(!input.windows(6).any(|six| six == b"needle"), "there it is"));
        assert!(text.contains("FLOW8_SEED=") && text.contains("there it is"), "{text}");
        assert!(text.ends_with("\"needle\""), "{text}");
    }

    #[test]
    fn what_does_not_end_is_told() {
        let text = complaint(|input| {
            while input.starts_with(b"one: 1\ntwo: [2, 3]") {
                std::thread::yield_now();
            }
        });
        assert!(text.contains("does not end") && text.contains("two: [2, 3]"), "{text}");
    }
}
