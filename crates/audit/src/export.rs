//! [`export`]: a company's audit log as a stream of bytes, to be kept elsewhere.
//!
//! As JSON, a line is a thing: first an [`Opening`]; then each [`Signed`] segment and after it its rows, byte for
//! byte as they were sealed; then [`Unsealed`] and the rows that no segment lists yet; and [`End`], which is signed
//! for all lines before it, and without which an export is cut off. As CSV it is a table for people, which proves nothing.

use std::str::FromStr;

use bytes::Bytes;
use model::audit::AuditRow;
use model::ids::CompanyId;
use model::payload::Digest;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::AuditSpan;
use tokio::sync::mpsc;
use vault::{PublicKey, SigningKey};

use crate::chain::{Chain, chain_key, segments, signing_key, stored};
use crate::segment::{Checkpoint, SEGMENT_ROWS, Segment, Signed};
use crate::{AuditError, Log, table};

/// The version of the format.
pub(crate) const FORMAT: u32 = 1;

/// Pieces of an export that wait for whoever reads it.
const PIECES: usize = 4;

/// Segments that are read at once.
const AT_ONCE: usize = 16;

/// In what form a log is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of JSON, which prove themselves.
    Json,
    /// A table for people.
    Csv,
}

impl Format {
    /// What it is called in `Content-Type`.
    pub fn media(self) -> &'static str {
        match self {
            Self::Json => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// How a file of it is called.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "audit.jsonl",
            Self::Csv => "audit.csv",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            other => Err(format!("{other:?} is no format; it is json or csv")),
        }
    }
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Opening {
    /// The version of the format.
    pub(crate) flow8_audit: u32,
    pub(crate) company: CompanyId,
    pub(crate) exported_at: Timestamp,
    /// The key that signs; none where nothing was ever sealed.
    pub(crate) public_key: Option<PublicKey>,
    /// The checkpoint of what is not kept any more.
    pub(crate) dropped: Option<Signed>,
}

/// Rows follow that are not sealed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unsealed {
    pub(crate) unsealed: u64,
}

/// The last line; signed, where anything was ever sealed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct End {
    pub(crate) kind: EndKind,
    /// The SHA-256 of all lines before.
    pub(crate) digest: Digest,
    /// Segments that were ever sealed, the dropped ones, too.
    pub(crate) segments: u64,
    /// Rows in this export that are sealed.
    pub(crate) rows: u64,
    /// Rows in it that are not.
    pub(crate) unsealed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EndKind {
    #[serde(rename = "end")]
    End,
}

/// See [`Log::export`].
pub(crate) fn export(
    log: Log,
    now: Timestamp,
    company: CompanyId,
    format: Format,
) -> mpsc::Receiver<Result<Bytes, AuditError>> {
    let (pieces, given) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut writing = Writing { log: &log, now, company, pieces: &pieces, digest: Sha256::new() };
        let outcome = match format {
            Format::Json => writing.json().await,
            Format::Csv => writing.csv().await,
        };
        if let Err(Stopped::Failed(error)) = outcome {
            // Whoever has gone does not want to know.
            let _ = pieces.send(Err(error)).await;
        }
    });
    given
}

/// Why an export ends early.
enum Stopped {
    Failed(AuditError),
    /// Nobody reads it any more.
    Gone,
}

impl<E: Into<AuditError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Writing<'w> {
    log: &'w Log,
    now: Timestamp,
    company: CompanyId,
    pieces: &'w mpsc::Sender<Result<Bytes, AuditError>>,
    /// Of all that was given.
    digest: Sha256,
}

/// Lines that are given together.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn raw(&mut self, line: &[u8]) {
        self.0.extend_from_slice(line);
        self.0.push(b'\n');
    }

    fn thing<T: Serialize>(&mut self, thing: &T) {
        // What is written here has no map with odd keys: it always has JSON.
        self.raw(&serde_json::to_vec(thing).unwrap_or_default());
    }
}

impl Writing<'_> {
    async fn give(&mut self, bytes: Vec<u8>) -> Result<(), Stopped> {
        self.digest.update(&bytes);
        self.pieces.send(Ok(bytes.into())).await.map_err(|_| Stopped::Gone)
    }

    async fn json(&mut self) -> Result<(), Stopped> {
        let (log, company) = (self.log, self.company);
        let store = &*log.store;
        // As little as possible shall stand there unproved.
        log.seal(self.now).await?;
        let key = signing_key(log, company).await?;
        let public_key = key.as_ref().map(SigningKey::public);
        let chain = stored::<Chain>(store, &chain_key(company)).await?.thing;
        let mut lines = Lines::default();
        lines.thing(&Opening {
            flow8_audit: FORMAT,
            company,
            exported_at: self.now,
            public_key,
            dropped: chain.dropped.clone(),
        });
        self.give(lines.0).await?;
        let dropped = chain.dropped.as_ref().and_then(Signed::read::<Checkpoint>);
        let (mut last, mut row) = dropped.map_or((0, 0), |checkpoint| (checkpoint.segments, checkpoint.last_number));
        let mut rows = 0;
        while last < chain.segments {
            let left = usize::try_from(chain.segments - last).unwrap_or(AT_ONCE);
            let found = segments(store, company, last, left.min(AT_ONCE)).await?;
            if found.is_empty() {
                break;
            }
            for doc in &found {
                let number = doc.key.id.parse().unwrap_or(u64::MAX);
                if number != last + 1 && self.dropped().await? != chain.dropped {
                    return Err(AuditError::Dropped.into());
                }
                last = number;
                let signed: Signed = doc.read()?;
                let mut lines = Lines::default();
                lines.thing(&signed);
                // One that does not read is given as it is, for whoever checks to find.
                if let Some(upto) = signed.read::<Segment>().and_then(|segment| segment.last_number()) {
                    let span = AuditSpan { company: Some(company), after: row, upto, limit: SEGMENT_ROWS + 1 };
                    for entry in store.audit_log(&span).await? {
                        lines.raw(&entry.text);
                        rows += 1;
                    }
                    row = row.max(upto);
                }
                self.give(lines.0).await?;
            }
        }
        let unsealed = self.unsealed(row).await?;
        let mut lines = Lines::default();
        let digest = Digest(self.digest.clone().finalize().into());
        let end = End { kind: EndKind::End, digest, segments: chain.segments, rows, unsealed };
        match key {
            Some(key) => lines.thing(&Signed::new(&end, &key)),
            None => lines.thing(&end),
        }
        self.give(lines.0).await
    }

    async fn dropped(&self) -> Result<Option<Signed>, AuditError> {
        Ok(stored::<Chain>(&*self.log.store, &chain_key(self.company)).await?.thing.dropped)
    }

    /// The rows that are not sealed, as far as they are there now.
    async fn unsealed(&mut self, after: u64) -> Result<u64, Stopped> {
        let upto = self.log.store.audit_end().await?;
        let mut span = AuditSpan { company: Some(self.company), after, upto, limit: SEGMENT_ROWS };
        let mut unsealed = 0;
        loop {
            let rows = self.log.store.audit_log(&span).await?;
            let Some(last) = rows.last() else { return Ok(unsealed) };
            let mut lines = Lines::default();
            lines.thing(&Unsealed { unsealed: rows.len() as u64 });
            rows.iter().for_each(|row| lines.raw(&row.text));
            self.give(lines.0).await?;
            unsealed += rows.len() as u64;
            span.after = last.number;
        }
    }

    async fn csv(&mut self) -> Result<(), Stopped> {
        let store = &*self.log.store;
        self.give(table::head()).await?;
        let upto = store.audit_end().await?;
        let mut span = AuditSpan { company: Some(self.company), after: 0, upto, limit: SEGMENT_ROWS };
        loop {
            let entries = store.audit_log(&span).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            span.after = last.number;
            let rows = entries.iter().map(|entry| (entry.number, AuditRow::from_text(&entry.text).ok()));
            self.give(table::rows(rows)).await?;
        }
    }
}
