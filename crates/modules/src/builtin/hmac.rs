//! `hmac`: the signature of a text or of bytes with a shared key.

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::arguments::{Text, refused};
use crate::encoding::{BytesAs, Digits};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The algorithm. sha1 is for peers that still ask for it.
    #[serde(default)]
    algorithm: Algorithm,
    /// The key; best read from $secret.
    key: Text,
    /// What the key stands for: itself (text), or bytes as hex or base64.
    #[serde(default)]
    key_encoding: BytesAs,
    /// What is signed.
    input: Text,
    /// What the input stands for: itself (text), or bytes as hex or base64.
    #[serde(default)]
    input_encoding: BytesAs,
    /// How the signature is written.
    #[serde(default)]
    encoding: Digits,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "camelCase")]
enum Algorithm {
    #[default]
    Sha256,
    Sha384,
    Sha512,
    Sha1,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The signature.
    digest: String,
}

pub(crate) fn module() -> Module {
    Module::pure("hmac", Group::Crypto, "Signs a text with a shared key.", run).example(
        r#"{"key":"key","input":"The quick brown fox jumps over the lazy dog"}"#,
        r#"{"digest":"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"}"#,
    )
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let key = args.key_encoding.read("key", &args.key)?;
    if key.is_empty() {
        return Err(refused("key: must not be empty").into());
    }
    let bytes = args.input_encoding.read("input", &args.input)?;
    let signature = match args.algorithm {
        Algorithm::Sha256 => sign::<Hmac<Sha256>>(&key, &bytes),
        Algorithm::Sha384 => sign::<Hmac<Sha384>>(&key, &bytes),
        Algorithm::Sha512 => sign::<Hmac<Sha512>>(&key, &bytes),
        Algorithm::Sha1 => sign::<Hmac<Sha1>>(&key, &bytes),
    }?;
    Ok(Out { digest: args.encoding.write(&signature) })
}

fn sign<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Stopped> {
    let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| refused("key: cannot be used"))?;
    mac.update(bytes);
    Ok(mac.finalize().into_bytes().to_vec())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    /// RFC 4231, test case 2, and RFC 2202, test case 2.
    #[test]
    fn known_signatures() {
        for (algorithm, digest) in [
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "sha384",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                "sha512",
                concat!(
                    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
                    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
                ),
            ),
            ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] {
            let args = format!(
                r#"{{"algorithm":"{algorithm}","key":"4a656665","keyEncoding":"hex","input":"what do ya want for nothing?"}}"#
            );
            check(&module(), &[(&args, &format!(r#"{{"digest":"{digest}"}}"#))]);
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert_eq!(failure(&module(), r#"{"key":"","input":"x"}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"key":"no hex","keyEncoding":"hex","input":"x"}"#).0, "BAD_ARGUMENTS");
    }
}
