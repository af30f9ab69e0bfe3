//! Passwords: hashed with Argon2id, each with a salt of its own.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};

/// A password that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is too short or too long.
    #[error("a password has {MIN_CHARS} to {MAX_BYTES} characters")]
    Length,
    /// It could not be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// The fewest characters of a password.
const MIN_CHARS: usize = 12;

/// The most bytes: hashing a longer one would be work for nothing.
const MAX_BYTES: usize = 1_024;

/// The hash of a password, with all that is needed to verify it. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// Where it is too short or too long.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < MIN_CHARS || password.len() > MAX_BYTES {
        return Err(PasswordError::Length);
    }
    let hash: PasswordHash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether this is the password of a hash. Takes as long where there is no hash to compare with,
/// so that nobody learns who has an account.
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    let parsed = PasswordHash::new(hash.unwrap_or(NOBODYS_HASH));
    let verified = parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    verified && hash.is_some()
}

/// A hash of no password.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_and_no_other_is_verified() {
        let hash = hash_password("correct horse battery").expect("hashes");
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse battery", Some(&hash)));
        assert!(!verify_password("correct horse batterz", Some(&hash)));
        assert!(!verify_password("correct horse battery", None));
        assert!(!verify_password("correct horse battery", Some("nonsense")));
        assert_ne!(hash, hash_password("correct horse battery").expect("hashes"), "each has its own salt");
    }

    #[test]
    fn the_hash_that_stands_for_nobody_is_well_formed() {
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok());
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert_eq!(hash_password("short"), Err(PasswordError::Length));
        assert_eq!(hash_password(&"x".repeat(2_000)), Err(PasswordError::Length));
    }
}
