//! [`Credential`]: what a call carries to get in. [`Tokens`]: where tokens are fetched.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use model::failure::Failure;
use model::ids::CompanyId;

/// A stored credential, ready to be sent. It is never written anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What the header `authorization` says.
    pub authorization: String,
    /// Where it may be sent: `api.example.com`, `*.example.com`, `erp.internal:8080`.
    pub hosts: Vec<String>,
    /// Texts that must not be seen in what comes back.
    pub secrets: Vec<String>,
}

/// Without what is secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Credential {
    /// Whether it may be sent to a host, which is in lower case. In the open it goes only to one that is
    /// named with its port.
    pub fn is_for(&self, host: &str, port: u16, is_encrypted: bool) -> bool {
        self.hosts.iter().any(|rule| {
            let (name, rule_port) = match rule.rsplit_once(':') {
                Some((name, digits)) if !name.contains(':') => (name, digits.parse().ok()),
                _ => (rule.as_str(), None),
            };
            let fits = match name.strip_prefix("*.") {
                Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                None => host == name,
            };
            fits && rule_port.map_or(is_encrypted, |own: u16| own == port)
        })
    }
}

/// What a token is asked for with.
#[derive(Clone)]
pub enum Grant {
    /// The code that somebody's agreement gave.
    Code {
        /// The code.
        code: String,
        /// What proves that whoever began is whoever ends it (PKCE).
        verifier: String,
        /// Where the code was sent.
        redirect_uri: String,
    },
    /// A token that was given for this.
    Refresh {
        /// The token.
        token: String,
    },
    /// A key of one's own, with which a claim is signed (RFC 7523, RS256).
    ServiceAccount {
        /// Who claims.
        issuer: String,
        /// The id of the key, where there are several.
        key_id: Option<String>,
        /// The key, as PEM.
        private_key: String,
        /// For whom, where not for the account itself.
        subject: Option<String>,
        /// Seconds since 1970 now.
        now: i64,
    },
}

/// A request for a token.
#[derive(Clone)]
pub struct TokenRequest {
    /// Whose it is.
    pub company: CompanyId,
    /// Where tokens are given.
    pub token_url: String,
    /// Who asks, where the peer wants to know.
    pub client_id: Option<String>,
    /// The secret that goes with it.
    pub client_secret: Option<String>,
    /// What the token shall be good for.
    pub scope: Option<String>,
    /// What it is asked for with.
    pub grant: Grant,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// A token that was given.
#[derive(Clone)]
pub struct Token {
    /// What calls carry.
    pub access: String,
    /// With what the next one is asked for; the one before stays good where there is none.
    pub refresh: Option<String>,
    /// Seconds that it is good for, where the peer says.
    pub lasts: Option<u64>,
}

/// The peer gives no token, and will not: somebody must agree anew, or correct the link.
pub const TOKEN_REFUSED: &str = "LINK_TOKEN_REFUSED";

/// The peer that gives tokens could not be asked.
pub const TOKEN_UNREACHABLE: &str = "LINK_TOKEN_UNREACHABLE";

/// Fetches tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Fetches a token. It is asked for once.
    ///
    /// # Errors
    /// [`TOKEN_REFUSED`] or [`TOKEN_UNREACHABLE`]; nothing secret is told.
    async fn fetch(&self, request: TokenRequest) -> Result<Token, Failure>;
}

pub(crate) struct NoTokens;

#[async_trait]
impl Tokens for NoTokens {
    async fn fetch(&self, _: TokenRequest) -> Result<Token, Failure> {
        Err(Failure::new(TOKEN_UNREACHABLE, "this installation fetches no tokens"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_where_it_may() {
        let hosts = ["api.example.com", "*.example.org", "127.0.0.1:8080"].map(str::to_owned).to_vec();
        let credential = Credential { authorization: "Bearer s3cr3t".into(), hosts, secrets: Vec::new() };
        for (host, port, may) in [
            ("api.example.com", 443, true),
            ("evil-api.example.com", 443, false),
            ("api.example.com.evil", 443, false),
            ("a.example.org", 80, true),
            ("a.b.example.org", 80, true),
            ("example.org", 80, false),
            (".example.org", 80, false),
            ("evilexample.org", 80, false),
            ("127.0.0.1", 8080, true),
            ("127.0.0.1", 8081, false),
        ] {
            assert_eq!(credential.is_for(host, port, true), may, "{host}:{port}");
        }
        assert!(!credential.is_for("api.example.com", 80, false) && credential.is_for("127.0.0.1", 8080, false));
        assert!(!format!("{credential:?}").contains("s3cr3t"));
    }
}
