//! A replica that is gone loses what it had, and one that comes back can commit nothing of it.

use std::time::Duration;

use model::ids::ReplicaId;
use model::play::PlayKey;
use model::time::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::{Client, ClientSession, Collection};
use store::{CommitError, Conflict, Store as _};
use store_mongo::{DATABASE, MongoStore};

use crate::stage::{Stage, commit, header, next, play, replica};

/// Asks again and again until plays are adopted, for a minute at most.
async fn adopted(store: &MongoStore) -> u64 {
    let until = async {
        loop {
            match store.adopt(replica(2)).await.expect("adopts") {
                0 => tokio::time::sleep(Duration::from_millis(100)).await,
                plays => return plays,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), until).await.expect("in time")
}

#[tokio::test]
async fn a_replica_keeps_its_plays_while_it_beats_and_loses_them_when_it_stops() {
    let stage = Stage::new().await;
    let (first, second) = (stage.store().await, stage.store().await);
    assert!(first.join(replica(1)).await.expect("joins").is_some());
    // It may end right after its first write, which would be left open, and before it is heard again.
    let replicas = stage.raw().await.database(DATABASE).collection::<Document>("replicas");
    let alive = replicas.find_one(doc! {}).await.expect("reads").expect("is there");
    assert!(!alive.get_array("sessions").expect("sessions").is_empty(), "whoever takes over must end these");
    let running = header(play(1), Some(replica(1)));
    commit(&first, &running).await.expect("commits");
    assert_eq!(second.adopt(replica(2)).await.expect("adopts"), 0, "it is alive");
    assert!(first.beat(replica(1)).await.expect("beats").is_some());

    // As if it were stopped by SIGSTOP: it says nothing any more.
    assert_eq!(adopted(&second).await, 1);
    assert_eq!(second.due(Timestamp(1), 10).await.expect("reads"), [running.key]);
    match commit(&first, &next(&running)).await {
        Err(CommitError::Conflict(Conflict::Play(key))) => assert_eq!(key, running.key),
        other => panic!("a replica that lost a play committed: {other:?}"),
    }
    assert_eq!(first.beat(replica(1)).await.expect("beats"), None, "it learns that it was given up");
    let taken = second.header(running.key).await.expect("reads").expect("is there");
    commit(&second, &next(&taken)).await.expect("goes on");
}

/// When the lease of one that died was over.
const LONG_AGO: DateTime = DateTime::from_millis(0);

/// A transaction that a replica began and has not ended.
struct Open {
    client: Client,
    session: ClientSession,
}

impl Open {
    async fn of(stage: &Stage, replica: ReplicaId, until: DateTime) -> Self {
        let client = stage.raw().await;
        let mut session = client.start_session().await.expect("a session");
        session.start_transaction().await.expect("begins");
        let id = session.id().get("id").expect("an id").clone();
        let owner = Binary { subtype: BinarySubtype::Generic, bytes: replica.0.as_bytes().to_vec() };
        let lease = doc! { "_id": owner, "until": until, "sessions": [{ "id": id }] };
        let open = Self { client, session };
        open.collection("replicas").insert_one(lease).await.expect("writes");
        open
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.client.database(DATABASE).collection(name)
    }

    /// Writes all plays, and says how many these are.
    async fn touches_all_plays(&mut self) -> u64 {
        let plays = self.collection("plays");
        let touched = plays.update_many(doc! {}, doc! { "$inc": { "m": 1 } }).session(&mut self.session);
        touched.await.expect("writes").modified_count
    }
}

#[tokio::test]
async fn an_open_transaction_of_a_dead_replica_keeps_nobody_waiting() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    let running = header(play(1), Some(replica(1)));
    commit(&store, &running).await.expect("commits");
    // The dead replica has written the play.
    let mut open = Open::of(&stage, replica(1), LONG_AGO).await;
    assert_eq!(open.touches_all_plays().await, 1);
    // The server itself would give it up after a minute.
    let adopted = tokio::time::timeout(Duration::from_secs(20), adopted(&store)).await.expect("in time");
    assert_eq!(adopted, 1);
}

#[tokio::test]
async fn a_place_in_the_feed_that_a_dead_replica_without_plays_has_locked_is_waited_for_by_nobody() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    commit(&store, &header(play(1), Some(replica(2)))).await.expect("commits");
    let mut open = Open::of(&stage, replica(1), LONG_AGO).await;
    let takes = doc! { "$inc": { "feed": 1_i64 } };
    open.collection("counters").update_one(doc! { "_id": "commits" }, takes).await.expect("takes a place");
    let chunks = open.collection("chunks");
    chunks.insert_one(doc! { "_id": 2_i64 }).session(&mut open.session).await.expect("writes");
    commit(&store, &header(play(2), Some(replica(2)))).await.expect("commits");
    assert_eq!(store.feed_end().await.expect("reads"), 1, "what fills the place may still come");
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 0, "it had no plays");
    let passed = async {
        while store.feed_end().await.expect("reads") < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), passed).await.expect("the gap is closed");
}

#[tokio::test]
async fn whoever_lives_keeps_its_transaction() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    let mut open = Open::of(&stage, replica(1), DateTime::MAX).await;
    let chunks = open.collection("chunks");
    chunks.insert_one(doc! { "_id": 1_i64 }).session(&mut open.session).await.expect("writes");
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 0);
    open.session.commit_transaction().await.expect("commits");
}

#[tokio::test]
async fn a_replica_that_goes_may_finish_what_it_writes() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    commit(&store, &header(play(1), Some(replica(1)))).await.expect("commits");
    let mut open = Open::of(&stage, replica(1), DateTime::MAX).await;
    assert_eq!(open.touches_all_plays().await, 1);
    store.leave(replica(1)).await.expect("leaves");
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 0, "the play is locked");
    open.session.commit_transaction().await.expect("it may still commit");
    let let_go = async {
        while store.due(Timestamp(1), 10).await.expect("reads").is_empty() {
            store.adopt(replica(2)).await.expect("adopts");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), let_go).await.expect("in time");
}

#[tokio::test]
async fn of_many_who_ask_one_has_the_turn_until_it_is_over() {
    let stage = Stage::new().await;
    let stores = futures::future::join_all((0..4).map(|_| stage.store())).await;
    let ask = async |lasts: Duration| {
        let asked = stores.iter().map(|store| store.take_turn("chore", lasts));
        let turns = futures::future::try_join_all(asked).await.expect("asks");
        turns.into_iter().filter(|has_it| *has_it).count()
    };
    assert_eq!(ask(Duration::from_millis(500)).await, 1);
    assert!(stores[0].take_turn("another chore", Duration::from_secs(60)).await.expect("asks"));
    let next = async { while ask(Duration::from_secs(60)).await == 0 {} };
    tokio::time::timeout(Duration::from_secs(30), next).await.expect("it ends");
    assert_eq!(ask(Duration::from_secs(60)).await, 0);
}

#[tokio::test]
async fn a_due_play_is_claimed_by_one() {
    let stage = Stage::new().await;
    let (first, second) = (stage.store().await, stage.store().await);
    let due: Vec<PlayKey> = (1..=50).map(play).collect();
    for key in &due {
        let parked = model::play::PlayHeader { due: Some(Timestamp(10)), ..header(*key, None) };
        commit(&first, &parked).await.expect("commits");
    }
    let now = Timestamp(20);
    let (mut all, others) =
        tokio::try_join!(first.claim(due.clone(), now), second.claim(due.clone(), now)).expect("claims");
    all.extend(others);
    all.sort();
    assert_eq!(all, due, "each by one of the two, and none by both");
    assert_eq!(first.due(now, 100).await.expect("reads"), [], "for a while, nobody else is given them");
    assert_eq!(first.due(Timestamp(60_000), 100).await.expect("reads").len(), due.len(), "but they are not lost");
}
