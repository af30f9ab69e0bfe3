//! A store with audit rows of two companies, and what may be done to it behind flow8's back.

use std::sync::Arc;

use audit::Log;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::DocKind;
use model::ids::{CompanyId, Id};
use model::time::Timestamp;
use model::value::Value;
use store::Store;
use store::memory::MemoryStore;
use store::row::Row;
use vault::{KeyRing, MasterKey};

pub(crate) const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));
pub(crate) const OTHER: CompanyId = CompanyId(Id::from_bytes([2; 12]));

pub(crate) struct Stage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) log: Log,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let master = MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key");
        let ring = KeyRing::new(master);
        ring.make(COMPANY, Id::from_parts(1, 1)).expect("makes");
        ring.make(OTHER, Id::from_parts(1, 2)).expect("makes");
        Self::on(Arc::new(MemoryStore::default()), Arc::new(ring))
    }

    fn on(store: Arc<dyn Store>, ring: Arc<KeyRing>) -> Self {
        let log = Log::new(store.clone(), ring.clone());
        Self { store, ring, log }
    }

    /// Writes rows, each in a batch of its own.
    pub(crate) async fn tell(&self, company: CompanyId, rows: std::ops::Range<u64>) {
        for number in rows {
            let audit = vec![row(company, &number.to_string())];
            self.store.commit(Batch { audit, ..Batch::default() }).await.expect("commits");
        }
    }

    /// Seals all, at that time.
    pub(crate) async fn seal(&self, at: i64) -> u64 {
        self.log.seal(Timestamp(at)).await.expect("seals")
    }

    /// The same store after somebody with no key has changed its rows.
    pub(crate) async fn tampered(&self, change: impl FnOnce(&mut Vec<Row>)) -> Self {
        let mut rows = store_suite::all_rows(&*self.store).await;
        change(&mut rows);
        let store = Arc::new(MemoryStore::default());
        store_suite::fill(&*store, &rows).await;
        Self::on(store, self.ring.clone())
    }
}

pub(crate) fn row(company: CompanyId, id: &str) -> AuditRow {
    AuditRow {
        company,
        at: Timestamp(5),
        actor: Actor::system(),
        action: "flow.update".into(),
        entity: "flow".into(),
        entity_id: id.into(),
        before: Value::Null,
        after: Value::map([("amount", Value::from_json(b"12.50").expect("a number"))]),
        request_id: Some("r-1".into()),
        ip: None,
    }
}

/// The stored body of a document of a company.
pub(crate) fn body<'r>(rows: &'r mut [Row], of: CompanyId, is: DocKind, which: &str) -> &'r mut Arc<[u8]> {
    let found = rows.iter_mut().find_map(|row| match row {
        Row::Doc { company, kind, id, body, .. } if *company == of && *kind == is && id == which => Some(body),
        _ => None,
    });
    found.expect("a document")
}

/// The row of that number.
pub(crate) fn audit_row(rows: &mut [Row], wanted: u64) -> &mut AuditRow {
    let found = rows.iter_mut().find_map(|row| match row {
        Row::Audit { number, row } if *number == wanted => Some(row),
        _ => None,
    });
    found.expect("a row")
}
