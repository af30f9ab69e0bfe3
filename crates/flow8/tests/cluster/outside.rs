//! What the flows of a cluster reach outside: a place where few may be at once, and one that keeps
//! the first who calls waiting, so that it is seen when another takes over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Plays that may be at the narrow place at once.
pub(crate) const LIMIT: usize = 3;

/// How long each is there once the limit has been reached: one too many would come meanwhile.
const STAY: Duration = Duration::from_secs(1);

/// The flows that go there.
pub(crate) const FLOWS: [&str; 2] = [
    r#"
apiVersion: flow8/v1
kind: Flow
name: Limited
concurrency: {limit: 3}
layers:
  - {ref: narrow, appId: curl, timeout: 120, args: {method: GET, url: "{{ $prev.args.body.peer }}/narrow/{{ $prev.args.body.name }}"}}
"#,
    r#"
apiVersion: flow8/v1
kind: Flow
name: Probe
layers:
  - {ref: kept, appId: curl, timeout: 120, args: {method: GET, url: "{{ $prev.args.body.peer }}/kept/{{ $prev.args.body.name }}"}}
"#,
];

/// What was seen outside.
#[derive(Clone)]
pub(crate) struct Outside(Arc<Seen>);

struct Seen {
    /// Who is at the narrow place, how often.
    narrow: Mutex<BTreeMap<String, usize>>,
    /// The most that were there at once.
    most: watch::Sender<usize>,
    /// Calls of either place.
    calls: AtomicU64,
    /// When each was called that is kept.
    kept: Mutex<BTreeMap<String, Vec<Instant>>>,
    /// Whether those who are kept may go.
    open: watch::Sender<bool>,
}

impl Outside {
    /// Serves on a free port, for as long as the runtime lives.
    pub(crate) async fn serve() -> (Self, String) {
        let (most, open) = (watch::Sender::new(0), watch::Sender::new(false));
        let seen = Seen { narrow: Mutex::default(), most, calls: AtomicU64::default(), kept: Mutex::default(), open };
        let outside = Self(Arc::new(seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/narrow/{name}", get(narrow)).route("/kept/{name}", get(kept));
        let router = router.with_state(outside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (outside, format!("http://{address}"))
    }

    /// The most plays that were at the narrow place at once.
    pub(crate) fn most(&self) -> usize {
        *self.0.most.borrow()
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Acquire)
    }

    /// When a play called that is kept.
    pub(crate) fn kept(&self, name: &str) -> Vec<Instant> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    /// Lets those go who are kept, and whoever comes.
    pub(crate) fn open(&self) {
        self.0.open.send_replace(true);
    }
}

/// Leaves the narrow place, also where whoever called has gone away.
struct Stay<'s>(&'s Seen, String);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let mut narrow = self.0.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        let there = narrow.entry(self.1.clone()).or_default();
        *there -= 1;
        if *there == 0 {
            narrow.remove(&self.1);
        }
    }
}

async fn narrow(State(Outside(seen)): State<Outside>, Path(name): Path<String>) -> &'static str {
    seen.calls.fetch_add(1, Ordering::AcqRel);
    {
        let mut narrow = seen.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        *narrow.entry(name.clone()).or_default() += 1;
        seen.most.send_modify(|most| *most = narrow.len().max(*most));
    }
    let _stay = Stay(&seen, name);
    // Those who are let in wait for each other: a limit that is never reached limits nothing.
    let _ = seen.most.subscribe().wait_for(|most| *most >= LIMIT).await;
    tokio::time::sleep(STAY).await;
    "through"
}

#[expect(clippy::disallowed_methods, reason = "a process is killed in real time")]
async fn kept(State(Outside(seen)): State<Outside>, Path(name): Path<String>) -> &'static str {
    seen.calls.fetch_add(1, Ordering::AcqRel);
    let is_first = {
        let mut kept = seen.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = kept.entry(name).or_default();
        calls.push(Instant::now());
        calls.len() == 1
    };
    if is_first {
        // It ends with whoever called, too.
        let _ = seen.open.subscribe().wait_for(|open| *open).await;
    }
    "at last"
}
