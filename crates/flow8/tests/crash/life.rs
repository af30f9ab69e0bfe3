//! One seed: plays begin, the process dies in the middle, another one takes over.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use engine::failpoint::FailPoint;
use model::Value;

use crate::check::{self, Faults};
use crate::flow::{CHILD, FLOW};
use crate::peer::Peer;
use crate::server::Server;
use crate::settle;

/// Plays of one seed.
const PLAYS: usize = 3;

/// How often it is asked what plays do.
const LOOK: Duration = Duration::from_millis(10);

/// After that many looks something hangs.
const LOOKS: usize = 3_000;

/// A way in: the same key starts one play.
const CHANNEL: &str = r#"{
    "name": "Crash", "slug": "crash", "kind": "http", "authMode": "public",
    "routes": [{
        "name": "begin", "httpMethod": "POST", "path": "/begin", "responseMode": "async",
        "targetFlowIds": ["crash"], "idempotencyHeader": "X-Key"
    }]
}"#;

/// How the process ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Death {
    /// Killed after a while.
    After(Duration),
    /// By itself, the n-th time it passes a failure point.
    At(FailPoint, u64),
    /// Not at all.
    None,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(_) => f.write_str("of SIGKILL"),
            Self::At(point, _) => write!(f, "at {}", point.name()),
            Self::None => f.write_str("not at all"),
        }
    }
}

/// How plays are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the API.
    Api,
    /// As a hook, through a channel.
    Channel,
}

/// What a seed met.
pub(crate) struct Story {
    pub(crate) death: Death,
    pub(crate) calls: u64,
    pub(crate) in_doubt: u64,
    pub(crate) resumed: Option<Duration>,
}

/// A little randomness that a seed makes: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Every failure point comes in turn; every third seed is killed at random.
fn death_of(seed: u64, dice: &mut Dice) -> Death {
    if seed % 3 == 2 {
        return Death::After(Duration::from_millis(1 + dice.below(600)));
    }
    let points = FailPoint::ALL;
    let point = points[(seed as usize - seed as usize / 3) % points.len()];
    let often = match point {
        FailPoint::BeforeCommit | FailPoint::AfterCommit => 30,
        FailPoint::BeforeEffect | FailPoint::AfterEffect => 20,
        _ => PLAYS as u64,
    };
    Death::At(point, 1 + dice.below(often))
}

/// Lives one seed through, and checks what is left of it.
#[expect(clippy::disallowed_methods, reason = "a process is killed in real time")]
pub(crate) async fn live(seed: u64, prepared: &Path) -> Story {
    let mut dice = Dice(seed);
    let death = death_of(seed, &mut dice);
    let way = if dice.below(2) == 0 { Way::Api } else { Way::Channel };
    let (folder, peer) = (tempfile::tempdir().expect("a folder"), Peer::default());
    let peer_url = peer.serve().await;
    for file in fs::read_dir(prepared).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if file.is_file() {
            fs::copy(&file, folder.path().join(file.file_name().expect("a name"))).expect("copies");
        }
    }

    let names: Vec<String> = (0..PLAYS).map(|number| format!("play-{number}")).collect();
    let mut acknowledged = BTreeMap::new();
    let mut first = Server::start(folder.path(), &death).expect("dies in its work, not before");
    let until = match death {
        Death::After(while_) => Some(tokio::time::Instant::now() + while_),
        _ => None,
    };
    let work = async {
        for name in &names {
            let Some((id, _)) = wish(&first, way, &peer_url, name).await else { break };
            acknowledged.insert(name.clone(), id);
        }
        settle(&first, PLAYS).await
    };
    let settled = match until {
        Some(until) => tokio::time::timeout_at(until, work).await.ok().flatten(),
        None => work.await,
    };
    // Where nothing answers any more it has died, though the system may not have told its parent yet.
    let has_died = settled.is_none();
    first.kill();
    // A failure point may be passed less often than the seed says; then all ended before.
    let death = if has_died || matches!(death, Death::After(_)) { death } else { Death::None };

    let began = Instant::now();
    let second = Server::start(folder.path(), &Death::None).expect("starts again");
    let mut plays = BTreeMap::new();
    for name in &names {
        // Whoever got no answer asks again, under the same key.
        let (id, replayed) = wish(&second, way, &peer_url, name).await.expect("lives");
        if let Some(known) = acknowledged.get(name) {
            assert!(
                replayed != Some(false) && *known == id,
                "seed {seed}: {name} was acknowledged as {known} and is lost"
            );
        }
        plays.insert(name.clone(), id);
    }
    let in_doubt = settle(&second, PLAYS).await.expect("lives");
    // One process died, so one attempt at most was cut off.
    check::all(seed, &second, &peer, &plays, Faults { cut_off: 1, stood_still: 0 }).await;
    let resumed = if acknowledged.is_empty() { None } else { first_after(&peer, &names, began).map(|at| at - began) };
    Story { death, calls: peer.count(), in_doubt, resumed }
}

/// The first call after an instant.
fn first_after(peer: &Peer, names: &[String], at: Instant) -> Option<Instant> {
    names.iter().flat_map(|name| peer.calls(name)).map(|call| call.at).filter(|call| *call > at).min()
}

/// Makes a data folder with the flows in it; every seed begins with a copy.
pub(crate) async fn prepare(folder: &Path) {
    let server = Server::start(folder, &Death::None).expect("starts");
    for flow in [CHILD, FLOW] {
        let flow = yaml::read(flow).expect("YAML").value;
        let made = server.granted("POST", "/flows", &flow).await.expect("lives");
        assert_eq!(made.get("published"), Some(&Value::Bool(true)), "{}", made.to_json());
    }
    server.granted("POST", "/channels", &Value::from_json(CHANNEL.as_bytes()).expect("JSON")).await.expect("lives");
}

/// Wishes for a play; its id, and whether it was there before, where that is told. Nothing where the server is gone.
async fn wish(server: &Server, way: Way, peer: &str, name: &str) -> Option<(String, Option<bool>)> {
    let body = Value::map([("peer", peer), ("name", name)]);
    let answer = match way {
        Way::Api => {
            let wish = Value::map([("args", Value::map([("body", body)])), ("idempotencyKey", name.into())]);
            server.granted("POST", "/flows/crash/run", &wish).await?
        }
        Way::Channel => server.hook("/crash/begin", name, &body).await?,
    };
    let id = answer.get("playId").and_then(Value::as_str).expect("a play").to_owned();
    let replayed = (way == Way::Api).then(|| answer.get("replayed") == Some(&Value::Bool(true)));
    Some((id, replayed))
}

/// Approves and answers whatever waits, until all plays have ended. Says how many steps were in
/// doubt; nothing where the server is gone.
async fn settle(server: &Server, plays: usize) -> Option<u64> {
    let mut in_doubt = 0;
    for _ in 0..LOOKS {
        if settle::ended(server, "crash").await? == plays as i64 {
            return Some(in_doubt);
        }
        in_doubt += settle::answer(server).await?;
        tokio::time::sleep(LOOK).await;
    }
    let plays = server.granted("GET", "/plays", &Value::Null).await?;
    panic!("the plays do not end: {}", plays.to_json())
}
