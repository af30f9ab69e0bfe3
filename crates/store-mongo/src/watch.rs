//! What happens at other replicas, as the server tells it: a change stream.

use std::time::Duration;

use futures::StreamExt as _;
use model::doc::DocKind;
use model::ids::Id;
use model::play::PlayKey;
use model::time::Timestamp;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use store::Signal;
use tokio::sync::mpsc;

use crate::fault::Fault;
use crate::keys;
use crate::rows::Row;
use crate::schema::{CHUNKS, DOCS, LAST, MESSAGES, PLAYS};

/// Signals that may wait for whoever follows; then the stream waits, too.
const QUEUE: usize = 1_024;

/// How long until a stream that broke off is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes of a play's key, at the front of a message's.
const PLAY: usize = 2 * size_of::<Id>();

/// What says who may do what.
const ACCESS: [DocKind; 3] = [DocKind::ApiKey, DocKind::Session, DocKind::User];

/// What starts plays by itself, or lets others start them; and where messages come from that do.
const WAYS_IN: [DocKind; 4] = [DocKind::Calendar, DocKind::Channel, DocKind::Component, DocKind::Schedule];

/// Follows what happens, until nobody listens.
pub(crate) fn follow(db: &Database) -> mpsc::Receiver<Signal> {
    let (signals, listening) = mpsc::channel(QUEUE);
    let db = db.clone();
    tokio::spawn(async move {
        while !signals.is_closed() {
            if let Err(fault) = pass_on(&db, &signals).await {
                tracing::warn!(?fault, "cannot hear of other replicas for a moment");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    listening
}

/// Passes on what happens until the stream breaks off, or nobody listens.
async fn pass_on(db: &Database, signals: &mpsc::Sender<Signal>) -> Result<(), Fault> {
    let (play_due, due_set) = ("fullDocument.d", "updateDescription.updatedFields.d");
    // Whoever claims a play moves its due time and nothing else: that is no news.
    let revised = "updateDescription.updatedFields.r";
    let last = format!("fullDocument.{LAST}");
    let flow = format!("^[0-9a-f]{{24}}/{}/", DocKind::Flow);
    let access = ids_of(ACCESS);
    let ways_in = ids_of(WAYS_IN);
    let wanted = doc! { "$match": { "$or": [
        { "ns.coll": MESSAGES, "operationType": "insert" },
        { "ns.coll": CHUNKS, "operationType": "insert", last: true },
        { "ns.coll": DOCS, "documentKey._id": { "$regex": flow } },
        { "ns.coll": DOCS, "documentKey._id": { "$regex": ways_in } },
        // What is new was not known to anybody.
        { "ns.coll": DOCS, "documentKey._id": { "$regex": access }, "operationType": { "$ne": "insert" } },
        { "ns.coll": PLAYS, "$or": [{ play_due: { "$exists": true } }, { due_set: { "$exists": true }, revised: { "$exists": true } }] },
    ]}};
    let due = doc! { "$ifNull": ["$fullDocument.d", "$updateDescription.updatedFields.d"] };
    let fields = doc! { "$project": { "ns": 1, "documentKey": 1, "due": due } };
    let mut stream = db.watch().pipeline([wanted, fields]).await?.with_type::<Document>();
    // Whatever happened before the stream began may have been missed.
    let mut signal = Signal::Unknown;
    loop {
        tokio::select! {
            () = signals.closed() => return Ok(()),
            sent = signals.send(signal) => if sent.is_err() { return Ok(()) },
        }
        let next = tokio::select! {
            () = signals.closed() => return Ok(()),
            next = stream.next() => next,
        };
        signal = match next {
            Some(event) => signal_of(&event?)?,
            None => return Ok(()),
        };
    }
}

/// The ids of documents of some kinds, as a pattern.
fn ids_of<const N: usize>(kinds: [DocKind; N]) -> String {
    format!("^[0-9a-f]{{24}}/({})/", kinds.map(DocKind::as_str).join("|"))
}

fn signal_of(event: &Document) -> Result<Signal, Fault> {
    let (collection, key) = (event.get_document("ns")?.get_str("coll")?, Row(event.get_document("documentKey")?));
    Ok(match collection {
        MESSAGES => Signal::Mail(read_play(key.bytes("_id")?)?),
        CHUNKS => Signal::Feed(key.count("_id")?),
        DOCS => {
            let doc = keys::read_document(key.text("_id")?)?;
            if ACCESS.contains(&doc.kind) {
                return Ok(Signal::Access);
            }
            if WAYS_IN.contains(&doc.kind) {
                return Ok(Signal::WayIn);
            }
            let flow = doc.id.parse().map_err(|_| Fault::damaged("a flow's key has no id"))?;
            Signal::Flow(doc.company, flow)
        }
        _ => Signal::Due(Timestamp(Row(event).number("due")?)),
    })
}

fn read_play(message: &[u8]) -> Result<PlayKey, Fault> {
    keys::read_play(message.get(..PLAY).ok_or_else(|| Fault::damaged("a message's key is short"))?)
}
