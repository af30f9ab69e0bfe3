//! The certificate and the key that flow8 itself shows, read from their files.

use std::path::Path;
use std::sync::Arc;

use gateway::Tls;

use super::OpenError;
use crate::config::{Config, is_open_to_all};

/// What flow8 shows whoever connects; none where something in front of it speaks TLS.
///
/// # Errors
/// Where the files cannot be read or used.
pub fn open(config: &Config) -> Result<Option<Arc<Tls>>, OpenError> {
    let Some((certificates, key)) = read(config)? else { return Ok(None) };
    let tls = Tls::new(&certificates, &key).map_err(|error| told(config, &error))?;
    Ok(Some(Arc::new(tls)))
}

/// Shows from now on what is in the files now.
///
/// # Errors
/// Where they cannot be read or used; then what was shown before is shown further on.
pub fn replace(tls: &Tls, config: &Config) -> Result<(), OpenError> {
    match read(config)? {
        Some((certificates, key)) => tls.replace(&certificates, &key).map_err(|error| told(config, &error)),
        None => Ok(()),
    }
}

type Pair = (Vec<u8>, Vec<u8>);

fn read(config: &Config) -> Result<Option<Pair>, OpenError> {
    let tls = &config.server.tls;
    let Some((certificates, key)) = tls.cert.as_deref().zip(tls.key.as_deref()) else { return Ok(None) };
    if is_open_to_all(key) {
        tracing::warn!(file = %key.display(), "server.tls.key: everybody on this machine may read it; chmod o= it");
    }
    Ok(Some((bytes("server.tls.cert", certificates)?, bytes("server.tls.key", key)?)))
}

fn bytes(key: &'static str, file: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(file).map_err(|error| OpenError::Tls(format!("{key}: {}: {error}", file.display())))
}

fn told(config: &Config, error: &dyn std::fmt::Display) -> OpenError {
    let file = config.server.tls.cert.as_deref().unwrap_or(Path::new(""));
    OpenError::Tls(format!("server.tls ({}): {error}", file.display()))
}
