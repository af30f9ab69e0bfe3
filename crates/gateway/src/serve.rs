//! [`serve`]: connections. Whoever is slow to say what they want is let go; whoever is being
//! answered when flow8 stops gets the answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::leftover::Line;
use crate::patient::Patient;
use crate::request::Peer;
use crate::tls::Tls;

/// Connections that are open at once; more wait in the system's queue.
const CONNECTIONS: usize = 10_000;

/// Bytes of the headers of one request, about.
const HEADER_BYTES: usize = 64 << 10;

/// Headers of one request.
const HEADERS: usize = 100;

/// How long accepting rests where the system has no room for another connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Answers requests that come over connections.
pub trait Answers: Clone + Send + Sync + 'static {
    /// How long a request, and whoever reads an answer, may stand still.
    fn patience(&self) -> Duration;

    /// Answers one request.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;

    /// No connection is taken any more: those that stay open must end.
    fn stopping(&self);
}

/// Says when to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A switch, and what watches it.
    pub fn switch() -> (watch::Sender<bool>, Self) {
        let (switch, watching) = watch::channel(false);
        (switch, Self(watching))
    }

    /// Returns when it is time.
    pub async fn wait(&mut self) {
        // A switch that is gone will never be thrown; then there is nobody left to serve for.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Serves until told to stop, then lets connections finish what they are at, for a while.
pub async fn serve(listener: TcpListener, answers: impl Answers, stop: Stop, patience: Duration) {
    serve_with(listener, answers, None, stop, patience).await;
}

/// As [`serve`], and only over TLS where there is a certificate.
pub async fn serve_with(
    listener: TcpListener,
    answers: impl Answers,
    tls: Option<Arc<Tls>>,
    mut stop: Stop,
    patience: Duration,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(answers.patience())
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = stop.wait() => break,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        tokio::spawn(attend(http.clone(), stream, peer, answers.clone(), tls.clone(), stop.clone(), permit));
    }
    drop(listener);
    answers.stopping();
    // Whoever has every permit knows that no connection is open.
    let all = room.acquire_many(CONNECTIONS as u32);
    if tokio::time::timeout(patience, all).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Answers the requests of one connection, over TLS where that is asked for.
async fn attend(
    http: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    answers: impl Answers,
    tls: Option<Arc<Tls>>,
    mut stop: Stop,
    _permit: OwnedSemaphorePermit,
) {
    // An answer is one write: waiting for more to send would only delay it.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return converse(http, stream, peer, answers, stop).await };
    let shaken = tokio::time::timeout(answers.patience(), tls.acceptor().accept(stream));
    let shaken = tokio::select! {
        shaken = shaken => shaken,
        () = stop.wait() => return,
    };
    match shaken {
        Ok(Ok(stream)) => converse(http, stream, peer, answers, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a connection did not agree on TLS"),
        Err(_) => tracing::debug!(%peer, "a connection was too slow to agree on TLS"),
    }
}

/// Answers the requests that come over a stream.
async fn converse(http: http1::Builder, stream: impl Line, peer: SocketAddr, answers: impl Answers, mut stop: Stop) {
    let (stream, leftover) = Patient::new(stream, answers.patience());
    let rest = leftover.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, leftover) = (answers.clone(), leftover.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
            request.extensions_mut().insert(leftover);
            Ok::<Response<Body>, Infallible>(answers.answer(request).await)
        }
    });
    // The connection is dropped at the end of this, and what is left of it can be read.
    let outcome = async {
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.wait() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = outcome.await {
        tracing::debug!(%error, %peer, "a connection broke off");
        if error.is_parse() {
            // What was wrong has been said; whatever came behind it must not make it unheard.
            rest.drop_rest().await;
        }
    }
}
