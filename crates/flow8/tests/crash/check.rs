//! What must be true when everything has ended.

use std::collections::{BTreeMap, BTreeSet};

use model::Value;

use crate::flow::CALLS;
use crate::peer::Peer;
use crate::server::Server;

/// The sum of the loop's outputs.
const SUM: i64 = 400 * 401;

/// How often something happened to a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// An attempt was cut off so often at most.
    pub(crate) cut_off: usize,
    /// A process stood still, and went on, so often. What it had handed to the system just before may arrive
    /// after others have gone on: no lease holds a packet up.
    pub(crate) stood_still: usize,
}

/// Checks all plays of a seed.
pub(crate) async fn all(seed: u64, server: &Server, peer: &Peer, plays: &BTreeMap<String, String>, faults: Faults) {
    let listed = server.granted("GET", "/plays?flowId=crash", &Value::Null).await.expect("lives");
    let total = listed.get("total").and_then(Value::as_i64);
    assert_eq!(total, Some(plays.len() as i64), "seed {seed}: a key started more than one play");
    for (name, id) in plays {
        let play = server.granted("GET", &format!("/plays/{id}"), &Value::Null).await.expect("lives");
        let path = format!("/plays/{id}/layers?size=100");
        let layers = server.granted("GET", &path, &Value::Null).await.expect("lives");
        let about =
            format!("seed {seed}, {name} ({id})\n{}\n{}\n{:?}", play.to_json(), layers.to_json(), peer.calls(name));
        one(&play, peer, name, faults, &about);
    }
    // Key/values change exactly once, whatever happens: they are never in doubt.
    let value = async |key: &str| {
        let pair = server.granted("GET", &format!("/kv/value?key={key}"), &Value::Null).await.expect("lives");
        pair.get("value").cloned().expect("a value")
    };
    assert_eq!(value("plays").await, Value::from(plays.len() as i64), "seed {seed}");
    let names = value("names").await;
    let names: BTreeSet<&str> = names.as_list().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(names, plays.keys().map(String::as_str).collect(), "seed {seed}");
}

fn one(play: &Value, peer: &Peer, name: &str, faults: Faults, about: &str) {
    let calls = peer.calls(name);
    let place = |step: &str| CALLS.iter().position(|(known, _)| *known == step).expect("a step");
    // A call of a later step shows that the earlier one was committed: going back would be doing it again.
    let order: Vec<usize> = calls.iter().map(|call| place(&call.step)).collect();
    let late = (1..order.len()).filter(|at| order[..*at].iter().any(|before| *before > order[*at])).count();
    assert!(late <= faults.stood_still, "a committed step ran again: {about}");
    for (at, (step, policy)) in CALLS.iter().enumerate() {
        let of_step: Vec<_> = calls.iter().filter(|call| call.step == *step).collect();
        let keys: BTreeSet<_> = of_step.iter().map(|call| call.key.clone()).collect();
        assert!(keys.len() <= 1, "{step} was called under different keys: {about}");
        let is_read = step.ends_with("get");
        assert!(of_step.iter().all(|call| call.key.is_some() != is_read), "{step}: a write has a key: {about}");
        let most = if *policy == "repeat" { 1 + faults.cut_off } else { 1 };
        assert!(of_step.len() <= most, "{step} ({policy}) was called {} times: {about}", of_step.len());
        // Where the play went on beyond a step, that step was called, or a person said it was.
        let went_beyond = order.iter().any(|other| *other > at);
        assert!(!of_step.is_empty() || !went_beyond || *policy == "ask", "{step} was never called: {about}");
    }
    let text = |key: &str| play.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("state") {
        "DONE" => {
            let out = play.get("out").and_then(|out| out.get("value")).cloned().unwrap_or_default();
            assert_eq!(out.get("sum"), Some(&Value::from(SUM)), "{about}");
            assert_eq!(out.get("child").and_then(Value::as_str), Some("s15-child"), "{about}");
        }
        "FAIL" => {
            assert_eq!(text("failedRef"), "s20", "only what must not be repeated fails: {about}");
            let code = play.get("error").and_then(|error| error.get("code")).and_then(Value::as_str);
            assert_eq!(code, Some("OUTCOME_UNKNOWN"), "{about}");
        }
        other => panic!("ended as {other}: {about}"),
    }
}
