//! `hash`: the digest of a text or of bytes.

use md5::Md5;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::arguments::Text;
use crate::encoding::{BytesAs, Digits};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The algorithm. md5 and sha1 are for peers that still ask for them, not for safety.
    #[serde(default)]
    algorithm: Algorithm,
    /// What is hashed.
    input: Text,
    /// What the input stands for: itself (text), or bytes as hex or base64.
    #[serde(default)]
    input_encoding: BytesAs,
    /// How the digest is written.
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
    Md5,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The digest.
    digest: String,
}

pub(crate) fn module() -> Module {
    Module::pure("hash", Group::Crypto, "Makes the digest of a text.", run).example(
        r#"{"algorithm":"sha256","input":"abc"}"#,
        r#"{"digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#,
    )
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let bytes = args.input_encoding.read("input", &args.input)?;
    let digest = match args.algorithm {
        Algorithm::Sha256 => Sha256::digest(&bytes).to_vec(),
        Algorithm::Sha384 => Sha384::digest(&bytes).to_vec(),
        Algorithm::Sha512 => Sha512::digest(&bytes).to_vec(),
        Algorithm::Sha1 => Sha1::digest(&bytes).to_vec(),
        Algorithm::Md5 => Md5::digest(&bytes).to_vec(),
    };
    Ok(Out { digest: args.encoding.write(&digest) })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn known_digests() {
        for (algorithm, digest) in [
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "sha512",
                concat!(
                    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
                    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
                ),
            ),
        ] {
            let args = format!(r#"{{"algorithm":"{algorithm}","input":"abc"}}"#);
            check(&module(), &[(&args, &format!(r#"{{"digest":"{digest}"}}"#))]);
        }
    }

    #[test]
    fn bytes_and_encodings() {
        check(
            &module(),
            &[(
                r#"{"input":"616263","inputEncoding":"hex","encoding":"base64"}"#,
                r#"{"digest":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}"#,
            )],
        );
        assert_eq!(failure(&module(), r#"{"input":"xyz","inputEncoding":"hex"}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"input":"x","algorithm":"md4"}"#).0, "BAD_ARGUMENTS");
    }
}
