//! [`LinkSettings`]: what the kinds of links say of themselves.

use model::value::Value;
use serde::Deserialize;

use super::{LinkKind, read};

/// What a link says of itself, with what is secret. It is never written anywhere.
#[derive(Clone)]
pub enum LinkSettings {
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that does not change.
    Bearer {
        /// The token.
        token: String,
    },
    /// Tokens that somebody agreed to.
    Oauth {
        /// Where, and as whom.
        config: OauthConfig,
        /// The secret of the client, where it has one.
        client_secret: Option<String>,
    },
    /// Tokens for a key of one's own.
    ServiceAccount {
        /// Where, and as whom.
        config: AccountConfig,
        /// The key, as PEM.
        private_key: String,
    },
}

/// Where tokens are agreed to and fetched, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OauthConfig {
    /// The id that the peer knows flow8 by.
    pub client_id: String,
    /// Where somebody agrees.
    pub authorization_url: String,
    /// Where tokens are fetched.
    pub token_url: String,
    /// What the tokens shall be good for.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Where tokens are fetched, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountConfig {
    /// The account.
    pub client_email: String,
    /// Where tokens are fetched.
    pub token_url: String,
    /// The id of the key.
    #[serde(default)]
    pub key_id: Option<String>,
    /// For whom, where not for the account itself.
    #[serde(default)]
    pub subject: Option<String>,
    /// What the tokens shall be good for.
    #[serde(default)]
    pub scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Username {
    username: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BearerSecret {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ClientSecret {
    #[serde(default)]
    client_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PrivateKey {
    private_key: String,
}

impl LinkSettings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// With what is wrong; nothing secret is told.
    pub fn of(kind: LinkKind, config: &Value, secret: &Value) -> Result<Self, String> {
        let settings = match kind {
            LinkKind::Basic => {
                let (Username { username }, Password { password }) = (read("config", config)?, read("secret", secret)?);
                if username.contains(':') {
                    return Err("config.username: must not hold a colon".into());
                }
                Self::Basic { username, password }
            }
            LinkKind::Bearer => {
                let Empty {} = read("config", config)?;
                let BearerSecret { token } = read("secret", secret)?;
                if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err("secret.token: is a text without spaces".into());
                }
                Self::Bearer { token }
            }
            LinkKind::Oauth => {
                let config: OauthConfig = read("config", config)?;
                let ClientSecret { client_secret } = read("secret", secret)?;
                is_url("authorizationUrl", &config.authorization_url)?;
                is_url("tokenUrl", &config.token_url)?;
                Self::Oauth { config, client_secret }
            }
            LinkKind::ServiceAccount => {
                let config: AccountConfig = read("config", config)?;
                let PrivateKey { private_key } = read("secret", secret)?;
                is_url("tokenUrl", &config.token_url)?;
                if !private_key.contains("PRIVATE KEY-----") {
                    return Err("secret.privateKey: is a private key of RSA as PEM".into());
                }
                Self::ServiceAccount { config, private_key }
            }
        };
        Ok(settings)
    }
}

/// Tokens and what they are asked for with go over TLS, or stay on this machine.
fn is_url(name: &str, text: &str) -> Result<(), String> {
    let is_here = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|here| text.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    let has_room =
        text.contains(['#', '@', '\\']) || text.chars().any(|char| char.is_whitespace() || char.is_control());
    if has_room || !(is_here || text.len() > "https://".len() && text.starts_with("https://")) {
        return Err(format!("config.{name}: is a URL of https, without a name, a password or a fragment"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: LinkKind, config: &str, secret: &str) -> Result<(), String> {
        let json = |text: &str| Value::from_json(text.as_bytes()).expect("JSON");
        LinkSettings::of(kind, &json(config), &json(secret)).map(drop)
    }

    #[test]
    fn settings_are_checked_and_secrets_not_told() {
        assert_eq!(of(LinkKind::Basic, r#"{"username":"a"}"#, r#"{"password":"p"}"#), Ok(()));
        assert_eq!(of(LinkKind::Bearer, "{}", r#"{"token":"t"}"#), Ok(()));
        let oauth = |auth: &str, token: &str| {
            let config = format!(r#"{{"clientId":"c","authorizationUrl":"{auth}","tokenUrl":"{token}"}}"#);
            of(LinkKind::Oauth, &config, r#"{"clientSecret":"s"}"#)
        };
        assert_eq!(oauth("https://id.example/a?x=1", "http://127.0.0.1:80/t"), Ok(()));
        for bad in ["http://id.example/", "http://127.0.0.1.evil/", "https://a@b/", "https://", "javascript:x"] {
            assert!(
                oauth(bad, "https://id.example/t").is_err() && oauth("https://id.example/a", bad).is_err(),
                "{bad}"
            );
        }
        for (kind, config, secret) in [
            (LinkKind::Basic, r#"{"username":"a:b"}"#, r#"{"password":"p"}"#),
            (LinkKind::Bearer, "{}", r#"{"token":"s3cr3t\r\nx: y"}"#),
            (LinkKind::Bearer, "{}", r#"{"tokens":"s3cr3t"}"#),
            (LinkKind::ServiceAccount, r#"{"clientEmail":"a","tokenUrl":"https://x/"}"#, r#"{"privateKey":"s3cr3t"}"#),
        ] {
            let error = of(kind, config, secret).expect_err("refused");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
