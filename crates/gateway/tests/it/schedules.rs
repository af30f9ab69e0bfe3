//! Schedules: their routes, and that each tick starts one play, whoever looks after it.

use std::sync::Arc;
use std::time::Duration;

use gateway::Settings;
use schedules::{Figures, Keeper};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::stage::{Stage, echo, one, waiting};

const MINUTE: Duration = Duration::from_secs(60);

/// A schedule of a flow, every five minutes, but for what is said otherwise.
fn every_five_minutes(flow: &str, but: Value) -> Value {
    let mut schedule = json!({"name": "Often", "flowId": flow, "cron": "*/5 * * * *"});
    for (name, value) in but.as_object().expect("an object") {
        schedule[name] = value.clone();
    }
    schedule
}

/// The stage, with somebody who looks after schedules.
struct Kept {
    stage: Stage,
    _keeping: JoinSet<()>,
}

impl Kept {
    async fn new() -> Self {
        Self::of(Stage::new().await)
    }

    fn of(stage: Stage) -> Self {
        let mut keeping = JoinSet::new();
        keeping.spawn(Keeper::new(stage.engine.clone(), Figures::default()).keep());
        Self { stage, _keeping: keeping }
    }

    async fn schedule(&self, schedule: Value) -> String {
        let made = self.stage.ask("POST /api/schedules").json(schedule).gives(201).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Lets time pass, and whoever sleeps look at the clock.
    fn pass(&self, time: Duration) {
        self.stage.world.pass(time);
        self.stage.engine.ways_in_have_changed();
    }

    async fn progress(&self, schedule: &str) -> Value {
        self.stage.ask(&format!("GET /api/schedules/{schedule}")).gives(200).await["progress"].clone()
    }

    /// Waits until so many ticks have been dealt with.
    async fn dealt_with(&self, schedule: &str, ticks: u64) -> Value {
        let mut feed = self.stage.engine.feed();
        loop {
            feed.borrow_and_update();
            let progress = self.progress(schedule).await;
            let count = |name: &str| progress[name].as_u64().expect("a number");
            if count("started") + count("passedOver") >= ticks {
                assert_eq!(count("started") + count("passedOver"), ticks, "{progress}");
                return progress;
            }
            // What came to nothing leaves no record.
            let _ = tokio::time::timeout(Duration::from_millis(20), feed.changed()).await;
        }
    }

    async fn plays(&self, filter: &str) -> Vec<Value> {
        let said = self.stage.ask(&format!("GET /api/plays?{filter}size=100")).gives(200).await;
        said["data"].as_array().expect("rows").clone()
    }
}

#[tokio::test]
async fn a_tick_starts_a_play_that_knows_its_tick() {
    let kept = Kept::new().await;
    let flow = kept.stage.flow(echo()).await;
    let id = kept.schedule(every_five_minutes(&flow, json!({"args": {"amount": 5}}))).await;
    kept.pass(5 * MINUTE);
    let progress = kept.dealt_with(&id, 1).await;
    let play = kept.stage.ended(progress["lastPlay"].as_str().expect("a play")).await;
    assert_eq!((&play["state"], &play["trigger"]), (&json!("DONE"), &json!("schedule")));
    assert_eq!((&play["actor"]["kind"], &play["actor"]["id"]), (&json!("schedule"), &json!(id)));
    let out = &play["out"]["value"];
    assert_eq!((&out["amount"], &out["schedule"]["at"]), (&json!(5), &progress["lastTick"]));
    assert_eq!(progress["lastTick"], "2027-01-15T08:05:00.000Z");
}

#[tokio::test]
async fn two_replicas_deal_with_each_tick_once() {
    let store = Stage::store().await;
    let first = Kept::of(Stage::replica(store.clone(), Arc::default(), Settings::default(), None).await);
    let world = first.stage.world.clone();
    let second = Kept::of(Stage::replica(store, world, Settings::default(), None).await);
    let flow = first.stage.flow(echo()).await;
    let mut schedules = Vec::new();
    for _ in 0..5 {
        schedules.push(first.schedule(every_five_minutes(&flow, json!({"overlap": "allow"}))).await);
    }
    for round in 1..=10 {
        second.stage.engine.ways_in_have_changed();
        first.pass(5 * MINUTE);
        second.stage.engine.ways_in_have_changed();
        for id in &schedules {
            let progress = first.dealt_with(id, round).await;
            assert_eq!(progress["started"], round);
        }
    }
    let plays = first.plays("").await;
    assert_eq!(plays.len(), 50);
    let ticks: std::collections::BTreeSet<String> =
        plays.iter().map(|play| format!("{} {}", play["actor"]["id"], play["labels"])).collect();
    assert_eq!(ticks.len(), 5, "each had its ten");
}

#[tokio::test]
async fn a_play_that_goes_on_is_not_overtaken_unless_that_is_wanted() {
    let kept = Kept::new().await;
    let flow = kept.stage.flow(waiting()).await;
    let skips = kept.schedule(every_five_minutes(&flow, json!({"overlap": "skip"}))).await;
    kept.pass(5 * MINUTE);
    let first = kept.dealt_with(&skips, 1).await;
    kept.pass(5 * MINUTE);
    let second = kept.dealt_with(&skips, 2).await;
    assert_eq!((&second["lastPlay"], &second["passedOver"]), (&first["lastPlay"], &json!(1)));
    let skipped = kept.plays("state=SKIP&").await;
    assert_eq!((skipped.len(), &skipped[0]["error"]["code"]), (1, &json!("OVERLAP")));
    let layers = format!("GET /api/plays/{}/layers", skipped[0]["id"].as_str().expect("an id"));
    assert_eq!(kept.stage.ask(&layers).gives(200).await["total"], 0, "nothing was run");
    kept.stage.ask(&format!("DELETE /api/schedules/{skips}")).gives(204).await;
    let replaces = kept.schedule(every_five_minutes(&flow, json!({"overlap": "replace"}))).await;
    kept.pass(5 * MINUTE);
    let before = kept.dealt_with(&replaces, 1).await;
    kept.pass(5 * MINUTE);
    let after = kept.dealt_with(&replaces, 2).await;
    assert_ne!(before["lastPlay"], after["lastPlay"]);
    let replaced = kept.stage.ended(before["lastPlay"].as_str().expect("a play")).await;
    assert_eq!(replaced["state"], "CANCELED");
}

#[tokio::test]
async fn what_was_due_while_nobody_looked_is_dealt_with_as_the_schedule_says() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let mut ids = Vec::new();
    for missed in ["skip", "one", "all"] {
        let schedule = every_five_minutes(&flow, json!({"missed": missed, "overlap": "allow", "name": missed}));
        let made = stage.ask("POST /api/schedules").json(schedule).gives(201).await;
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    // An hour goes by, and then somebody looks. The last of the twelve may have come a moment ago.
    let due = stage.ask(&format!("GET /api/schedules/{}", ids[0])).gives(200).await["next"][0].clone();
    stage.world.pass(60 * MINUTE);
    let kept = Kept::of(stage);
    let mut seen = Vec::new();
    for id in &ids {
        seen.push(kept.dealt_with(id, 12).await["started"].as_u64().expect("a number"));
    }
    // BEGIN is 2027-01-15T08:00:00Z: the tick of 9:00 has just come, and is no missed one.
    assert_eq!(seen, [1, 2, 12], "first due at {due}");
    let skipped = kept.plays("state=SKIP&").await;
    assert_eq!((skipped.len(), &skipped[0]["error"]["code"]), (1, &json!("MISSED")));
    let newest = kept.plays("").await.into_iter().filter(|play| play["labels"]["schedule"] == "one").count();
    assert_eq!(newest, 2);
}

#[tokio::test]
async fn a_paused_schedule_misses_nothing_and_one_that_cannot_start_says_why() {
    let kept = Kept::new().await;
    let flow = kept.stage.flow(echo()).await;
    let id = kept.schedule(every_five_minutes(&flow, json!({"missed": "all"}))).await;
    let paused = kept.stage.ask(&format!("POST /api/schedules/{id}/pause")).gives(200).await;
    assert_eq!((&paused["enabled"], &paused["next"]), (&json!(false), &json!([])));
    kept.pass(60 * MINUTE);
    kept.stage.ask(&format!("POST /api/schedules/{id}/resume")).gives(200).await;
    kept.pass(5 * MINUTE);
    assert_eq!(kept.dealt_with(&id, 1).await["started"], 1);
    let mut off = echo();
    off["enabled"] = json!(false);
    kept.stage.ask(&format!("PUT /api/flows/{flow}")).json(off).gives(200).await;
    kept.pass(5 * MINUTE);
    let progress = kept.dealt_with(&id, 2).await;
    let refused = progress["refused"]["message"].as_str().expect("why");
    assert!(refused.contains("not enabled"), "{progress}");
    let told = kept.stage.ask("GET /api/audit?entity=schedule").gives(200).await;
    let actions: Vec<_> = told["data"].as_array().expect("rows").iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["schedule.resume", "schedule.pause", "schedule.create"]);
}

#[tokio::test]
async fn a_schedule_can_be_run_by_hand_and_for_ticks_of_the_past() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let daily = json!({"name": "Daily", "flowId": "echo", "cron": "0 9 * * *", "timeZone": "Europe/Zurich"});
    let made = stage.ask("POST /api/schedules").json(daily).gives(201).await;
    assert_eq!((&made["flowId"], made["next"].as_array().map(Vec::len)), (&json!(flow), Some(5)));
    let id = made["id"].as_str().expect("an id");
    let now = stage.ask(&format!("POST /api/schedules/{id}/run")).json(json!({})).gives(202).await;
    let play = stage.ended(now["playId"].as_str().expect("a play")).await;
    assert_eq!((&play["trigger"], &play["actor"]["kind"]), (&json!("schedule"), &json!("cli")));
    let week = json!({"from": "2026-03-25T00:00:00Z", "to": "2026-04-01T00:00:00Z", "idempotencyKey": "week 13"});
    let backfill = format!("POST /api/schedules/{id}/backfill");
    let first = stage.ask(&backfill).json(week.clone()).gives(202).await;
    let again = stage.ask(&backfill).json(week).gives(202).await;
    assert_eq!((first["plays"].as_array().map(Vec::len), &first), (Some(7), &again));
    let fifth = stage.ended(first["plays"][4].as_str().expect("a play")).await;
    assert_eq!(fifth["out"]["value"]["schedule"]["at"], "2026-03-29T07:00:00.000Z", "the clocks were put forward");
    let century = json!({"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    stage.ask(&backfill).json(century).refused(400, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn ticks_are_foretold_over_calendars_and_what_cannot_be_is_refused() {
    let stage = Stage::new().await;
    let bank = json!({"name": "Bank", "holidays": {"2026-12-25": "Christmas"}});
    let bank = stage.ask("POST /api/calendars").json(bank).gives(201).await;
    let wish = json!({
        "cron": "0 9 25 * *", "timeZone": "Europe/Zurich", "after": "2026-12-01T00:00:00Z", "count": 2,
        "calendar": {"id": bank["id"], "restDays": "next"},
    });
    let next = stage.ask("POST /api/schedules/preview").json(wish).gives(200).await["next"].clone();
    assert_eq!(next, json!(["2026-12-28T08:00:00.000Z", "2027-01-25T08:00:00.000Z"]));
    let flow = stage.flow(one("Quiet", "var", json!({"value": 1}))).await;
    let refused = async |but: Value, field: &str| {
        let said = stage.ask("POST /api/schedules").json(every_five_minutes(&flow, but));
        let message = said.refused(400, "VALIDATION_ERROR").await;
        assert!(message.contains(field), "{message}");
    };
    refused(json!({"cron": "0 0 31 2 *"}), "cron").await;
    refused(json!({"cron": "often"}), "cron").await;
    refused(json!({"timeZone": "Mars/Olympus"}), "timeZone").await;
    refused(json!({"name": ""}), "name").await;
    refused(json!({"jitter": "2h"}), "jitter").await;
    refused(json!({"args": {"schedule": 1}}), "args").await;
    refused(json!({"args": [1]}), "args").await;
    refused(json!({"calendar": {"id": "0123456789abcdef01234567"}}), "calendar").await;
    refused(json!({"startAt": "2027-01-02T00:00:00Z", "endAt": "2027-01-01T00:00:00Z"}), "endAt").await;
    refused(json!({"endAt": "2020-01-01T00:00:00Z"}), "cron").await;
    refused(json!({"colour": "red"}), "colour").await;
    let unknown = every_five_minutes("nothing", json!({}));
    stage.ask("POST /api/schedules").json(unknown).refused(404, "FLOW_NOT_FOUND").await;
    let going_by = every_five_minutes(&flow, json!({"calendar": {"id": bank["id"]}}));
    stage.ask("POST /api/schedules").json(going_by).gives(201).await;
    let remove = format!("DELETE /api/calendars/{}", bank["id"].as_str().expect("an id"));
    stage.ask(&remove).refused(409, "CALENDAR_IN_USE").await;
    let closed = json!({"name": "Closed", "businessDays": []});
    stage.ask("POST /api/calendars").json(closed).refused(400, "VALIDATION_ERROR").await;
}
