//! Webhooks while a new version is rolled out: each goes to a replica that says that it is ready, as a
//! Service of Kubernetes would send it, and whoever sends it tries again as such senders do.
//!
//! `FLOW8_HOOKS=n` sends that many a second, `FLOW8_ROUNDS=n` restarts each replica that often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::Value;
use store_suite::set::ReplicaSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::replicas::{COUNT, Replicas};
use crate::rolling::restart;
use crate::server::Server;
use crate::tale::LOOK;

/// Webhooks a second, and restarts of each replica, where nobody says.
const HOOKS: u64 = 40;
const ROUNDS: u64 = 1;

/// Webhooks under way at once: a sender waits where there are more.
const UNDER_WAY: usize = 64;

/// How often it is asked whether a replica is ready.
const PROBE: Duration = Duration::from_millis(100);

/// How long a sender waits before it tries again.
const AGAIN: Duration = Duration::from_millis(50);

/// After that long something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

const SECRET: &str = "a secret that is long";

/// One that nobody waits for, and one that answers and goes on.
const FLOWS: [&str; 2] = [
    r#"
apiVersion: flow8/v1
kind: Flow
name: Taken
layers:
  - {ref: waits, appId: delay, args: {seconds: 0.2}}
  - {ref: ends, index: 1, appId: var, args: {value: "{{ $prev.args.body.n }}"}}
"#,
    r#"
apiVersion: flow8/v1
kind: Flow
name: Answered
layers:
  - {ref: reads, appId: var, args: {value: "{{ $prev.args.body.n }}"}}
  - {ref: answer, index: 1, appId: respond, args: {statusCode: 201, body: "{{ $prev.reads.value }}"}}
  - {ref: waits, index: 2, appId: delay, args: {seconds: 0.2}}
  - {ref: ends, index: 3, appId: var, args: {value: 1}}
"#,
];

#[test]
fn a_rolling_restart_under_webhooks_loses_none_and_doubles_none() {
    let _alone = crate::alone();
    let told = |variable, usual| crate::told(variable).unwrap_or(usual).max(1);
    let (rate, rounds) = (told("FLOW8_HOOKS", HOOKS), told("FLOW8_ROUNDS", ROUNDS));
    crate::runtime().block_on(async {
        let set = ReplicaSet::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let replicas = Replicas::start(folder.path().to_owned(), set.uri(), "hooks".to_owned(), None).await;
        replicas.within(PATIENCE, roll(&replicas, rate, rounds)).await;
    });
}

/// Where webhooks go, and what became of them.
struct Sender<'r> {
    replicas: &'r Replicas,
    /// Which replicas are ready, as it was last seen.
    ready: [AtomicBool; COUNT],
    next: AtomicUsize,
    /// Tries that came to nothing, by why; and plays that another replica went on with before they answered.
    again: Mutex<BTreeMap<&'static str, u64>>,
}

#[expect(clippy::print_stdout, reason = "how much came and how often it was tried again is told")]
async fn roll(replicas: &Replicas, rate: u64, rounds: u64) {
    for flow in FLOWS {
        replicas.granted(0, "POST", "/flows", &yaml::read(flow).expect("YAML").value).await;
    }
    for slug in ["open", "signed"] {
        replicas.granted(0, "POST", "/channels", &channel(slug)).await;
    }
    let sender = Sender { replicas, ready: Default::default(), next: AtomicUsize::new(0), again: Mutex::default() };
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let sending = async {
        let mut plays = Vec::new();
        let mut under_way = FuturesUnordered::new();
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
        // What was late is sent at once: the rate is what was promised.
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !is_over.load(Ordering::Acquire) {
            tokio::select! {
                biased;
                Some(play) = under_way.next(), if !under_way.is_empty() => plays.push(play),
                _ = tick.tick(), if under_way.len() < UNDER_WAY => {
                    under_way.push(sender.send(sent.fetch_add(1, Ordering::AcqRel)));
                }
            }
        }
        let took = began.elapsed();
        plays.extend(under_way.collect::<Vec<String>>().await);
        (plays, took)
    };
    let rolling = async {
        for at in (0..rounds).flat_map(|_| 0..COUNT) {
            // Some load meets each state of the roll-out.
            let enough = sent.load(Ordering::Acquire) + rate.min(HOOKS);
            while sent.load(Ordering::Acquire) < enough {
                tokio::time::sleep(LOOK).await;
            }
            restart(replicas, at).await;
            sender.comes_back(at, &sent).await;
        }
        is_over.store(true, Ordering::Release);
    };
    let ((plays, took), (), ()) = tokio::join!(sending, rolling, sender.probe(&is_over));
    let count = plays.len();
    let unlike: BTreeSet<&String> = plays.iter().collect();
    assert_eq!(unlike.len(), count, "each hook started a play of its own");
    replicas.all_are_done(&["taken", "answered"], count).await;
    let again = sender.again.into_inner().unwrap_or_else(PoisonError::into_inner);
    let per_second = count as f64 / took.as_secs_f64();
    println!(
        "{count} webhooks, {per_second:.0}/s of {rate}, {} restarts, tried again or handed over: {again:?}",
        rounds * COUNT as u64
    );
}

impl Sender<'_> {
    /// Sends a hook until it is taken; says which play it started.
    async fn send(&self, number: u64) -> String {
        loop {
            match self.try_once(self.choose(), number).await {
                Ok(play) => return play,
                Err(why) => {
                    *self.again.lock().unwrap_or_else(PoisonError::into_inner).entry(why).or_default() += 1;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// A replica that is ready, each in its turn.
    fn choose(&self) -> Option<Arc<Server>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let at = (first..first + COUNT).map(|at| at % COUNT).find(|at| self.ready[*at].load(Ordering::Acquire))?;
        self.replicas.get(at)
    }

    /// Sends a hook once. Whatever is neither taken nor to be tried again must not happen.
    async fn try_once(&self, to: Option<Arc<Server>>, number: u64) -> Result<String, &'static str> {
        let Some(server) = to else { return Err("nobody was ready") };
        let slug = if number.is_multiple_of(3) { "signed" } else { "open" };
        let (path, taken) = if number.is_multiple_of(2) { ("async", 202) } else { ("sync", 201) };
        let body = format!(r#"{{"n": {number}}}"#);
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("x-hook-id", format!("hook-{number}")),
            ("x-hub-signature-256", signature),
        ];
        match server.hook(&format!("/{slug}/{path}"), &headers, body).await {
            Err(why) => Err(why),
            Ok((503, _)) => Err("503"),
            Ok((status, play)) => {
                if status != taken {
                    // Where a replica stops before the play has answered, another goes on with it: 202 and its id.
                    let is_stopping = !server.is_ready().await;
                    assert!(
                        status == 202 && is_stopping,
                        "hook {number} to /{slug}/{path}: {status}: {}",
                        server.log()
                    );
                    *self.again.lock().unwrap_or_else(PoisonError::into_inner).entry("handed over").or_default() += 1;
                }
                assert!(!play.is_empty(), "hook {number} has no play");
                Ok(play)
            }
        }
    }

    /// Keeps asking who is ready, each for itself.
    async fn probe(&self, is_over: &AtomicBool) {
        let each = self.ready.iter().enumerate().map(async |(at, ready)| {
            while !is_over.load(Ordering::Acquire) {
                let is_ready = match self.replicas.get(at) {
                    Some(server) => server.is_ready().await,
                    None => false,
                };
                ready.store(is_ready, Ordering::Release);
                tokio::time::sleep(PROBE).await;
            }
        });
        futures::future::join_all(each).await;
    }

    /// A replica that says that it is ready takes what comes, from the first request on.
    async fn comes_back(&self, at: usize, sent: &AtomicU64) {
        let server = self.replicas.get(at).expect("it runs");
        while !server.is_ready().await {
            tokio::time::sleep(LOOK).await;
        }
        // One of the hooks once more: it starts nothing.
        let known = sent.load(Ordering::Acquire).saturating_sub(1);
        let taken = self.try_once(Some(server), known).await;
        // A machine that has much to do may be slow.
        assert!(matches!(taken, Ok(_) | Err("too slow")), "replica {at} is ready, and takes nothing: {taken:?}");
    }
}

fn channel(slug: &str) -> Value {
    let route = |mode: &str, flow: &str| {
        Value::map([
            ("name", Value::from(mode)),
            ("httpMethod", "POST".into()),
            ("path", format!("/{mode}").into()),
            ("responseMode", mode.into()),
            ("targetFlowIds", Value::list([flow])),
            ("idempotencyHeader", "x-hook-id".into()),
        ])
    };
    let mut channel = vec![
        ("name", Value::from(slug)),
        ("slug", slug.into()),
        ("kind", "http".into()),
        ("authMode", if slug == "signed" { "hmac" } else { "public" }.into()),
        ("routes", Value::list([route("async", "taken"), route("sync", "answered")])),
    ];
    if slug == "signed" {
        channel.push(("auth", Value::map([("secret", SECRET), ("scheme", "github")])));
    }
    Value::map(channel)
}
