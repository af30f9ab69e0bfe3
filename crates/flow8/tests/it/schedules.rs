//! Schedules on replicas that share a real MongoDB, whose clocks do not agree.

use std::collections::BTreeSet;

use model::time::Timestamp;

use crate::mongo::{database, replica_with};
use crate::server::{Client, part, until};

const FLOW: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Tick
layers:
  - {ref: tick, appId: var, args: {value: "{{ $prev.args.schedule.at }}"}}
"#;

const EVERY_SECOND: &str = r#"{"name": "Second", "flowId": "tick", "cron": "* * * * * *", "overlap": "allow"}"#;

fn started(client: &Client, id: &str) -> u64 {
    part(&client.granted("GET", &format!("/schedules/{id}"), ""), "/progress/started").parse().expect("a number")
}

/// A schedule that is due every second, made and seen to start plays.
pub(crate) fn every_second(client: &Client, ticks: u64) -> String {
    client.import(FLOW);
    let id = part(&client.granted("POST", "/schedules", EVERY_SECOND), "/id");
    until("there were ticks", || (started(client, &id) >= ticks).then_some(()));
    id
}

#[test]
fn each_tick_comes_once_though_clocks_differ_by_five_seconds_and_a_replica_is_killed() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let skewed =
        |name: &str, skew: &str| replica_with(&database, folder.path(), name, &[("FLOW8_CLOCK_SKEW", skew.to_owned())]);
    let (ahead, right) = (skewed("ahead", "5000"), skewed("right", "0"));
    let id = every_second(&right.client, 6);
    ahead.kill();
    let before = started(&right.client, &id);
    until("there are more ticks", || (started(&right.client, &id) >= before + 6).then_some(()));
    right.client.granted("POST", &format!("/schedules/{id}/pause"), "");
    let all = started(&right.client, &id);
    let plays = right.client.granted("GET", "/plays?size=100", "");
    assert_eq!(part(&plays, "/total"), all.to_string());
    let seconds: BTreeSet<i64> = (0..all)
        .map(|row| {
            let play = right.client.play_in(&part(&plays, &format!("/data/{row}/id")), "DONE");
            part(&play, "/out/value").parse::<Timestamp>().expect("a time").0 / 1_000
        })
        .collect();
    assert_eq!(seconds.len() as u64, all, "no tick came twice");
    let (first, last) = (seconds.first().expect("a tick"), seconds.last().expect("a tick"));
    assert_eq!((last - first + 1) as u64, all, "and none is missing");
    right.stop();
}
