//! A new version is rolled out: replicas stop and start one after the other, under load, behind
//! something that asks another replica where one does not take a request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::Value;
use store_suite::set::ReplicaSet;
use tokio::time::Instant;

use crate::replicas::{COUNT, Replicas};
use crate::tale::LOOK;

/// Callers who start plays at the same time.
const CALLERS: usize = 4;

/// After that long something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

const FLOW: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Rolled
layers:
  - {ref: count, appId: kv-increment, args: {key: rolled, scope: global}}
  - {ref: waits, index: 1, appId: delay, args: {seconds: 0.2}}
  - {ref: ends, index: 2, appId: var, args: {value: "{{ $prev.args.name }}"}}
"#;

#[test]
fn a_rolling_restart_under_load_loses_nothing_and_doubles_nothing() {
    let _alone = crate::alone();
    crate::runtime().block_on(async {
        let set = ReplicaSet::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let replicas = Replicas::start(folder.path().to_owned(), set.uri(), "rolling".to_owned(), None).await;
        replicas.within(PATIENCE, roll(&replicas)).await;
    });
}

async fn roll(replicas: &Replicas) {
    replicas.granted(0, "POST", "/flows", &yaml::read(FLOW).expect("YAML").value).await;
    let (is_over, started) = (AtomicBool::new(false), AtomicU64::new(0));
    let callers = (0..CALLERS).map(async |caller| {
        let mut plays = Vec::new();
        while !is_over.load(Ordering::Acquire) {
            let name = format!("{caller}-{}", plays.len());
            plays.push(start(replicas, caller, &name).await);
            started.fetch_add(1, Ordering::AcqRel);
        }
        plays
    });
    let rolling = async {
        for at in 0..COUNT {
            // Some load meets each state of the roll-out.
            let enough = started.load(Ordering::Acquire) + 20;
            while started.load(Ordering::Acquire) < enough {
                tokio::time::sleep(LOOK).await;
            }
            restart(replicas, at).await;
        }
        is_over.store(true, Ordering::Release);
    };
    let (plays, ()) = tokio::join!(futures::future::join_all(callers), rolling);
    let mut plays = plays.concat();
    let count = plays.len();
    plays.sort_unstable();
    plays.dedup();
    assert_eq!(plays.len(), count, "each call started a play of its own");
    replicas.all_are_done(&["rolled"], count).await;
    let counted = replicas.granted(2, "GET", "/kv/value?key=rolled", &Value::Null).await;
    assert_eq!(counted.get("value").and_then(Value::as_i64), Some(count as i64), "each counted once");
}

/// Starts a play as a proxy would: where a replica takes no connection, breaks it off, or says that it
/// stops, another is asked. Any other error would reach the caller.
async fn start(replicas: &Replicas, first: usize, name: &str) -> String {
    let body = Value::map([("args", Value::map([("name", name)])), ("idempotencyKey", name.into())]);
    for at in (first..).map(|at| at % COUNT) {
        let Some(server) = replicas.get(at) else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        match server.ask("POST", "/flows/rolled/run", &body).await {
            None | Some((503, _)) => {}
            Some((status, answer)) => {
                assert!(status < 300, "a caller was told {status}: {}", answer.to_json());
                return answer.get("playId").and_then(Value::as_str).expect("a play").to_owned();
            }
        }
    }
    unreachable!("there is always a next one to ask")
}

/// Stops one of them and starts it anew.
#[expect(clippy::print_stdout, reason = "where it hangs, it is told how far it came")]
pub(crate) async fn restart(replicas: &Replicas, at: usize) {
    // It is asked until it is gone: that is what a roll-out looks like to a caller.
    let server = replicas.get(at).expect("it runs");
    let told = Instant::now();
    println!("replica {at} is told to stop");
    server.signal("TERM");
    let well = loop {
        match server.has_ended() {
            Some(well) => break well,
            None => tokio::time::sleep(LOOK).await,
        }
    };
    assert!(well, "it ends with 0: {}", server.log());
    println!("replica {at} has ended after {:.1?}", told.elapsed());
    replicas.begin(at).await;
    println!("replica {at} serves again after {:.1?}", told.elapsed());
}
