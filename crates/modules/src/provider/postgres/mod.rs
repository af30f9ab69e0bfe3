//! [`Postgres`]: PostgreSQL databases, behind the seam of the sdk.
//!
//! Each statement is a transaction of its own: begun with a limit of time, run, committed. Until the
//! commit is sent, whatever breaks leaves no trace; where the connection breaks while it is on its
//! way, nobody knows. What only reads runs in a transaction that the database keeps from changing
//! anything. Rows come as JSON that the database itself makes, so that decimals keep their digits.

mod bind;
mod pool;
mod secure;
mod settings;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::failure::{Failure, code};
use model::limits::{COMPONENT_TEST, DB_PARAMS, DB_ROWS_BYTES, DB_SQL_BYTES};
use model::value::Value;
use sdk::Mishap;
use sdk::component::{Backend, Component};
use sdk::db::{Database, Gives, Ran, Statement};
use tokio_postgres::Client;

use self::bind::{Bound, is_refusal, told};
use self::pool::{Pool, Pools, open};
use super::dial::Dialer;

/// How much longer than its statement an exchange may take.
const GRACE: Duration = Duration::from_secs(5);

const TIMEOUT: &str = "DB_TIMEOUT";

/// PostgreSQL databases.
pub struct Postgres {
    dialer: Arc<Dialer>,
    pools: Arc<Pools>,
}

impl Postgres {
    /// Databases that are reached with this dialer.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, pools: Arc::default() }
    }

    async fn exchange(
        &self,
        component: &Component,
        statement: &Statement,
        committing: &AtomicBool,
    ) -> Result<Ran, Mishap> {
        let (config, secret) = settings::of(component)?;
        let pool = self.pools.of(component, &config);
        let _place = pool.place().await?;
        let begin = begin(statement);
        let connected = match kept(&pool, &begin).await {
            Some(connected) => connected,
            None => {
                let connected = open(&self.dialer, component, &config, &secret).await?;
                connected.client.batch_execute(&begin).await.map_err(|error| told(&error, &[]))?;
                connected
            }
        };
        let ran = transact(&connected.client, statement, committing).await?;
        if !statement.leaves_traces {
            pool.keep(connected);
        }
        Ok(ran)
    }
}

/// A connection that was kept, with a transaction begun on it. One that has died meanwhile is passed over.
async fn kept(pool: &Pool, begin: &str) -> Option<pool::Connected> {
    while let Some(connected) = pool.kept() {
        if connected.client.batch_execute(begin).await.is_ok() {
            return Some(connected);
        }
    }
    None
}

fn begin(statement: &Statement) -> String {
    let mode = if matches!(statement.gives, Gives::Read(_)) { "BEGIN READ ONLY" } else { "BEGIN" };
    format!("{mode}; SET LOCAL statement_timeout = {}", statement.timeout.as_millis().max(1))
}

/// Runs a statement in the transaction that was begun, and ends it. Where it fails, the connection is
/// dropped by whoever called, and the transaction with it.
async fn transact(client: &Client, statement: &Statement, committing: &AtomicBool) -> Result<Ran, Mishap> {
    let said = |error: tokio_postgres::Error| told(&error, &statement.params);
    let sql = statement.sql.trim().trim_end_matches(';');
    let ran = match statement.gives {
        Gives::Count => {
            let prepared = client.prepare(sql).await.map_err(said)?;
            let params = bound(statement, prepared.params().len())?;
            Ran { rows: Vec::new(), count: client.execute_raw(&prepared, params).await.map_err(said)? }
        }
        Gives::Read(most) | Gives::Changed(most) => {
            // The line's end closes a comment of one line. One more than may come tells that there are more.
            let sql = format!(
                "WITH flow8_rows AS (\n{sql}\n) SELECT row_to_json(flow8_rows)::text FROM flow8_rows LIMIT {}",
                most.saturating_add(1)
            );
            let prepared = client.prepare(&sql).await.map_err(said)?;
            let params = bound(statement, prepared.params().len())?;
            let rows = rows(client, &prepared, params, most, &said).await?;
            Ran { count: rows.len() as u64, rows }
        }
    };
    if matches!(statement.gives, Gives::Read(_)) {
        client.batch_execute("ROLLBACK").await.map_err(said)?;
        return Ok(ran);
    }
    committing.store(true, Ordering::Release);
    match client.batch_execute("COMMIT").await {
        Ok(()) => Ok(ran),
        Err(error) if is_refusal(&error) => Err(said(error).into()),
        Err(error) => Err(Mishap::Unknown(said(error))),
    }
}

fn bound(statement: &Statement, wanted: usize) -> Result<Vec<Bound<'_>>, Failure> {
    let given = statement.params.len();
    if given != wanted {
        let message = format!("the statement has {wanted} parameters ($1 …), and {given} are given");
        return Err(Failure::new(code::BAD_ARGUMENTS, message));
    }
    Ok(statement.params.iter().map(Bound).collect())
}

/// Reads the rows, as far as there are not too many of them.
async fn rows(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    params: Vec<Bound<'_>>,
    most: usize,
    said: &(impl Fn(tokio_postgres::Error) -> Failure + Sync),
) -> Result<Vec<Value>, Failure> {
    let beyond = |what: String| Failure::new(code::LIMIT_EXCEEDED, format!("the statement gives more than {what}"));
    let mut stream = pin!(client.query_raw(prepared, params).await.map_err(said)?);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = futures::StreamExt::next(&mut stream).await {
        let row = row.map_err(said)?;
        let text: &str = row.try_get(0).map_err(said)?;
        bytes += text.len();
        if rows.len() == most {
            return Err(beyond(format!("{most} rows; limit it, or read it part by part")));
        }
        if bytes > DB_ROWS_BYTES {
            return Err(beyond(format!("{} MiB; limit it, or read it part by part", DB_ROWS_BYTES >> 20)));
        }
        let row = Value::from_json(text.as_bytes()).map_err(|error| {
            Failure::new("DB_ROW", format!("a row cannot be read: {error}; give each column a name of its own"))
        })?;
        rows.push(row);
    }
    Ok(rows)
}

#[async_trait]
impl Backend for Postgres {
    fn providers(&self) -> &'static [&'static str] {
        &["postgres"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        settings::of(component).map(drop)
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let (config, secret) = settings::of(component)?;
        let work = async {
            let connected = open(&self.dialer, component, &config, &secret).await?;
            connected.client.batch_execute("SELECT 1").await.map_err(|error| told(&error, &[]))
        };
        let ended = tokio::time::timeout(COMPONENT_TEST, work).await;
        ended.unwrap_or_else(|_| Err(Failure::new(TIMEOUT, "the database does not answer in time")))
    }
}

#[async_trait]
impl Database for Postgres {
    async fn run(&self, component: &Component, statement: Statement) -> Result<Ran, Mishap> {
        let beyond = |what: String| Failure::new(code::LIMIT_EXCEEDED, what);
        if statement.sql.len() > DB_SQL_BYTES {
            return Err(beyond(format!("a statement has at most {} KiB", DB_SQL_BYTES >> 10)).into());
        }
        if statement.params.len() > DB_PARAMS {
            return Err(beyond(format!("a statement has at most {DB_PARAMS} parameters")).into());
        }
        let committing = AtomicBool::new(false);
        let work = self.exchange(component, &statement, &committing);
        match tokio::time::timeout(statement.timeout + GRACE, work).await {
            Ok(ended) => ended,
            Err(_) => {
                let failure = Failure::new(TIMEOUT, "the database does not answer in time");
                let is_unknown = committing.load(Ordering::Acquire);
                Err(if is_unknown { Mishap::Unknown(failure) } else { Mishap::Failed(failure) })
            }
        }
    }
}
