//! [`Tls`]: the certificate that flow8 itself shows. It may be another one from now on; connections
//! that are open keep the one that they began with.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What flow8 shows whoever connects.
#[derive(Debug)]
pub struct Tls(RwLock<Shown>);

#[derive(Debug, Clone)]
struct Shown {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate in the text.
    #[error("there is no certificate in PEM in it: {0}")]
    Certificate(String),
    /// There is no key in the text.
    #[error("there is no private key in PEM in it")]
    Key,
    /// They do not go together, or are of a kind that is not known.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
}

impl Tls {
    /// Shows a certificate, with its chain, whose key this is; both as PEM.
    ///
    /// # Errors
    /// Where they cannot be used.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Shown::of(certificates, key)?)))
    }

    /// Shows another one from now on.
    ///
    /// # Errors
    /// Where they cannot be used; then the one before is shown further on.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let shown = Shown::of(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(())
    }

    /// The certificate itself, without its chain, as DER.
    pub fn certificate(&self) -> Vec<u8> {
        self.shown().certificate.to_vec()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.shown().config)
    }

    fn shown(&self) -> Shown {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shown {
    fn of(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
        let certificate = chain.first().cloned().ok_or_else(|| TlsError::Certificate("nothing is".into()))?;
        // What is wrong with a key is not told: it may be a part of it.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        // Named here, so that it does not depend on what else is built into the program.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(TlsError::Pair)?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_cannot_be_shown_is_refused_and_the_one_before_stays() {
        let ((cert, key), (other, other_key)) = (made(), made());
        let tls = Tls::new(cert.as_bytes(), key.as_bytes()).expect("a pair");
        let before = tls.certificate();
        let refused = |cert: &str, key: &str| tls.replace(cert.as_bytes(), key.as_bytes()).expect_err("refused");
        assert!(matches!(refused(&cert, &other_key), TlsError::Pair(_)));
        assert!(matches!(refused("", &key), TlsError::Certificate(_)));
        assert!(matches!(refused(&cert.replacen("MII", "AAA", 1), &key), TlsError::Pair(_) | TlsError::Certificate(_)));
        for wrong in ["", &cert, &key.replace('M', "*")] {
            let told = refused(&cert, wrong);
            assert!(matches!(told, TlsError::Key), "{told}");
        }
        assert_eq!(tls.certificate(), before);
        tls.replace(other.as_bytes(), other_key.as_bytes()).expect("a pair");
        assert_ne!(tls.certificate(), before);
    }
}
