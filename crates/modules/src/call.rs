//! What `curl` and `wget` have in common: headers, credentials, and what went wrong.

use std::time::Duration;

use base64::Engine;
use http::header::{HeaderName, HeaderValue};
use model::failure::Failure;
use model::{Map, Value};
use schemars::JsonSchema;
use sdk::http::HttpError;
use sdk::link::Credential;
use sdk::web::Base;
use sdk::{EffectCtx, Mishap};
use serde::Deserialize;
use url::Url;

use crate::arguments::{Object, Seconds, Text, refused};
use crate::encoding::BASE64;

/// A stored credential may not be sent there.
const LINK_HOST: &str = "LINK_HOST";

/// A name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BasicAuth {
    /// The name.
    pub(crate) username: Text,
    /// The password; best read from $secret.
    pub(crate) password: Text,
}

/// The headers of a request, in the order in which they are sent.
#[derive(Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The headers that the flow gives: a text for each name, or a list of texts.
    ///
    /// # Errors
    /// Where one cannot be sent. Its value is never told.
    pub(crate) fn of(given: Option<&Object>) -> Result<Self, Failure> {
        let mut headers = Self::default();
        for (name, value) in given.iter().flat_map(|given| given.iter()) {
            match value {
                Value::Null => {}
                Value::List(values) => {
                    for value in values.iter() {
                        headers.add(name, &as_text(name, value)?)?;
                    }
                }
                value => headers.add(name, &as_text(name, value)?)?,
            }
        }
        Ok(headers)
    }

    /// Adds a header.
    ///
    /// # Errors
    /// Where it cannot be sent.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(refused(format!("headers: {} is not the name of a header", Value::from(name))));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(refused(format!("headers.{name}: must be text of one line")));
        }
        self.0.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Whether there is a header of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    /// Adds the credentials.
    ///
    /// # Errors
    /// Where there are several, or they cannot be sent.
    pub(crate) fn authorize(&mut self, basic: Option<&BasicAuth>, bearer: Option<&Text>) -> Result<(), Failure> {
        let value = match (basic, bearer) {
            (None, None) => return Ok(()),
            (Some(basic), None) if basic.username.contains(':') => {
                return Err(refused("basicAuth.username: must not hold a colon"));
            }
            (Some(basic), None) => {
                format!("Basic {}", BASE64.encode(format!("{}:{}", &**basic.username, &**basic.password)))
            }
            (None, Some(token)) => format!("Bearer {}", token.trim()),
            (Some(_), Some(_)) => return Err(refused("give either basicAuth or bearerToken")),
        };
        if self.has("authorization") {
            return Err(refused("headers: has authorization, and so has basicAuth or bearerToken"));
        }
        self.add("authorization", &value)
    }

    /// Adds what every call to a component's peer carries. What is secret of it cannot be given by the flow.
    ///
    /// # Errors
    /// Where the flow gives it all the same.
    pub(crate) fn of_base(&mut self, base: &Base) -> Result<(), Failure> {
        for (name, value) in &base.secret_headers {
            if self.has(name) {
                return Err(refused(format!("headers: {name} is the component's own")));
            }
            self.add(name, value)?;
        }
        for (name, value) in &base.headers {
            if !self.has(name) {
                self.add(name, value)?;
            }
        }
        Ok(())
    }

    /// Adds the stored credential that the flowlet names, where it may be sent to that URL.
    ///
    /// # Errors
    /// Where it may not, or there are others.
    pub(crate) fn lend(&mut self, credential: Option<&Credential>, url: &str) -> Result<(), Failure> {
        let Some(credential) = credential else { return Ok(()) };
        if self.has("authorization") {
            return Err(refused("linkId: the call has the header authorization already"));
        }
        // The URL itself is never told: it may hold secrets.
        let url = Url::parse(url.trim()).map_err(|_| refused("url: is no URL such as https://example.com/path"))?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        if !credential.is_for(host, port, url.scheme() == "https") {
            let message = format!(
                "the link may not be sent to {host}:{port} by {}; it is sent by https to: {}",
                url.scheme(),
                credential.hosts.join(", ")
            );
            return Err(Failure::new(LINK_HOST, message));
        }
        self.add("authorization", &credential.authorization)
    }

    /// The names and values.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

fn as_text(name: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::Text(text) => Ok(text.to_string()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_json()),
        other => {
            let name: String = name.chars().take(64).collect();
            Err(refused(format!("headers.{name}: must be a string, not a value of type {}", other.type_name())))
        }
    }
}

/// How long an attempt may take: the smaller of what the flowlet and the arguments say.
pub(crate) fn timeout(ctx: &EffectCtx, given: Option<Seconds>, default: Duration) -> Duration {
    ctx.timeout.min(given.map_or(default, |seconds| *seconds))
}

/// What a request that has no answer means for the attempt.
pub(crate) fn mishap(error: HttpError, writes: bool) -> Mishap {
    let failure = Failure::new(error.code, error.message);
    if error.maybe_done && writes { Mishap::Unknown(failure) } else { Mishap::Failed(failure) }
}

/// The headers of an answer: a text for each name, in lower case. What comes several times is
/// joined by commas, but for cookies, which are always a list.
pub(crate) fn answered(headers: Vec<(String, String)>) -> Value {
    let mut fields = Map::default();
    for (name, value) in headers {
        if name == "set-cookie" {
            match fields.get_mut(&*name) {
                Some(Value::List(cookies)) => std::sync::Arc::make_mut(cookies).push(value.into()),
                _ => drop(fields.insert(name.into(), Value::list([value]))),
            }
            continue;
        }
        let joined = match fields.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value,
        };
        fields.insert(name.into(), joined.into());
    }
    fields.into()
}

/// A header of an answer.
pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::json;

    fn headers(text: &str) -> Result<Headers, Failure> {
        let object: Object = model::value::from_value(&json(text)).expect("an object");
        Headers::of(Some(&object))
    }

    #[test]
    fn headers_are_texts_of_one_line() {
        let given = headers(r#"{"X-A":"b","N":1.10,"L":["x","y"],"none":null}"#).expect("fits").into_pairs();
        let pairs: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["X-A=b", "N=1.10", "L=x", "L=y"]);
        for text in [r#"{"a b":"c"}"#, r#"{"a":"s3cr3t\r\nb: c"}"#, r#"{"a":{"b":1}}"#, r#"{"":"x"}"#] {
            let failure = headers(text).err().expect("refused");
            assert!(!failure.message.contains("s3cr3t"), "{failure}");
        }
    }

    #[test]
    fn credentials_are_given_once() {
        let basic = BasicAuth { username: "ada".into(), password: "pass".into() };
        let mut plain = Headers::default();
        plain.authorize(Some(&basic), None).expect("fits");
        assert_eq!(plain.into_pairs(), [("authorization".to_owned(), "Basic YWRhOnBhc3M=".to_owned())]);
        let mut given = headers(r#"{"Authorization":"x"}"#).expect("fits");
        assert!(given.authorize(None, Some(&"t".into())).is_err());
        assert!(Headers::default().authorize(Some(&basic), Some(&"t".into())).is_err());
        let odd = BasicAuth { username: "a:b".into(), password: "c".into() };
        assert!(Headers::default().authorize(Some(&odd), None).is_err());
    }

    #[test]
    fn headers_that_come_twice_are_joined() {
        let pairs = [("a", "1"), ("set-cookie", "x"), ("a", "2"), ("set-cookie", "y")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(answered(pairs).to_json(), r#"{"a":"1, 2","set-cookie":["x","y"]}"#);
    }
}
