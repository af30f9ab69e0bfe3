//! The reference: a durable handler without an engine. It reads JSON, commits the rows that a
//! play of flow8 commits, of the same sizes, into the same tables with their indexes, and answers.
//!
//! One thread writes whatever waits in one synced transaction, as flow8 does. Whatever flow8 does
//! beyond that – signing in, checking, deciding, recording – is what the ratio shows.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::Outcome;

/// flow8's own tables and indexes.
const SCHEMA: &str = include_str!("../../crates/store/src/sqlite/schema_1.sql");

/// Plays in one transaction.
const GROUP: usize = 512;

/// Plays that may wait for the writer.
const QUEUE: usize = 4_096;

/// The handler as a process.
#[derive(Debug, clap::Args)]
pub(crate) struct Bare {
    /// The data folder
    #[arg(long)]
    folder: PathBuf,
    /// Bytes of a play's header
    #[arg(long)]
    header: usize,
    /// Bytes of a play's records
    #[arg(long)]
    chunk: usize,
    /// Bytes of a play's audit row
    #[arg(long)]
    audit: usize,
}

/// What one request commits.
struct Play {
    id: [u8; 12],
    header: Vec<u8>,
    chunk: Vec<u8>,
    audit: Vec<u8>,
    answer: oneshot::Sender<()>,
}

/// What the handler knows.
struct Handler {
    sizes: [usize; 3],
    count: AtomicU64,
    plays: mpsc::Sender<Play>,
}

impl Bare {
    /// Serves until it is ended.
    pub(crate) fn run(&self) -> Outcome<()> {
        std::fs::create_dir_all(&self.folder)?;
        let connection = open(&self.folder.join("bare.db"))?;
        let (plays, inbox) = mpsc::channel(QUEUE);
        let writer = std::thread::spawn(move || write(connection, inbox));
        let sizes = [self.header, self.chunk, self.audit];
        let handler = Arc::new(Handler { sizes, count: AtomicU64::new(0), plays });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
            let listener = listener.tap_io(|stream| {
                // Without it, an answer would wait for more to send.
                let _ = stream.set_nodelay(true);
            });
            let app = Router::new().route("/run", post(run)).with_state(handler);
            axum::serve(listener, app).await?;
            Outcome::Ok(())
        })?;
        writer.join().map_err(|_| "the writer broke")?.map_err(Into::into)
    }
}

async fn run(State(handler): State<Arc<Handler>>, body: Bytes) -> Response {
    let Ok(mut wish) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let args = wish["args"].take();
    let id = handler.new_id();
    let row = |size: usize| id.iter().copied().cycle().take(size).collect::<Vec<u8>>();
    let (answer, answered) = oneshot::channel();
    let [header, chunk, audit] = handler.sizes.map(row);
    if handler.plays.send(Play { id, header, chunk, audit, answer }).await.is_err() || answered.await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let told = json!({ "playId": hex::encode(id), "state": "DONE", "out": args });
    ([(header::CONTENT_TYPE, "application/json")], told.to_string()).into_response()
}

impl Handler {
    /// Seconds in front and a count behind, so that ids rise as flow8's do.
    fn new_id(&self) -> [u8; 12] {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()) as u32;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        id[4..].copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        id
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Commits whatever waits, together, and answers it.
fn write(mut connection: Connection, mut inbox: mpsc::Receiver<Play>) -> rusqlite::Result<()> {
    let mut group = Vec::new();
    let mut audits = 0_u64;
    while let Some(play) = inbox.blocking_recv() {
        group.push(play);
        while group.len() < GROUP
            && let Ok(play) = inbox.try_recv()
        {
            group.push(play);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for play in &group {
            audits += 1;
            insert(&transaction, play, audits)?;
        }
        transaction.commit()?;
        for play in group.drain(..) {
            // Whoever asked may have gone away.
            let _ = play.answer.send(());
        }
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, play: &Play, number: u64) -> rusqlite::Result<()> {
    let (company, flow) = ([1_u8; 12], [2_u8; 12]);
    transaction
        .prepare_cached(
            "INSERT INTO plays (company, play, revision, flow, state, header) VALUES (?, ?, 1, ?, 'DONE', ?)",
        )?
        .execute(params![company, play.id, flow, play.header])?;
    transaction
        .prepare_cached("INSERT INTO chunks (company, play, first, count, bytes) VALUES (?, ?, 0, 8, ?)")?
        .execute(params![company, play.id, play.chunk])?;
    transaction
        .prepare_cached("INSERT INTO audit (company, number, action, entity, entity_id, row) VALUES (?, ?, 'play.run', 'play', ?, ?)")?
        .execute(params![company, number, hex::encode(play.id), play.audit])?;
    Ok(())
}
