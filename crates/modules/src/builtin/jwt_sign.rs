//! `jwt-sign`: makes a signed JSON web token. The signature is always the same for the same
//! claims, also with ES256 (RFC 6979).

use base64::Engine;
use model::failure::{Failure, code};
use model::time::Timestamp;
use model::{Map, Value};
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Object, Seconds, Text, refused};
use crate::encoding::{BASE64_URL, BytesAs};
use crate::jwt::Algorithm;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// How it is signed.
    algorithm: Algorithm,
    /// HS256 to HS512: the shared secret. The others: the private key in PEM. Best read from $secret.
    key: Text,
    /// What a shared secret stands for: itself (text), or bytes as hex or base64.
    #[serde(default)]
    key_encoding: BytesAs,
    /// What the token says.
    claims: Object,
    /// More for the header, such as kid.
    headers: Option<Object>,
    /// Seconds for which it is valid; sets iat and exp.
    expires_in: Option<Seconds>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The token.
    token: String,
}

pub(crate) fn module() -> Module {
    Module::pure("jwt-sign", Group::Crypto, "Makes a signed JSON web token.", run).example(
        r#"{"algorithm":"HS256","key":"your-256-bit-secret","claims":{"sub":"1234567890","name":"John Doe","iat":1516239022}}"#,
        concat!(
            r#"{"token":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"#,
            r#".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"}"#
        ),
    )
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let header = header(args.algorithm, args.headers)?;
    let claims = match args.expires_in {
        Some(expires_in) => {
            let now = now(ctx)?;
            lasting(&args.claims, now, expires_in.as_secs())?
        }
        None => args.claims.into(),
    };
    let part = |value: &Value| BASE64_URL.encode(value.to_json());
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = args.algorithm.sign(&message, &args.key, args.key_encoding)?;
    Ok(Out { token: format!("{message}.{signature}") })
}

fn header(algorithm: Algorithm, more: Option<Object>) -> Result<Value, Failure> {
    let mut header = Map::default();
    header.insert("alg".into(), algorithm.name().into());
    header.insert("typ".into(), "JWT".into());
    for (name, value) in more.iter().flat_map(|more| more.iter()) {
        if &**name == "alg" || &**name == "crit" {
            return Err(refused(format!("headers: {name} cannot be set; algorithm says how it is signed")));
        }
        header.insert(name.clone(), value.clone());
    }
    Ok(header.into())
}

/// The claims, with the times between which they hold.
fn lasting(claims: &Map, now: Timestamp, seconds: u64) -> Result<Value, Failure> {
    if claims.contains_key("exp") {
        return Err(refused("expiresIn: the claims have exp already; leave one of the two out"));
    }
    let now = now.0.div_euclid(1000);
    let mut claims = claims.clone();
    if !claims.contains_key("iat") {
        claims.insert("iat".into(), now.into());
    }
    claims.insert("exp".into(), now.saturating_add_unsigned(seconds).into());
    Ok(claims.into())
}

fn now(ctx: &PureCtx<'_>) -> Result<Timestamp, Stopped> {
    let now = ctx.now()?;
    let instant = now.as_str().and_then(|now| now.parse().ok());
    instant.ok_or_else(|| Failure::new(code::INTERNAL_ERROR, "there is no time here").into())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{failure, run};

    fn claims(args: &str) -> String {
        let out = run(&module(), args).expect("signs");
        let token = out.get("token").and_then(model::Value::as_str).expect("text").to_owned();
        let part = token.split('.').nth(1).expect("claims");
        String::from_utf8(crate::encoding::from_base64(part).expect("base64")).expect("text")
    }

    #[test]
    fn claims_stay_exact() {
        let args = r#"{"algorithm":"HS512","key":"k","claims":{"amount":1.10,"id":12345678901234567890}}"#;
        assert_eq!(claims(args), r#"{"amount":1.10,"id":12345678901234567890}"#);
    }

    #[test]
    fn a_token_may_expire() {
        let args = r#"{"algorithm":"HS256","key":"k","claims":{"a":1},"expiresIn":60}"#;
        assert_eq!(claims(args), r#"{"a":1,"iat":1772357400,"exp":1772357460}"#);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for more in [
            r#""algorithm":"none","key":"k","claims":{}"#,
            r#""algorithm":"HS256","key":"","claims":{}"#,
            r#""algorithm":"HS256","key":"k","claims":[]"#,
            r#""algorithm":"HS256","key":"k","claims":{"exp":1},"expiresIn":1"#,
            r#""algorithm":"HS256","key":"k","claims":{},"headers":{"alg":"none"}"#,
            r#""algorithm":"HS256","key":"-----BEGIN PUBLIC KEY-----","claims":{}"#,
            r#""algorithm":"RS256","key":"s3cr3t","claims":{}"#,
            r#""algorithm":"ES256","key":"s3cr3t","claims":{}"#,
            r#""algorithm":"EdDSA","key":"-----BEGIN PRIVATE KEY-----\ns3cr3t","claims":{}"#,
        ] {
            let (code, message) = failure(&module(), &format!("{{{more}}}"));
            assert_eq!(code, "BAD_ARGUMENTS", "{more}");
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }
}
