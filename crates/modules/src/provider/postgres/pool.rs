//! [`Pool`]: the connections to one database. [`Pools`]: those to all of them.
//!
//! A connection is used by one statement at a time, and is kept for the next one where it was left
//! clean. Nothing of a component that was changed is used again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::failure::Failure;
use model::ids::CompanyId;
use model::limits::{DB_CONNECT, DB_IDLE, DB_POOLS};
use sdk::component::Component;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::bind::told;
use super::secure::Secure;
use super::settings::{Config, Secret, Tls};
use crate::provider::dial::{CONNECT, Dialer};

/// All connections of a component are in use.
const BUSY: &str = "DB_BUSY";

/// The connections to all databases.
#[derive(Default)]
pub(super) struct Pools {
    pools: Mutex<HashMap<(CompanyId, String), Arc<Pool>>>,
}

/// The connections to one database.
pub(super) struct Pool {
    revision: u64,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<(Connected, Instant)>>,
    used: Mutex<Instant>,
}

/// A connection that somebody uses. It is closed when it is dropped.
pub(super) struct Connected {
    pub(super) client: Client,
    task: AbortHandle,
}

impl Drop for Connected {
    fn drop(&mut self) {
        // What is under way on it is given up: the database undoes it.
        self.task.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pools {
    /// The connections to the database of a component.
    pub(super) fn of(self: &Arc<Self>, component: &Component, config: &Config) -> Arc<Pool> {
        let key = (component.company, component.id.clone());
        let mut pools = locked(&self.pools);
        if let Some(pool) = pools.get(&key).filter(|pool| pool.revision == component.revision) {
            *locked(&pool.used) = Instant::now();
            return pool.clone();
        }
        if pools.is_empty() {
            tokio::spawn(Self::clear(Arc::downgrade(self)));
        }
        if pools.len() >= DB_POOLS {
            let oldest = pools.iter().min_by_key(|(_, pool)| *locked(&pool.used)).map(|(key, _)| key.clone());
            oldest.and_then(|key| pools.remove(&key));
        }
        let pool = Arc::new(Pool {
            revision: component.revision,
            places: Arc::new(Semaphore::new(config.max_connections)),
            idle: Mutex::default(),
            used: Mutex::new(Instant::now()),
        });
        pools.insert(key, pool.clone());
        pool
    }

    /// Closes connections that nobody uses, for as long as there are any pools.
    async fn clear(pools: Weak<Self>) {
        loop {
            tokio::time::sleep(DB_IDLE / 2).await;
            let Some(pools) = pools.upgrade() else { return };
            let mut pools = locked(&pools.pools);
            pools.values().for_each(|pool| locked(&pool.idle).retain(|(_, since)| since.elapsed() < DB_IDLE));
            pools.retain(|_, pool| !locked(&pool.idle).is_empty() || locked(&pool.used).elapsed() < DB_IDLE);
            if pools.is_empty() {
                return;
            }
        }
    }
}

impl Pool {
    /// A place for one more connection.
    ///
    /// # Errors
    /// Where none becomes free in time.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let place = tokio::time::timeout(DB_CONNECT, self.places.clone().acquire_owned()).await;
        let busy = || Failure::new(BUSY, "all connections of the component are in use; see its maxConnections");
        place.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// A connection that was kept, if there is one.
    pub(super) fn kept(&self) -> Option<Connected> {
        let mut idle = locked(&self.idle);
        while let Some((connected, since)) = idle.pop() {
            if since.elapsed() < DB_IDLE && !connected.client.is_closed() {
                return Some(connected);
            }
        }
        None
    }

    /// Keeps a connection for the next statement.
    pub(super) fn keep(&self, connected: Connected) {
        locked(&self.idle).push((connected, Instant::now()));
    }
}

/// Opens a connection.
///
/// # Errors
/// Where nobody answers, or the database does not let us in.
pub(super) async fn open(
    dialer: &Dialer,
    component: &Component,
    config: &Config,
    secret: &Secret,
) -> Result<Connected, Failure> {
    let stream = dialer.dial(component, &config.host, config.port).await?;
    let mut options = tokio_postgres::Config::new();
    options.user(&config.user).dbname(&config.database).application_name("flow8");
    if let Some(password) = &secret.password {
        options.password(password);
    }
    let mode = match config.tls {
        Tls::Verify => tokio_postgres::config::SslMode::Require,
        Tls::Off => tokio_postgres::config::SslMode::Disable,
    };
    options.ssl_mode(mode);
    let greeting = async {
        match config.tls {
            Tls::Verify => {
                let secure = Secure { config: dialer.tls(), host: config.host.clone() };
                let (client, connection) = options.connect_raw(stream, secure).await?;
                Ok((client, tokio::spawn(async move { drop(connection.await) }).abort_handle()))
            }
            Tls::Off => {
                let (client, connection) = options.connect_raw(stream, NoTls).await?;
                Ok((client, tokio::spawn(async move { drop(connection.await) }).abort_handle()))
            }
        }
    };
    let greeted = tokio::time::timeout(DB_CONNECT, greeting).await;
    let greeted = greeted.map_err(|_| Failure::new(CONNECT, "the database does not answer in time"))?;
    let (client, task) =
        greeted.map_err(|error: tokio_postgres::Error| Failure { code: CONNECT.into(), ..told(&error, &[]) })?;
    Ok(Connected { client, task })
}
