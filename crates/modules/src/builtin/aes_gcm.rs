//! `aes-gcm`: encrypts and decrypts with AES-256-GCM.
//!
//! What is encrypted is base64 of nonce, ciphertext and tag, unless a nonce is given: then it is
//! ciphertext and tag, and the nonce travels on its own.
//!
//! # Why the nonce is safe
//!
//! The same nonce must never be used with one key for two texts. The module is pure, so it
//! cannot draw a random one; it makes the nonce, by HMAC under the key, of the step's recorded
//! seed, of the text and of the associated data. The seed is random and belongs to one step
//! alone; and should a step ever be evaluated with another text under the same seed, its nonce
//! is another one, too. The same step evaluated again gives the same bytes, which tells nobody
//! anything. For more than four thousand million texts take another key.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use model::Value;
use model::failure::Failure;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::arguments::{Text, refused};
use crate::encoding::{BytesAs, Digits, from_base64};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// encrypt or decrypt.
    operation: Operation,
    /// The key: 32 bytes as 64 hex digits or as base64; best read from $secret.
    key: Text,
    /// What is encrypted; or, for decrypt, what encrypt gave: base64.
    input: Text,
    /// How what is in clear is written: text, or other bytes as hex or base64.
    #[serde(default)]
    encoding: BytesAs,
    /// What is not encrypted but must be the same when it is decrypted.
    associated_data: Option<Text>,
    /// A nonce of 12 bytes, as hex or base64, that never comes twice with this key. Made by
    /// flow8 and put in front of the output where it is left out.
    nonce: Option<Text>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Encrypt,
    Decrypt,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// encrypt: base64. decrypt: what was encrypted.
    output: String,
}

pub(crate) fn module() -> Module {
    Module::pure("aes-gcm", Group::Crypto, "Encrypts or decrypts with AES-256-GCM.", run).example(
        concat!(
            r#"{"operation":"decrypt","key":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""nonce":"000000000000000000000000","input":"rcYyWcZcVYVdNsaqllxCnvLKZOQ="}"#
        ),
        r#"{"output":"card"}"#,
    )
}

/// It was not encrypted with this key, nonce and associated data, or was changed since.
const DECRYPT: &str = "DECRYPT";

const NONCE_BYTES: usize = 12;

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let key = bytes_of("key", 32, &args.key)?;
    let cipher = Aes256Gcm::new_from_slice(&key).map_err(|_| refused("key: must be 32 bytes"))?;
    let given = args.nonce.as_ref().map(|nonce| bytes_of("nonce", NONCE_BYTES, nonce)).transpose()?;
    let aad = args.associated_data.as_ref().map(|data| data.as_bytes()).unwrap_or_default();
    match args.operation {
        Operation::Encrypt => {
            let input = args.encoding.read("input", &args.input)?;
            let nonce = match &given {
                Some(nonce) => nonce.clone(),
                None => made_nonce(&key, &ctx.seed()?, aad, &input)?,
            };
            let payload = Payload { msg: &input, aad };
            let sealed = cipher.encrypt(&nonce_of(&nonce)?, payload);
            let sealed = sealed.map_err(|_| refused("input: is too long to be encrypted"))?;
            let whole = if given.is_some() { sealed } else { [nonce, sealed].concat() };
            Ok(Out { output: Digits::Base64.write(&whole) })
        }
        Operation::Decrypt => {
            let input = from_base64(&args.input).ok_or_else(|| refused("input: must be base64"))?;
            let (nonce, sealed) = match &given {
                Some(nonce) => (nonce.as_slice(), input.as_slice()),
                None => input.split_at_checked(NONCE_BYTES).ok_or_else(undecipherable)?,
            };
            let opened = cipher.decrypt(&nonce_of(nonce)?, Payload { msg: sealed, aad });
            Ok(Out { output: shown(opened.map_err(|_| undecipherable())?, args.encoding)? })
        }
    }
}

/// The bytes of hex digits or of base64, so many of them.
fn bytes_of(name: &str, count: usize, text: &str) -> Result<Vec<u8>, Failure> {
    let text = text.trim();
    let bytes = if text.len() == 2 * count { hex::decode(text).ok() } else { from_base64(text) };
    let bytes = bytes.filter(|bytes| bytes.len() == count);
    bytes.ok_or_else(|| refused(format!("{name}: must be {count} bytes, as {} hex digits or as base64", 2 * count)))
}

fn nonce_of(bytes: &[u8]) -> Result<Nonce<aes_gcm::aead::consts::U12>, Failure> {
    Nonce::try_from(bytes).map_err(|_| refused(format!("nonce: must be {NONCE_BYTES} bytes")))
}

fn made_nonce(key: &[u8], seed: &Value, aad: &[u8], input: &[u8]) -> Result<Vec<u8>, Failure> {
    let seed = seed.as_str().filter(|seed| !seed.is_empty());
    let seed = seed.ok_or_else(|| refused("nonce: give one, since there is no randomness here"))?;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).map_err(|_| refused("key: must be 32 bytes"))?;
    mac.update(b"flow8 aes-gcm nonce");
    for part in [seed.as_bytes(), aad, input] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes()[..NONCE_BYTES].to_vec())
}

fn undecipherable() -> Failure {
    let why = "input: was not encrypted with this key, nonce and associated data, or was changed since";
    Failure::new(DECRYPT, why)
}

fn shown(bytes: Vec<u8>, encoding: BytesAs) -> Result<String, Failure> {
    match encoding {
        BytesAs::Hex => Ok(Digits::Hex.write(&bytes)),
        BytesAs::Base64 => Ok(Digits::Base64.write(&bytes)),
        BytesAs::Text => String::from_utf8(bytes)
            .map_err(|_| Failure::new(DECRYPT, "what was encrypted is not text; set encoding to base64")),
    }
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use expr::Given;
    use model::Value;
    use sdk::Outcome;

    use super::module;
    use crate::stage::{check, facts, failure, json, play_with, run};

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn output(args: &str) -> String {
        let out = run(&module(), args).unwrap_or_else(|failure| panic!("{args}: {failure}"));
        out.get("output").and_then(Value::as_str).expect("text").to_owned()
    }

    /// Test case 15 of the GCM specification, its first block.
    #[test]
    fn a_known_answer() {
        let args = concat!(
            r#"{"operation":"encrypt","key":"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308","#,
            r#""nonce":"cafebabefacedbaddecaf888","encoding":"hex","input":"d9313225f88406e5a55909c5aff5269a"}"#
        );
        let sealed = crate::encoding::from_base64(&output(args)).expect("base64");
        assert_eq!(hex::encode(&sealed[..16]), "522dc1f099567d07f47f37a32a84427d");
    }

    #[test]
    fn what_is_encrypted_comes_back() {
        let base64_key = crate::encoding::Digits::Base64.write(&hex::decode(KEY).expect("hex"));
        for (key, more) in
            [(KEY, ""), (&*base64_key, r#","associatedData":"INV-17""#), (KEY, r#","nonce":"AAAAAAAAAAAAAAAA""#)]
        {
            let encrypted = output(&format!(r#"{{"operation":"encrypt","key":"{key}","input":"sécret"{more}}}"#));
            let args = format!(r#"{{"operation":"decrypt","key":"{key}","input":"{encrypted}"{more}}}"#);
            check(&module(), &[(&args, r#"{"output":"sécret"}"#)]);
        }
    }

    #[test]
    fn nonces_differ_by_seed_text_and_data_and_are_stable() {
        let nonce = |seed: &str, input: &str, data: &str| {
            let args = json(&format!(
                r#"{{"operation":"encrypt","key":"{KEY}","input":"{input}","associatedData":"{data}"}}"#
            ));
            let facts = Given { seed: Some(seed.into()), ..facts() };
            let Ok(Outcome::Done(out)) = play_with(&module(), &args, &facts).0 else { panic!("fails") };
            out.get("output").and_then(Value::as_str).expect("text")[..16].to_owned()
        };
        let first = nonce("5eed", "a", "b");
        assert_eq!(first, nonce("5eed", "a", "b"));
        for other in
            [nonce("5eee", "a", "b"), nonce("5eed", "b", "b"), nonce("5eed", "a", "c"), nonce("5eed", "ab", "")]
        {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let encrypted = output(&format!(r#"{{"operation":"encrypt","key":"{KEY}","input":"x"}}"#));
        let other = KEY.replace("00", "01");
        let decrypt = |key: &str, input: &str, more: &str| {
            failure(&module(), &format!(r#"{{"operation":"decrypt","key":"{key}","input":"{input}"{more}}}"#)).0
        };
        assert_eq!(decrypt(&other, &encrypted, ""), "DECRYPT");
        assert_eq!(decrypt(KEY, &encrypted, r#","associatedData":"x""#), "DECRYPT");
        let changed = if encrypted.ends_with("A=") { "B=" } else { "A=" };
        assert_eq!(decrypt(KEY, &format!("{}{changed}", &encrypted[..encrypted.len() - 2]), ""), "DECRYPT");
        assert_eq!(decrypt(KEY, "AAAA", ""), "DECRYPT");
        assert_eq!(decrypt(KEY, "", ""), "DECRYPT");
    }

    #[test]
    fn a_bad_key_is_refused_and_not_told() {
        for key in ["", "s3cr3t", &KEY[1..]] {
            let (code, message) =
                failure(&module(), &format!(r#"{{"operation":"encrypt","key":"{key}","input":"x"}}"#));
            assert_eq!(code, "BAD_ARGUMENTS");
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }
}
