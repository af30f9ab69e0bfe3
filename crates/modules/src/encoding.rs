//! Bytes as text, and back: how modules take and give what is not text.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::failure::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::refused;

/// Padding is taken and not asked for.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Base64 as most write it.
pub(crate) static BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Base64 for URLs, without padding.
pub(crate) static BASE64_URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_encode_padding(false));

/// How bytes are written.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Digits {
    /// Hex digits, in lower case.
    #[default]
    Hex,
    /// Base64, with padding.
    Base64,
    /// Base64 for URLs, without padding.
    Base64Url,
}

impl Digits {
    /// The bytes as text.
    pub(crate) fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => BASE64.encode(bytes),
            Self::Base64Url => BASE64_URL.encode(bytes),
        }
    }
}

/// What a text stands for.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BytesAs {
    /// Itself, as UTF-8.
    #[default]
    Text,
    /// The bytes of hex digits.
    Hex,
    /// The bytes of base64, of either kind.
    Base64,
}

impl BytesAs {
    /// The bytes that a text stands for; `name` is the argument, for the failure.
    ///
    /// # Errors
    /// Where it does not. The text itself is never told.
    pub(crate) fn read(self, name: &str, text: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Hex => {
                hex::decode(text.trim()).map_err(|_| refused(format!("{name}: must be an even number of hex digits")))
            }
            Self::Base64 => from_base64(text).ok_or_else(|| refused(format!("{name}: must be base64"))),
        }
    }
}

/// The bytes of base64 of either kind.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let engine = if text.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let bytes = [0xfb, 0xef, 0x00, 0xff];
        assert_eq!(Digits::Hex.write(&bytes), "fbef00ff");
        assert_eq!(Digits::Base64.write(&bytes), "++8A/w==");
        assert_eq!(Digits::Base64Url.write(&bytes), "--8A_w");
        for (kind, text) in [
            (BytesAs::Hex, "FBef00ff"),
            (BytesAs::Base64, "++8A/w=="),
            (BytesAs::Base64, "++8A/w"),
            (BytesAs::Base64, " --8A_w\n"),
        ] {
            assert_eq!(kind.read("key", text), Ok(bytes.to_vec()), "{text}");
        }
        assert_eq!(BytesAs::Text.read("key", "ä"), Ok(vec![0xc3, 0xa4]));
    }

    #[test]
    fn a_failure_does_not_tell_the_text() {
        for (kind, text) in [(BytesAs::Hex, "s3cr3t"), (BytesAs::Base64, "s3cr3t!")] {
            let failure = kind.read("key", text).expect_err("refused");
            assert!(failure.message.starts_with("key: ") && !failure.message.contains("s3cr3t"));
        }
    }
}
