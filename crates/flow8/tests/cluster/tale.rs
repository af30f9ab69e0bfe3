//! One seed: plays begin, something fails, and everything must come to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::Value;
use store_suite::set::ReplicaSet;

use crate::check::{self, Faults};
use crate::fault::{Fault, Stage};
use crate::flow::{CHILD, FLOW};
use crate::outside::{FLOWS, LIMIT, Outside};
use crate::peer::Peer;
use crate::replicas::{COUNT, Replicas};
use crate::settle;

/// Plays of twenty steps in one seed.
const PLAYS: usize = 8;

/// Plays under a limit.
const LIMITED: usize = 12;

/// How often it is looked what goes on.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// After that long something hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// The server ends what a process left open after a minute. Whoever takes over must not have to wait for that.
const REAPED: Duration = Duration::from_secs(50);

/// A little randomness that a seed makes: SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

/// What a seed met.
pub(crate) struct Story {
    pub(crate) faults: Vec<Fault>,
    pub(crate) calls: u64,
    pub(crate) in_doubt: u64,
    /// How long it took until others went on with what a replica had been at.
    pub(crate) resumed: Vec<Duration>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        write!(
            f,
            "{}; {} calls, {} in doubt, resumed after {:.1?}",
            faults.join(" and "),
            self.calls,
            self.in_doubt,
            self.resumed
        )
    }
}

/// Tells one seed, and checks what is left of it.
pub(crate) async fn tell(seed: u64, set: &ReplicaSet) -> Story {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = Dice(seed);
    let faults = Fault::of(&mut dice);
    let halt = faults.iter().find_map(|fault| fault.halt());
    let replicas = Replicas::start(folder.path().to_owned(), set.uri(), format!("seed{seed}"), halt).await;
    replicas.within(PATIENCE, go_on(seed, faults, dice, set, &replicas)).await
}

async fn go_on(seed: u64, faults: Vec<Fault>, mut dice: Dice, set: &ReplicaSet, replicas: &Replicas) -> Story {
    let begins: Vec<Duration> = faults.iter().map(|_| Duration::from_millis(dice.below(1_500))).collect();
    let peer = Peer::default();
    let (outside, outside_url) = Outside::serve().await;
    let peer_url = peer.serve().await;
    for flow in FLOWS.into_iter().chain([CHILD, FLOW]) {
        replicas.granted(0, "POST", "/flows", &yaml::read(flow).expect("YAML").value).await;
    }
    let stage = Stage { set, replicas, peer: &peer, outside: &outside, outside_url: &outside_url };

    let happening = async {
        let each = faults.iter().zip(&begins).map(async |(fault, begins)| {
            tokio::time::sleep(*begins).await;
            fault.happen(&stage).await
        });
        let resumed = futures::future::join_all(each).await.concat();
        outside.open();
        resumed
    };
    let wishing = async {
        let mut plays = BTreeMap::new();
        for number in 0..PLAYS {
            let name = format!("play-{number}");
            let (id, _) = replicas.wish(number % COUNT, "crash", &peer_url, &name).await;
            plays.insert(name, id);
        }
        // All at once: the limit is reached, and the others queue.
        let limited = (0..LIMITED).map(async |number| {
            replicas.wish(number % COUNT, "limited", &outside_url, &format!("limited-{number}")).await
        });
        futures::future::join_all(limited).await;
        plays
    };
    let settling = async {
        let mut in_doubt = 0;
        while !is_over(replicas).await {
            for server in (0..COUNT).filter_map(|at| replicas.get(at)) {
                in_doubt += settle::answer(&server).await.unwrap_or_default();
            }
            tokio::time::sleep(LOOK).await;
        }
        in_doubt
    };
    let (resumed, plays, in_doubt) = tokio::join!(happening, wishing, settling);

    let waited = resumed.iter().max().copied().unwrap_or_default();
    assert!(waited < REAPED, "seed {seed}: a play was held up for {waited:?} by what a replica left open");
    let probed = if resumed.is_empty() { 0 } else { resumed.len() as i64 };
    while ended(replicas, "probe").await < probed {
        tokio::time::sleep(LOOK).await;
    }
    // What was acknowledged is there, whichever replica is asked, and its key starts nothing new.
    for (number, (name, id)) in plays.iter().enumerate() {
        let again = replicas.wish(number % COUNT, "crash", &peer_url, name).await;
        assert_eq!(again, (id.clone(), true), "seed {seed}: {name} was acknowledged and is lost");
    }
    let happened = Faults {
        cut_off: faults.iter().filter(|fault| !fault.is_of_database()).count(),
        stood_still: faults.iter().filter(|fault| matches!(fault, Fault::Pause(_) | Fault::Doze(..))).count(),
    };
    for at in 0..COUNT {
        let server = replicas.get(at).expect("it runs again");
        check::all(seed, &server, &peer, &plays, happened).await;
        let limited = server.granted("GET", "/plays?flowId=limited&size=1", &Value::Null).await.expect("answers");
        assert_eq!(limited.get("total").and_then(Value::as_i64), Some(LIMITED as i64), "seed {seed}");
    }
    assert_eq!(outside.most(), LIMIT, "seed {seed}: the most plays at once under a limit");
    for name in Stage::probes().filter(|_| probed > 0) {
        // Once by the replica to which something happened, once by another; by the first never again.
        assert_eq!(outside.kept(&name).len(), 2, "seed {seed}: {name}");
    }
    Story { faults, calls: peer.count(), in_doubt, resumed }
}

/// Whether all plays have ended but those that are kept waiting.
pub(crate) async fn is_over(replicas: &Replicas) -> bool {
    ended(replicas, "crash").await >= PLAYS as i64 && ended(replicas, "limited").await >= LIMITED as i64
}

/// How many plays of a flow have ended.
async fn ended(replicas: &Replicas, flow: &str) -> i64 {
    for at in (0..).map(|at| at % COUNT) {
        if let Some(server) = replicas.get(at)
            && let Some(ended) = settle::ended(&server, flow).await
        {
            return ended;
        }
        tokio::time::sleep(LOOK).await;
    }
    unreachable!("there is always a next one to ask")
}
