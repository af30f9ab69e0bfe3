//! Documents, their unique keys, and who wins a race for one.

use std::sync::Arc;

use model::batch::Batch;
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::ids::CompanyId;
use model::time::Timestamp;
use model::value::Value;
use store::{Conflict, DocQuery, Store};

use crate::things::{
    COMPANY, OTHER,
};
use super::{conflict, ok};

pub(super) async fn a_document_changes_only_as_expected(store: Arc<dyn Store>) {
    let key = DocKey::new(COMPANY, DocKind::Kv, "a");
    let put = |expect, number: i64| Batch {
        docs: vec![DocWrite::put(key.clone(), expect, &Value::from(number))],
        ..Batch::default()
    };
    let now =
        async || store.doc(&key).await.expect("reads").map(|doc| (doc.revision, doc.read::<Value>().expect("JSON")));
    assert_eq!(conflict(&store, put(Expect::Revision(1), 0)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Absent, 1)).await;
    assert_eq!(conflict(&store, put(Expect::Absent, 2)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Revision(1), 3)).await;
    assert_eq!(conflict(&store, put(Expect::Revision(1), 4)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Anything, 5)).await;
    assert_eq!(now().await, Some((3, Value::from(5))));
    let remove = |expect| Batch { docs: vec![DocWrite::remove(key.clone(), expect)], ..Batch::default() };
    assert_eq!(conflict(&store, remove(Expect::Revision(2))).await, Conflict::Doc(key.clone()));
    ok(&store, remove(Expect::Revision(3))).await;
    assert_eq!(now().await, None);
    ok(&store, remove(Expect::Anything)).await;
    ok(&store, put(Expect::Absent, 6)).await;
    assert_eq!(now().await, Some((1, Value::from(6))));
}

fn user(id: &str, email: &str, expect: Expect) -> DocWrite {
    DocWrite::put(DocKey::new(COMPANY, DocKind::User, id), expect, &Value::from(email))
        .unique(CompanyId::INSTALLATION, email)
}

fn email(text: &str) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::User, text: text.into() }
}

fn docs(docs: impl IntoIterator<Item = DocWrite>) -> Batch {
    Batch { docs: docs.into_iter().collect(), ..Batch::default() }
}

pub(super) async fn a_unique_key_finds_its_document_and_is_kept_unique(store: Arc<dyn Store>) {
    ok(&store, docs([user("1", "ada@x", Expect::Absent)])).await;
    let found = async |text: &str| store.doc_by(&email(text)).await.expect("reads").map(|doc| doc.key.id);
    assert_eq!(found("ada@x").await.as_deref(), Some("1"));
    assert_eq!(conflict(&store, docs([user("2", "ada@x", Expect::Absent)])).await, Conflict::Key(email("ada@x")));
    ok(&store, docs([user("1", "ada@y", Expect::Revision(1))])).await;
    assert_eq!((found("ada@x").await, found("ada@y").await.as_deref()), (None, Some("1")));
    ok(&store, docs([user("2", "ada@x", Expect::Absent)])).await;
    // The same text in another scope, or of another kind, is another key.
    let scoped =
        DocWrite::put(DocKey::new(OTHER, DocKind::User, "3"), Expect::Absent, &Value::Null).unique(OTHER, "ada@x");
    let group = DocWrite::put(DocKey::new(COMPANY, DocKind::Group, "3"), Expect::Absent, &Value::Null)
        .unique(CompanyId::INSTALLATION, "ada@x");
    ok(&store, docs([scoped, group])).await;
    assert_eq!(found("ada@x").await.as_deref(), Some("2"));
}

pub(super) async fn a_key_may_pass_from_one_document_to_another(store: Arc<dyn Store>) {
    ok(&store, docs([user("1", "ada@x", Expect::Absent)])).await;
    let gone = DocWrite::remove(DocKey::new(COMPANY, DocKind::User, "1"), Expect::Revision(1));
    ok(&store, docs([user("2", "ada@x", Expect::Absent), gone])).await;
    assert_eq!(store.doc_by(&email("ada@x")).await.expect("reads").map(|doc| doc.key.id).as_deref(), Some("2"));
}

pub(super) async fn documents_are_listed_by_prefix_and_cursor(store: Arc<dyn Store>) {
    let put = |id: &str| DocWrite::put(DocKey::new(COMPANY, DocKind::Kv, id), Expect::Absent, &Value::from(id));
    let ids = ["a/1", "a/2", "a/3", "a%", "ab", "ä/1", "b/1"];
    ok(&store, docs(ids.map(put))).await;
    let list = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let query = DocQuery {
            prefix: prefix.into(),
            after: after.map(Into::into),
            ..DocQuery::all(COMPANY, DocKind::Kv, limit)
        };
        store.docs(&query).await.expect("reads").into_iter().map(|doc: Doc| doc.key.id).collect()
    };
    assert_eq!(list("a/", None, 10).await, ["a/1", "a/2", "a/3"]);
    assert_eq!(list("a/", Some("a/1"), 1).await, ["a/2"]);
    assert_eq!(list("ä", None, 10).await, ["ä/1"]);
    assert_eq!(list("", Some("ab"), 10).await, ["b/1", "ä/1"]);
    assert_eq!(list("", None, 2).await, ["a%", "a/1"]);
}

pub(super) async fn documents_expire(store: Arc<dyn Store>) {
    let put = |id: &str, at: i64| {
        DocWrite::put(DocKey::new(COMPANY, DocKind::Session, id), Expect::Absent, &Value::Null).expiring(Timestamp(at))
    };
    let lasting = DocWrite::put(DocKey::new(COMPANY, DocKind::Kv, "x"), Expect::Absent, &Value::Null);
    ok(&store, docs([put("a", 10), put("b", 20), lasting])).await;
    let expired = async |now| -> Vec<String> {
        let docs = store.expired(Timestamp(now), 10).await.expect("reads");
        docs.into_iter().map(|doc| doc.key.id).collect()
    };
    assert_eq!(expired(9).await, [""; 0]);
    assert_eq!(expired(10).await, ["a"]);
    assert_eq!(expired(99).await, ["a", "b"]);
}

pub(super) async fn whoever_loses_a_race_reads_who_won(store: Arc<dyn Store>) {
    for round in 0..20 {
        let key = DocKey::new(COMPANY, DocKind::Kv, format!("race/{round}"));
        let put =
            |who: &str| Batch { docs: vec![DocWrite::put(key.clone(), Expect::Absent, &who)], ..Batch::default() };
        let try_it = async |who: &'static str| {
            let outcome = store.commit(put(who)).await;
            // Right after the answer, whoever won and whoever lost read the same.
            let read = store.doc(&key).await.expect("reads").expect("is there").read::<String>().expect("a text");
            (who, outcome.is_ok(), read)
        };
        let (one, other) = tokio::join!(try_it("one"), try_it("other"));
        let winner = if one.1 { one.0 } else { other.0 };
        assert!(one.1 != other.1, "one of them wins");
        assert_eq!((one.2.as_str(), other.2.as_str()), (winner, winner));
    }
}
