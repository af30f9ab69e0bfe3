//! [`Totp`]: codes that change every 30 seconds (RFC 6238), from a secret that two share; and codes for
//! whoever has lost it.

use std::fmt;

use totp_rs::{Builder, Secret};
use zeroize::Zeroizing;

use crate::keys::KeyError;
use crate::random;

/// Bytes of the secret: as many as SHA-1 gives.
const BYTES: usize = 20;

/// A secret from which codes of six digits are made.
pub struct Totp(totp_rs::Totp);

impl Totp {
    /// A fresh secret.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh() -> Result<Self, KeyError> {
        Self::of(&random::<BYTES>()?)
    }

    /// The one of these bytes.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn of(secret: &[u8]) -> Result<Self, KeyError> {
        let secret: [u8; BYTES] = secret.try_into().map_err(|_| KeyError::Altered)?;
        Builder::new().with_secret(Secret::new_stack(secret)).build().map(Self).map_err(|_| KeyError::Altered)
    }

    /// Its bytes.
    pub fn secret(&self) -> &[u8] {
        self.0.secret().as_bytes()
    }

    /// The same, as people type it in.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.secret().to_base32())
    }

    /// The step of 30 seconds that a code is of: the one that it is now, the one before, or the next.
    /// Whoever takes a code takes no later one of the same step or of an earlier one.
    pub fn step(&self, code: &str, unix_seconds: u64) -> Option<u64> {
        self.0.check(code, unix_seconds)
    }

    /// The code of a moment.
    pub fn code(&self, unix_seconds: u64) -> String {
        self.0.generate(unix_seconds).to_string()
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp(..)")
    }
}

/// A code for whoever has lost the secret: 80 random bits, in four groups of four.
///
/// # Errors
/// Where the system has no randomness.
pub fn recovery_code() -> Result<Zeroizing<String>, KeyError> {
    let text = Zeroizing::new(Secret::new(Box::new(random::<10>()?)).to_base32());
    let groups: Vec<&str> = (0..text.len()).step_by(4).filter_map(|at| text.get(at..at + 4)).collect();
    Ok(Zeroizing::new(groups.join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let totp = Totp::of(b"12345678901234567890").expect("a secret");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(totp.code(seconds), code);
            assert_eq!(totp.step(code, seconds), Some(seconds / 30));
        }
        assert_eq!(&*totp.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_no_more() {
        let totp = Totp::fresh().expect("random");
        let code = totp.code(3_000);
        for (seconds, step) in
            [(2_939, None), (2_970, Some(100)), (3_029, Some(100)), (3_059, Some(100)), (3_061, None)]
        {
            assert_eq!(totp.step(&code, seconds), step, "{seconds}");
        }
        for wrong in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
            assert_eq!(totp.step(wrong, 3_000), None, "{wrong}");
        }
        assert!(Totp::of(b"short").is_err());
        assert_eq!(format!("{totp:?}"), "Totp(..)");
    }

    #[test]
    fn a_recovery_code_can_be_read_out() {
        let code = recovery_code().expect("random");
        assert!(code.len() == 19 && code.split('-').all(|group| group.len() == 4), "{}", *code);
        assert_ne!(code, recovery_code().expect("random"));
    }
}
