//! Digests and signatures, and uuids that are the same when they are made again.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use model::Value;
use sha2::{Digest, Sha256, Sha512};

use super::{Function, Kind, Operands, lazy, strict};
use crate::budget::Budget;
use crate::eval::Evaluator;
use crate::stop::Outcome;
use crate::syntax::Expr;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Hash,
        "sha256(text)",
        "The SHA-256 digest of the text, in hex.",
        r#"sha256 "abc""#,
        r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        digest::<Sha256>,
    )
    .alias(&["sha256sum"]),
    strict(
        Kind::Hash,
        "sha512(text)",
        "The SHA-512 digest of the text, in hex.",
        r#"sha512 "abc" | truncate 16"#,
        r#""ddaf35a193617aba""#,
        digest::<Sha512>,
    )
    .alias(&["sha512sum"]),
    strict(
        Kind::Hash,
        "md5(text)",
        "The MD5 digest of the text, in hex; for peers that still ask for it, not for safety.",
        r#"md5 "abc""#,
        r#""900150983cd24fb0d6963f7d28e17f72""#,
        digest::<Md5>,
    )
    .alias(&["md5sum"]),
    strict(
        Kind::Hash,
        "hmacSha256(key, text)",
        "The HMAC-SHA-256 signature of the text, in hex.",
        r#"hmacSha256 "key" "The quick brown fox jumps over the lazy dog""#,
        r#""f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8""#,
        sign::<Hmac<Sha256>>,
    ),
    strict(
        Kind::Hash,
        "hmacSha512(key, text)",
        "The HMAC-SHA-512 signature of the text, in hex.",
        r#"hmacSha512 "key" "The quick brown fox jumps over the lazy dog" | truncate 16"#,
        r#""b42af09057bac1e2""#,
        sign::<Hmac<Sha512>>,
    ),
    lazy(
        Kind::Hash,
        "uuid()",
        "A random uuid (version 4); the same one when the step is evaluated again.",
        "uuid",
        r#""36190733-19a8-4f3f-9cea-6e12190169e7""#,
        uuid,
    )
    .alias(&["uuidv4"])
    .draws(),
    strict(
        Kind::Hash,
        "uuidFrom(text)",
        "A uuid (version 8) that is always the same for the same text.",
        r#"uuidFrom "order-17""#,
        r#""72a90ea3-da8b-8dd0-9bde-2f27314e02e2""#,
        uuid_from,
    ),
];

fn digest<D: Digest>(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.scan(text.len())?;
    budget.text(128)?;
    Ok(hex::encode(D::digest(text)).into())
}

fn sign<M: Mac + KeyInit>(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (key, text) = (of.text(0)?, of.text(1)?);
    budget.scan(key.len().saturating_add(text.len()))?;
    budget.text(128)?;
    let mut mac =
        <M as KeyInit>::new_from_slice(key.as_bytes()).map_err(|_| of.refuse(0, "cannot be used as a key"))?;
    mac.update(text.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()).into())
}

fn uuid(evaluator: &mut Evaluator<'_>, _: &[Expr]) -> Outcome {
    let (seed, number) = evaluator.draw()?;
    evaluator.budget.text(36)?;
    Ok(uuid_of(format!("{seed}:{number}").as_bytes(), 4).into())
}

fn uuid_from(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.scan(text.len())?;
    budget.text(36)?;
    Ok(Value::from(uuid_of(text.as_bytes(), 8)))
}

/// A uuid of this version from the digest of some bytes.
fn uuid_of(bytes: &[u8], version: u8) -> String {
    let mut digest: [u8; 32] = Sha256::digest(bytes).into();
    digest[6] = (digest[6] & 0x0f) | (version << 4);
    digest[8] = (digest[8] & 0x3f) | 0x80;
    let digits = hex::encode(&digest[..16]);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
