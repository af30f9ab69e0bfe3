//! Three replicas, of which some may be gone.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Value;

use crate::server::Server;

/// How many there are.
pub(crate) const COUNT: usize = 3;

/// Milliseconds by which their clocks are wrong. What is due must be due for all of them at once.
const SKEWS: [i64; COUNT] = [0, 30_000, -30_000];

/// Replicas on one database.
pub(crate) struct Replicas {
    folder: PathBuf,
    uri: String,
    database: String,
    /// Which of them stands still, and where.
    halt: Option<(usize, String)>,
    running: Mutex<[Option<Arc<Server>>; COUNT]>,
}

impl Replicas {
    /// Starts all of them.
    pub(crate) async fn start(folder: PathBuf, uri: String, database: String, halt: Option<(usize, String)>) -> Self {
        let replicas = Self { folder, uri, database, halt, running: Mutex::default() };
        futures::future::join_all((0..COUNT).map(|at| replicas.begin(at))).await;
        replicas
    }

    /// Starts one, and waits until it serves.
    pub(crate) async fn begin(&self, at: usize) {
        let (folder, uri, database) = (self.folder.join(format!("{at}")), self.uri.clone(), self.database.clone());
        let halt = self.halt.as_ref().filter(|(which, _)| *which == at).map(|(_, point)| point.clone());
        let start =
            tokio::task::spawn_blocking(move || Server::start(&folder, &uri, &database, SKEWS[at], halt.as_deref()));
        let server = start.await.expect("it starts");
        self.running()[at] = Some(Arc::new(server));
    }

    fn running(&self) -> std::sync::MutexGuard<'_, [Option<Arc<Server>>; COUNT]> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them, where it is there.
    pub(crate) fn get(&self, at: usize) -> Option<Arc<Server>> {
        self.running()[at].clone()
    }

    /// Takes one out: whoever asks does not find it any more.
    pub(crate) fn take(&self, at: usize) -> Option<Arc<Server>> {
        self.running()[at].take()
    }

    /// Puts one back that was taken out.
    pub(crate) fn put_back(&self, at: usize, server: Arc<Server>) {
        self.running()[at] = Some(server);
    }

    /// Does something, and says what they said where it hangs.
    pub(crate) async fn within<T>(&self, patience: Duration, what: impl Future<Output = T>) -> T {
        tokio::time::timeout(patience, what).await.unwrap_or_else(|_| {
            let logs = (0..COUNT).map(|at| std::fs::read_to_string(self.log(at)).unwrap_or_default());
            panic!("something hangs for {patience:?}\n{}", logs.collect::<Vec<_>>().join("\n---\n"))
        })
    }

    /// Where one of them writes down what it does, over all its starts.
    fn log(&self, at: usize) -> PathBuf {
        self.folder.join(format!("{at}.log"))
    }

    /// How many plays of some flows are in a state, or in any.
    pub(crate) async fn count(&self, flows: &[&str], state: Option<&str>) -> i64 {
        let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
        let mut all = 0;
        for flow in flows {
            let path = format!("/plays?flowId={flow}&size=1{state}");
            let answer = self.granted(0, "GET", &path, &Value::Null).await;
            all += answer.get("total").and_then(Value::as_i64).expect("a number");
        }
        all
    }

    /// Waits until so many plays of some flows are done, and there are no others.
    #[expect(clippy::print_stdout, reason = "where it hangs, it is told how far it came")]
    pub(crate) async fn all_are_done(&self, flows: &[&str], count: usize) {
        let (count, mut seen) = (count as i64, -1);
        while seen < count {
            let done = self.count(flows, Some("DONE")).await;
            if done != seen {
                println!("{done} of {count} plays are done");
                seen = done;
            }
            tokio::time::sleep(crate::tale::LOOK).await;
        }
        let all = self.count(flows, None).await;
        assert_eq!((all, seen), (count, count), "none was lost, none doubled");
    }

    /// What any of them grants, the first time one can, beginning with one of them.
    pub(crate) async fn granted(&self, first: usize, method: &str, path: &str, body: &Value) -> Value {
        for at in (first..).map(|at| at % COUNT) {
            if let Some(server) = self.get(at)
                && let Some(answer) = server.granted(method, path, body).await
            {
                return answer;
            }
            tokio::time::sleep(crate::tale::LOOK).await;
        }
        unreachable!("there is always a next one to ask")
    }

    /// Starts a play, once; its id, and whether it was there before.
    pub(crate) async fn wish(&self, first: usize, flow: &str, peer: &str, name: &str) -> (String, bool) {
        let args = Value::map([("body", Value::map([("peer", peer), ("name", name)]))]);
        let body = Value::map([("args", args), ("idempotencyKey", name.into())]);
        let answer = self.granted(first, "POST", &format!("/flows/{flow}/run"), &body).await;
        let id = answer.get("playId").and_then(Value::as_str).expect("a play").to_owned();
        (id, answer.get("replayed") == Some(&Value::Bool(true)))
    }
}
