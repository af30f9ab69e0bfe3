//! Objects: where large values are kept, and what becomes of them when nothing refers to them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::driver::{Cleared, Clearing};
use engine::kept::{Policies, Policy, kept as kept_of};
use model::ids::{Id, PlayId};
use model::limits::ORPHAN_AGE;
use model::play::{PlayState, Trigger};
use model::time::Timestamp;
use sdk::storage::Storage as _;

use crate::stage::{COMPANY, Stage};

/// Its first value is kept as an object, and goes through a wait.
const HUGE: &str = "{name: Huge, layers: [{ref: a, appId: var, args: {value: \"{{ repeat 300000 'xy' }}\"}}, \
                    {ref: b, appId: delay, index: 1, args: {seconds: 1}}, \
                    {ref: c, appId: var, index: 2, args: {value: '{{ length $prev.a.value }}'}}]}";

/// Policies that keep plays for that long.
fn kept(duration: Duration) -> Policies {
    let policy = Policy { kept: duration, ..Policy::default() };
    Policies { plays: policy, filtered: policy, audit: policy }
}

async fn clear(stage: &Stage, policies: Policies) -> Cleared {
    let kept = kept_of(&**stage.engine.store(), COMPANY, &policies).await.expect("reads");
    stage.engine.clear_away(COMPANY, &kept, Clearing::Remove).await.expect("clears away")
}

const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The path of an object of a play that nobody knows of.
fn path(number: u64, name: &str) -> String {
    format!("plays/{}/{name}", PlayId(Id::from_parts(number, 0)))
}

async fn put(stage: &Stage, path: &str) {
    stage.files.write(COMPANY, path, "x".into()).await.expect("writes");
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_play_never_came_to_be_goes_once_it_is_old() {
    let stage = Stage::new().await;
    let play = stage.run(HUGE, "{}").await.header.key;
    stage.ended(play).await;
    let own = stage.files.paths();
    for path in [path(7, "a"), path(7, "b"), path(9, "a"), "plays/odd".into(), "plays/odd/a".into(), "mine".into()] {
        put(&stage, &path).await;
    }
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 0);
    tokio::time::sleep(ORPHAN_AGE - Duration::from_secs(60)).await;
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 0);
    // A commit that is tried for so long writes its objects anew.
    put(&stage, &path(9, "a")).await;
    tokio::time::sleep(ORPHAN_AGE / 2).await;
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 2);
    let mut left = vec!["mine".to_owned(), path(9, "a"), "plays/odd".into(), "plays/odd/a".into()];
    left.extend(own);
    left.sort();
    assert_eq!(stage.files.paths(), left);
    tokio::time::sleep(ORPHAN_AGE * 2).await;
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 1);
    assert_eq!(stage.output(play).await, r#"{"value":600000}"#);
}

#[tokio::test(start_paused = true)]
async fn more_objects_than_a_round_looks_at_are_looked_at_by_the_next() {
    let stage = Stage::new().await;
    for number in 0..12_345 {
        put(&stage, &path(number, "a")).await;
    }
    tokio::time::sleep(ORPHAN_AGE * 2).await;
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 10_000);
    assert_eq!(clear(&stage, kept(YEARS)).await.orphans, 2_345);
    assert_eq!(stage.files.paths(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_objects_of_a_play_go_with_it_however_many() {
    let stage = Stage::new().await;
    let (play, other) = (stage.run(HUGE, "{}").await.header.key, stage.run(HUGE, "{}").await.header.key);
    stage.ended(play).await;
    stage.ended(other).await;
    for number in 0..2_500 {
        put(&stage, &format!("plays/{}/{number:05}", play.play)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let cleared = clear(&stage, kept(Duration::from_secs(1))).await;
    assert_eq!((cleared.plays, stage.files.paths()), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn objects_that_could_not_be_removed_with_their_play_are_removed_later() {
    let stage = Stage::new().await;
    let play = stage.run(HUGE, "{}").await.header.key;
    stage.ended(play).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    stage.files.refuses.store(true, Ordering::Relaxed);
    let cleared = clear(&stage, kept(Duration::from_secs(1))).await;
    assert_eq!((cleared.plays, stage.files.paths().len()), (1, 1));
    assert_eq!(stage.store.header(play).await, Ok(None));
    stage.files.refuses.store(false, Ordering::Relaxed);
    tokio::time::sleep(ORPHAN_AGE * 2).await;
    let cleared = clear(&stage, kept(Duration::from_secs(1))).await;
    assert_eq!((cleared.orphans, stage.files.paths()), (1, vec![]));
}

/// Files that came with a request are the play's, as its values are.
#[tokio::test(start_paused = true)]
async fn files_that_came_by_a_channel_go_with_their_play() {
    let stage = Stage::new().await;
    let published = stage.publish("{name: Form, layers: [{ref: a, appId: var, args: {value: 1}}]}").await;
    let flow = published.flow.id.to_string();
    let by = async |trigger| {
        let wish = engine::driver::Admit { trigger, ..Stage::wish(&flow, "{}") };
        let play = stage.admit(wish).await.expect("is admitted").header.key;
        stage.ended(play).await;
        play.play
    };
    let (with, none) = (by(Trigger::Channel).await, PlayId(Id::from_parts(7, 0)));
    let newer = |play: PlayId| format!("channels/{play}/0/newer.pdf");
    for path in [&format!("channels/{with}/0/a.pdf"), &format!("channels/{with}/1/b"), &newer(none), "channels/mine"] {
        put(&stage, path).await;
    }
    assert_eq!(clear(&stage, kept(YEARS)).await, Cleared::default());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let cleared = clear(&stage, kept(Duration::from_secs(1))).await;
    assert_eq!((cleared.plays, stage.files.paths()), (1, vec![newer(none), "channels/mine".to_owned()]));
    tokio::time::sleep(ORPHAN_AGE * 2).await;
    assert_eq!((clear(&stage, kept(YEARS)).await.orphans, stage.files.paths()), (1, vec!["channels/mine".to_owned()]));
}

/// A store of objects that is away for a while fails nothing.
#[tokio::test(start_paused = true)]
async fn a_value_is_waited_for_while_objects_cannot_be_reached() {
    let mut stage = Stage::new().await;
    let play = stage.run(HUGE, "{}").await.header.key;
    // What was in memory is gone, so that it has to be read.
    stage.restart().await;
    stage.files.refuses.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!stage.state(play).await.is_ended());
    stage.files.refuses.store(false, Ordering::Relaxed);
    stage.ended(play).await;
    assert_eq!(stage.output(play).await, r#"{"value":600000}"#);
}

/// Arguments of a play that begins later are as large as any other value.
#[tokio::test(start_paused = true)]
async fn large_arguments_of_a_play_that_begins_later_are_objects_too() {
    let stage = Stage::new().await;
    let later = "{name: Later, layers: [{ref: a, appId: var, args: {value: '{{ length $prev.args.text }}'}}]}";
    let published = stage.publish(later).await;
    let text = "xy".repeat(300_000);
    let wish = Stage::wish(&published.flow.id.to_string(), &format!("{{\"text\":\"{text}\"}}"));
    let start_at = Some(Timestamp(crate::stage::BEGIN).plus(Duration::from_secs(3600)));
    let play = stage.admit(engine::driver::Admit { start_at, ..wish }).await.expect("is admitted").header.key;
    assert_eq!((stage.state(play).await, stage.files.paths().len()), (PlayState::Deferred, 1));
    stage.until(play, PlayState::Done).await;
    assert_eq!(stage.output(play).await, r#"{"value":600000}"#);

    let caller = "{name: Caller, layers: [{ref: sub, appId: subflow, args: {flowId: later, args: {text: \"{{ \
                  $prev.args.text }}\"}}}, {ref: out, appId: var, index: 1, args: {value: '{{ $prev.sub.out.value }}'}}]}";
    let report = stage.run(caller, &format!("{{\"text\":\"{text}\"}}")).await;
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, r#"{"value":600000}"#);
}
