//! The dashboard in the docs: every metric that it asks for is told by a server that runs.

use std::collections::BTreeSet;

use crate::peer::Peer;
use crate::server::{Client, Start, json};

const DASHBOARD: &str = include_str!("../../../../docs/grafana/flow8.json");

/// The names of metrics in what a dashboard asks for.
fn asked(text: &str) -> BTreeSet<String> {
    let value = json(text);
    let panels = value.pointer("/panels").and_then(|panels| panels.as_list().map(<[_]>::to_vec)).expect("panels");
    let mut names = BTreeSet::new();
    for panel in &panels {
        let targets = panel.pointer("/targets").and_then(|targets| targets.as_list()).expect("targets");
        for expression in targets.iter().filter_map(|target| target.pointer("/expr")?.as_str()) {
            let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let before = names.len();
            names.extend(words.filter(|word| word.starts_with("flow8_")).map(str::to_owned));
            let is_known = names.iter().any(|name| expression.contains(name.as_str()));
            assert!(names.len() > before || is_known, "asks for nothing: {expression}");
        }
    }
    names
}

#[test]
fn every_metric_of_the_dashboard_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Start::on(&folder.path().join("data")).serves();
    let peer = Peer::new();
    server.client.import(&peer.flow("Call", "GET"));
    let play = server.client.start("call", "{}");
    peer.let_go();
    server.client.play_in(&play, "DONE");
    let scrape = || {
        let scrape = server.client.with("").send("GET", "/metrics", &[], Vec::new()).expect("an answer");
        crate::server::RUNTIME.block_on(scrape.text()).expect("text")
    };
    // Before a schedule starts plays of its own.
    let first = scrape();
    crate::schedules::every_second(&server.client, 1);
    let channels = server.greeting.iter().find_map(|line| line.trim_start().strip_prefix("channels ")).expect("a line");
    let outside = Client { url: channels.trim().to_owned(), token: String::new() };
    assert_eq!(outside.send("GET", "/nothing/here", &[], Vec::new()).expect("an answer").status(), 404);
    let text = scrape();
    let told: BTreeSet<&str> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let asked = asked(DASHBOARD);
    assert!(asked.len() > 15, "{asked:?}");
    let missing: Vec<&String> = asked.iter().filter(|name| !told.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} of {text}");
    for line in [
        "flow8_attempts_total{module=\"curl\",outcome=\"ok\"} 1",
        "flow8_attempt_duration_seconds_count{module=\"curl\"} 1",
        "flow8_plays_admitted_total 1",
    ] {
        assert!(first.contains(line), "{line}: {first}");
    }
    let ended = first.lines().find(|line| line.starts_with("flow8_plays_ended_total{")).expect("a play ended");
    assert!(ended.ends_with(",state=\"DONE\"} 1"), "{ended}");
    let ticks = text.lines().find(|line| line.starts_with("flow8_schedule_ticks_total{")).expect("a tick");
    assert!(ticks.starts_with("flow8_schedule_ticks_total{outcome=\"started\"} "), "{ticks}");
    let commits = text.lines().find_map(|line| line.strip_prefix("flow8_commit_duration_seconds_count "));
    assert!(commits.expect("commits").parse::<u32>().expect("a count") >= 2, "{text}");
    server.stop();
}
