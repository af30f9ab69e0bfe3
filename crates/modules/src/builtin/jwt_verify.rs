//! `jwt-verify`: reads a JSON web token whose signature, times, issuer and audience are right.
//!
//! Only the algorithms that are listed are taken, whatever the token says of itself; there is no
//! `none`, and a public key never serves as a shared secret.

use model::Value;
use model::failure::{Failure, code};
use model::time::Timestamp;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Seconds, Text, refused};
use crate::encoding::{BytesAs, from_base64};
use crate::jwt::Algorithm;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The token, without "Bearer".
    token: Text,
    /// HS256 to HS512: the shared secret. The others: the public key in PEM.
    key: Text,
    /// What a shared secret stands for: itself (text), or bytes as hex or base64.
    #[serde(default)]
    key_encoding: BytesAs,
    /// The algorithms that are taken, all for the same kind of key.
    algorithms: Vec<Algorithm>,
    /// Who must have issued it (iss).
    issuer: Option<Text>,
    /// For whom it must be (aud).
    audience: Option<Text>,
    /// Seconds by which clocks may differ.
    leeway: Option<Seconds>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What the token says.
    claims: Value,
    /// Its header.
    header: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("jwt-verify", Group::Crypto, "Reads a JSON web token that is genuine and valid.", run).example(
        concat!(
            r#"{"algorithms":["HS256"],"key":"your-256-bit-secret","token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."#,
            r#"eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"#,
            r#".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"}"#
        ),
        r#"{"claims":{"sub":"1234567890","name":"John Doe","iat":1516239022},"header":{"alg":"HS256","typ":"JWT"}}"#,
    )
}

/// It is no token, or its signature is not right.
const JWT_INVALID: &str = "JWT_INVALID";
/// It is not valid any more.
const JWT_EXPIRED: &str = "JWT_EXPIRED";
/// It is not valid yet.
const JWT_TOO_EARLY: &str = "JWT_TOO_EARLY";
/// It is of another issuer, or for another audience.
const JWT_NOT_FOR_US: &str = "JWT_NOT_FOR_US";

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let one_kind = args
        .algorithms
        .first()
        .is_some_and(|first| args.algorithms.iter().all(|algorithm| algorithm.key_kind() == first.key_kind()));
    if !one_kind {
        return Err(refused("algorithms: name at least one, and only those for the same kind of key").into());
    }
    let token = args.token.trim();
    let (message, signature) = token.rsplit_once('.').ok_or_else(|| invalid("has no signature"))?;
    let (header, claims) = message.split_once('.').ok_or_else(|| invalid("has not three parts"))?;
    let header = object(header)?;
    let named = header.get("alg").and_then(Value::as_str);
    let algorithm = args.algorithms.iter().find(|algorithm| named == Some(algorithm.name()));
    let algorithm = algorithm.ok_or_else(|| invalid("is signed by an algorithm that is not listed"))?;
    if header.get("crit").is_some() {
        return Err(invalid("asks for extensions (crit)").into());
    }
    if !algorithm.verify(message, signature, &args.key, args.key_encoding)? {
        return Err(invalid("has a signature that is not right").into());
    }
    let claims = object(claims)?;
    check_times(&claims, ctx, args.leeway.map_or(0, |leeway| leeway.as_secs()))?;
    check_parties(&claims, args.issuer.as_deref(), args.audience.as_deref())?;
    Ok(Out { claims, header })
}

fn invalid(why: &str) -> Failure {
    Failure::new(JWT_INVALID, format!("the token {why}"))
}

fn object(part: &str) -> Result<Value, Failure> {
    let value = from_base64(part).and_then(|bytes| Value::from_json(&bytes).ok());
    value.filter(|value| value.as_map().is_some()).ok_or_else(|| invalid("has a part that is no JSON object in base64"))
}

fn check_times(claims: &Value, ctx: &PureCtx<'_>, leeway: u64) -> Result<(), Stopped> {
    let (expires, begins) = (time(claims, "exp")?, time(claims, "nbf")?);
    if expires.is_none() && begins.is_none() {
        return Ok(());
    }
    let now = ctx.now()?;
    let now: Timestamp = now
        .as_str()
        .and_then(|now| now.parse().ok())
        .ok_or_else(|| Failure::new(code::INTERNAL_ERROR, "there is no time here"))?;
    let now = Decimal::new(now.0, 3);
    let leeway = Decimal::from(leeway);
    if expires.is_some_and(|expires| expires + leeway <= now) {
        return Err(Failure::new(JWT_EXPIRED, "the token is not valid any more").into());
    }
    if begins.is_some_and(|begins| begins > now + leeway) {
        return Err(Failure::new(JWT_TOO_EARLY, "the token is not valid yet").into());
    }
    Ok(())
}

/// A time in seconds since 1970; one that is none makes the token invalid.
fn time(claims: &Value, name: &str) -> Result<Option<Decimal>, Failure> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_number().and_then(model::Number::decimal);
    let seconds = seconds.filter(|seconds| seconds.abs() < Decimal::from(1_000_000_000_000_i64));
    seconds.map(Some).ok_or_else(|| invalid("has a time that is none"))
}

fn check_parties(
    claims: &Value,
    issuer: Option<&std::sync::Arc<str>>,
    audience: Option<&std::sync::Arc<str>>,
) -> Result<(), Failure> {
    if let Some(issuer) = issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return Err(Failure::new(JWT_NOT_FOR_US, "the token is of another issuer"));
    }
    let Some(audience) = audience else { return Ok(()) };
    let is_for = match claims.get("aud") {
        Some(Value::Text(one)) => one == audience,
        Some(Value::List(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if is_for { Ok(()) } else { Err(Failure::new(JWT_NOT_FOR_US, "the token is for another audience")) }
}

sdk::contract!(module());
