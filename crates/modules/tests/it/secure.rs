//! TLS: whom the client trusts.

use std::sync::Arc;

use modules::provider::{HttpClient, HttpOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::server::{Server, ok, redirect};
use crate::{answer, policy, request, trouble};

/// A peer with a certificate for these names, and the certificate as PEM.
async fn secure(names: &[&str]) -> (Server, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key");
    let server = Server::start_with(Some(TlsAcceptor::from(Arc::new(config))), |heard| match &*heard.target {
        "/open" => redirect(302, &format!("http://{}/", heard.header("host").unwrap_or_default())),
        _ => ok("secure"),
    });
    (server.await, cert.pem())
}

fn client(extra_ca: Option<&str>) -> HttpClient {
    let extra_ca = extra_ca.map(|pem| pem.as_bytes().to_vec());
    let options = HttpOptions { policy: policy("127.0.0.1", ""), extra_ca, ..HttpOptions::default() };
    HttpClient::new(&options).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn only_who_is_known_is_trusted() {
    let (server, pem) = secure(&["localhost", "127.0.0.1"]).await;
    let by_name = format!("https://localhost:{}/", server.port);
    let error = trouble(&client(None), request("POST", &by_name)).await;
    assert_eq!((error.code, error.maybe_done), ("HTTP_CONNECT", false));
    assert!(error.message.contains("certificate"), "{}", error.message);
    assert_eq!(server.heard().len(), 0);
    let trusting = client(Some(&pem));
    assert_eq!(answer(&trusting, request("POST", &by_name)).await.body, "secure");
    let by_address = format!("https://127.0.0.1:{}/", server.port);
    assert_eq!(answer(&trusting, request("GET", &by_address)).await.body, "secure");
    let error = trouble(&trusting, request("GET", &format!("{by_name}open"))).await;
    assert_eq!(error.code, "HTTP_REFUSED");
    assert!(error.message.contains("from https to http"), "{}", error.message);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_enough() {
    let (server, pem) = secure(&["other.example.com"]).await;
    let error = trouble(&client(Some(&pem)), request("GET", &format!("https://localhost:{}/", server.port))).await;
    assert_eq!((error.code, error.maybe_done), ("HTTP_CONNECT", false));
    assert_eq!(server.heard().len(), 0);
}
