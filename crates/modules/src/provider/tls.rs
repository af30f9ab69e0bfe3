//! TLS for outgoing calls: the roots that the web trusts, and those of a private bundle.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::http::HttpSetupError;

/// The settings of a client, with the roots of a PEM bundle beside those of the web.
pub(super) fn config(extra_ca: Option<&[u8]>) -> Result<ClientConfig, HttpSetupError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca {
        add(&mut roots, pem).map_err(HttpSetupError::Ca)?;
    }
    // Named here, so that it does not depend on what else is built into the program.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| HttpSetupError::Client(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        let certificate = certificate.map_err(|error| format!("certificate {count}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("certificate {count}: {error}"))?;
    }
    if count == 0 { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_holds_certificates() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let pem = made.cert.pem();
        let count = |extra: Option<&[u8]>| config(extra).map(drop).map_err(|error| error.to_string());
        assert_eq!(count(None), Ok(()));
        assert_eq!(count(Some(format!("# ours\n{pem}\n{pem}").as_bytes())), Ok(()));
        assert!(count(Some(b"")).expect_err("refused").contains("no certificate"));
        let broken = pem.replacen("MII", "AAA", 1);
        assert!(count(Some(format!("{pem}{broken}").as_bytes())).expect_err("refused").contains("certificate 2"));
    }
}
