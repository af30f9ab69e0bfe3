//! [`Tx`]: one transaction, and the commands in it.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use mongodb::{ClientSession, Database};

use crate::fault::Fault;
use crate::schema::COUNTERS;

/// How often a commit of unknown outcome is asked for again.
const COMMITS: u32 = 5;

/// Statements in one command.
const STATEMENTS: usize = 10_000;

/// What a commit waits for: the disks of most members.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// Waits until most members have all that this one has. A transaction sees what another has just
/// committed, and a read of what is durable may not, for a moment yet.
pub(crate) async fn settle(db: &Database) -> Result<(), Fault> {
    let counters = db.collection::<Document>(COUNTERS);
    counters.update_one(doc! { "_id": "settled" }, doc! { "$inc": { "n": 1_i64 } }).upsert(true).await?;
    Ok(())
}

/// One transaction.
pub(crate) struct Tx<'t> {
    db: &'t Database,
    session: &'t mut ClientSession,
}

impl<'t> Tx<'t> {
    pub(crate) async fn begin(db: &'t Database, session: &'t mut ClientSession) -> Result<Self, Fault> {
        session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).await?;
        Ok(Self { db, session })
    }

    /// Makes all of it durable. Asking again is safe: a commit happens once.
    pub(crate) async fn commit(self) -> Result<(), Fault> {
        let mut asked = 1;
        loop {
            match self.session.commit_transaction().await.map_err(Fault::from) {
                Err(fault) if fault.is_unknown() && asked < COMMITS => asked += 1,
                outcome => return outcome,
            }
        }
    }

    /// Gives it up. Where even that fails, the server gives it up when it notices.
    pub(crate) async fn abort(self) {
        if let Err(error) = self.session.abort_transaction().await {
            tracing::debug!(%error, "a transaction was not given up in so many words");
        }
    }

    pub(crate) async fn one(
        &mut self,
        collection: &str,
        filter: Document,
        fields: Document,
    ) -> Result<Option<Document>, Fault> {
        let collection = self.db.collection::<Document>(collection);
        Ok(collection.find_one(filter).projection(fields).session(&mut *self.session).await?)
    }

    pub(crate) async fn all(
        &mut self,
        collection: &str,
        filter: Document,
        fields: Document,
        sort: Document,
        limit: i64,
    ) -> Result<Vec<Document>, Fault> {
        let collection = self.db.collection::<Document>(collection);
        let found = collection.find(filter).projection(fields).sort(sort).limit(limit);
        let mut cursor = found.session(&mut *self.session).await?;
        let mut rows = Vec::new();
        while let Some(row) = cursor.next(&mut *self.session).await {
            rows.push(row?);
        }
        Ok(rows)
    }

    /// Does what was gathered; `ops` is empty then.
    ///
    /// # Errors
    /// [`Fault::Raced`] where an update that had to find something found nothing.
    pub(crate) async fn apply(&mut self, ops: &mut Ops) -> Result<(), Fault> {
        for (command, field, statements) in ops.take() {
            for (collection, statements) in statements {
                for part in statements.statements.chunks(STATEMENTS) {
                    let answer = self
                        .db
                        .run_command(doc! { command: collection, field: part.to_vec(), "ordered": true })
                        .session(&mut *self.session)
                        .await?;
                    Fault::in_answer(&answer)?;
                    let done = answer.get_i32("n").unwrap_or_default();
                    if statements.must_find && usize::try_from(done).ok() != Some(part.len()) {
                        return Err(Fault::Raced);
                    }
                }
            }
        }
        Ok(())
    }
}

struct Statements {
    statements: Vec<Bson>,
    /// Whether each of them must do something.
    must_find: bool,
}

/// Writes that are sent together, collection by collection: removals first, then updates, then what is new.
#[derive(Default)]
pub(crate) struct Ops {
    deletes: Vec<(&'static str, Statements)>,
    updates: Vec<(&'static str, Statements)>,
    inserts: Vec<(&'static str, Statements)>,
}

fn add(list: &mut Vec<(&'static str, Statements)>, collection: &'static str, must_find: bool, statement: Document) {
    let at = list.iter().position(|(name, group)| *name == collection && group.must_find == must_find);
    let at = at.unwrap_or_else(|| {
        list.push((collection, Statements { statements: Vec::new(), must_find }));
        list.len() - 1
    });
    list[at].1.statements.push(Bson::Document(statement));
}

impl Ops {
    pub(crate) fn insert(&mut self, collection: &'static str, document: Document) {
        add(&mut self.inserts, collection, false, document);
    }

    pub(crate) fn delete(&mut self, collection: &'static str, filter: Document) {
        add(&mut self.deletes, collection, false, doc! { "q": filter, "limit": 0 });
    }

    /// Changes the one document that the filter finds; it must find one.
    pub(crate) fn update(&mut self, collection: &'static str, filter: Document, change: impl Into<Bson>) {
        add(&mut self.updates, collection, true, doc! { "q": filter, "u": change.into() });
    }

    /// Changes a document, or makes it.
    pub(crate) fn upsert(&mut self, collection: &'static str, filter: Document, change: impl Into<Bson>) {
        add(&mut self.updates, collection, true, doc! { "q": filter, "u": change.into(), "upsert": true });
    }

    #[expect(clippy::type_complexity, reason = "three lists of one shape, in the order in which they are sent")]
    fn take(&mut self) -> [(&'static str, &'static str, Vec<(&'static str, Statements)>); 3] {
        let Self { deletes, updates, inserts } = std::mem::take(self);
        [("delete", "deletes", deletes), ("update", "updates", updates), ("insert", "documents", inserts)]
    }
}
