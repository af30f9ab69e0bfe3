//! A local HTTP server that flows call, and a bare client that calls it as they do.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

/// What is sent to it in every call.
pub(crate) const BODY: &str = r#"{"name":"Ada","amount":12.5,"lines":[1,2,3]}"#;

/// Serves until it is ended.
pub(crate) fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let listener = listener.tap_io(|stream| {
            // Without it, an answer would wait for more to send.
            let _ = stream.set_nodelay(true);
        });
        let slow = post(slow).with_state(Arc::<AtomicU64>::default());
        let router = Router::new().route("/write", post(write)).route("/slow", slow);
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn write(_: Bytes) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"id":"42","stored":true}"#)
}

/// Milliseconds that a slow answer takes at least, and at most beyond that.
const SLOW: (u64, u64) = (5_000, 10_000);

/// Answers after some time, each after another, so that calls which began at once do not end at once.
async fn slow(State(calls): State<Arc<AtomicU64>>, body: Bytes) -> impl IntoResponse {
    let number = calls.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(SLOW.0 + number.wrapping_mul(7_919) % SLOW.1)).await;
    write(body).await
}

/// Requests a second of a bare client over so many connections, each kept.
pub(crate) fn rate(address: SocketAddr, connections: usize, time: Duration) -> Outcome<f64> {
    // As many threads as flow8 has.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let begun = Instant::now();
        let talks: Vec<_> = (0..connections).map(|_| tokio::spawn(talk(address, begun + time))).collect();
        let mut answers = 0;
        for talk in talks {
            answers += talk.await??;
        }
        Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
    })
}

async fn talk(address: SocketAddr, end: Instant) -> Outcome<u32> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let mut answers = 0;
    while Instant::now() < end {
        let request = Request::post("/write")
            .header("host", address.to_string())
            .header("content-type", "application/json")
            .header("idempotency-key", "0123456789abcdef01234567-step")
            .body(Full::new(Bytes::from_static(BODY.as_bytes())))?;
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(format!("the peer answered with {}", answer.status()).into());
        }
        answer.into_body().collect().await?;
        answers += 1;
    }
    drop(sender);
    driven.await??;
    Ok(answers)
}
