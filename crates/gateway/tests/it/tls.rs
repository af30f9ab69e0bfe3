//! TLS, as clients see it: which certificate they are shown, and what happens to open connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Settings, Stop, Tls, serve_with};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stage::Stage;

/// A certificate for localhost, and its key.
struct Made {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    Made { pem: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
}

/// Serves over TLS what a stage serves without.
async fn secure(stage: &Stage, tls: &Arc<Tls>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let at = listener.local_addr().expect("an address");
    // It ends with the test's runtime.
    let (switch, stop) = Stop::switch();
    let (gateway, tls) = (stage.gateway.clone(), tls.clone());
    tokio::spawn(async move {
        serve_with(listener, gateway, Some(tls), stop, Duration::ZERO).await;
        drop(switch);
    });
    at
}

/// A connection of somebody who trusts that certificate alone.
async fn connect(at: SocketAddr, trusted: &Made) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(at).await?).await
}

/// Asks for the health, over and over on one connection.
async fn asks(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("writes");
    let mut said = vec![0; 4096];
    let read = stream.read(&mut said).await.expect("reads");
    String::from_utf8_lossy(&said[..read]).into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_whoever_comes_next_and_open_connections_stay() {
    let (first, second) = (made(), made());
    let stage = Stage::new().await;
    let tls = Arc::new(Tls::new(first.pem.as_bytes(), first.key.as_bytes()).expect("a pair"));
    let at = secure(&stage, &tls).await;
    let mut early = connect(at, &first).await.expect("trusted");
    assert!(asks(&mut early).await.starts_with("HTTP/1.1 200"));
    assert!(connect(at, &second).await.is_err(), "it is not shown yet");
    // What cannot be used changes nothing.
    tls.replace(second.pem.as_bytes(), first.key.as_bytes()).expect_err("no pair");
    connect(at, &first).await.expect("still the first");
    tls.replace(second.pem.as_bytes(), second.key.as_bytes()).expect("a pair");
    let mut late = connect(at, &second).await.expect("trusted");
    assert!(asks(&mut late).await.starts_with("HTTP/1.1 200"));
    assert!(connect(at, &first).await.is_err(), "it is shown no more");
    assert!(asks(&mut early).await.starts_with("HTTP/1.1 200"), "the connection goes on");
}

#[tokio::test]
async fn whoever_does_not_speak_tls_or_is_slow_to_is_let_go() {
    let made = made();
    let stage = Stage::with(Settings { read_timeout: Duration::from_millis(100), ..Settings::default() }).await;
    let tls = Arc::new(Tls::new(made.pem.as_bytes(), made.key.as_bytes()).expect("a pair"));
    let at = secure(&stage, &tls).await;
    for words in ["", "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(at).await.expect("connects");
        stream.write_all(words.as_bytes()).await.expect("writes");
        let mut said = Vec::new();
        // Returns when the other side closes.
        let _ = stream.read_to_end(&mut said).await;
        assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "{}", String::from_utf8_lossy(&said));
    }
}
