//! Keys of NATS (nkeys): a seed proves who somebody is by signing what the server made up.
//!
//! A seed is Base32 of two bytes that say what it is, 32 bytes of Ed25519, and a checksum.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a seed begins with, and what the public half of a user's key does.
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

/// The key of a user.
pub(super) struct Key(SigningKey);

impl Key {
    /// Reads a seed: `SU…`. None where it is not one of a user.
    pub(super) fn read(seed: &str) -> Option<Self> {
        let raw = decoded(seed)?;
        let (bytes, sum) = raw.split_at_checked(34)?;
        let of_user = bytes[0] & 0xf8 == SEED && (bytes[0] & 7) << 5 | bytes[1] >> 3 == USER;
        if sum != checksum(bytes).to_le_bytes() || !of_user {
            return None;
        }
        Some(Self(SigningKey::from_bytes(bytes[2..].try_into().ok()?)))
    }

    /// The public half: `U…`.
    pub(super) fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.verifying_key().as_bytes());
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        encoded(&bytes)
    }

    /// Signs what the server made up.
    pub(super) fn sign(&self, nonce: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()).to_bytes())
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let five = LETTERS.iter().position(|is| *is == letter)?;
        bits = (bits << 5 | u32::try_from(five).ok()?) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn encoded(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(LETTERS[(bits >> count & 31) as usize]));
        }
    }
    if count > 0 {
        text.push(char::from(LETTERS[(bits << (5 - count) & 31) as usize]));
    }
    text
}

/// CRC-16 as XMODEM has it.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_key_that_the_server_knows() {
        let seed = "SUAB6UOOQVQF4DIP7JOXWOBYA2ZNQCGWQP7DF46ENKOR2XNNDVB4ZUDLGI";
        let key = Key::read(seed).expect("a key");
        assert_eq!(key.public(), "UB2YLDS7LWTOHR6KOW2SQJZVE5FTQJSQT7ZLVPOLRASOJG6RUQBWWAZ6");
        for odd in ["", "SU", &seed[1..], &seed.replace("AB6", "AB7"), &key.public(), &seed.to_lowercase()] {
            assert!(Key::read(odd).is_none(), "{odd}");
        }
    }
}
