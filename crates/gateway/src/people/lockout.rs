//! Whoever guesses passwords is made to wait.
//!
//! Failures are counted by the address that somebody signs in with, whether or not there is such a
//! person, and by the address that the request comes from. The counts are in the store, so all replicas
//! count together, and a restart forgives nothing.

use std::net::IpAddr;
use std::time::Duration;

use engine::driver::RequestInfo;
use http::StatusCode;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::limits::{GUESSES_BY_PERSON, GUESSES_BY_PLACE, GUESSES_COUNT};
use model::value::Value;
use store::{CommitError, Conflict};
use vault::TokenHash;

use super::{Ticket, User};
use crate::app::App;
use crate::error::ApiError;

/// How often a failure is counted anew because somebody else's was counted meanwhile. More of them at
/// once are an attack.
const RECOUNTS: usize = 16;

/// Who may be guessing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guesser<'a> {
    /// Whoever signs in with that address.
    Person(&'a str),
    /// Whoever asks from there.
    Place(Option<&'a str>),
}

impl Guesser<'_> {
    /// How many failures are too many: many people may share a place.
    fn most(self) -> u32 {
        match self {
            Self::Person(_) => GUESSES_BY_PERSON,
            Self::Place(_) => GUESSES_BY_PLACE,
        }
    }

    /// Where the failures are counted.
    fn key(self) -> DocKey {
        let who = match self {
            Self::Person(email) => format!("person {}", email.trim().to_lowercase()),
            Self::Place(ip) => format!("place {}", place(ip.unwrap_or_default())),
        };
        DocKey::new(CompanyId::INSTALLATION, DocKind::Ticket, TokenHash::of(&who).0)
    }
}

/// A place, however many addresses it has: one of IPv6 is given a whole network.
fn place(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => format!("{:x}/64", ip.to_bits() >> 64),
        Ok(ip) => ip.to_string(),
        Err(_) => ip.to_owned(),
    }
}

/// Refuses whoever has guessed too often.
///
/// # Errors
/// Where they have, or the store fails.
pub(crate) async fn heed(app: &App, guessers: &[Guesser<'_>]) -> Result<(), ApiError> {
    let now = app.engine.now();
    for guesser in guessers {
        let Some(doc) = app.engine.store().doc(&guesser.key()).await? else { continue };
        if let Ticket::Guesses { failures, until } = doc.read()?
            && failures >= guesser.most()
            && until > now
        {
            return Err(too_many(until.since(now)));
        }
    }
    Ok(())
}

/// Counts a failure. Whose account it was, if anybody's, is told once they are locked out.
///
/// # Errors
/// Where it cannot be counted; then it must not be told what was guessed.
pub(crate) async fn failed(
    app: &App,
    guessers: &[Guesser<'_>],
    account: Option<(CompanyId, &User)>,
    request: &RequestInfo,
) -> Result<(), ApiError> {
    for _ in 0..RECOUNTS {
        let (now, mut batch) = (app.engine.now(), Batch::default());
        for guesser in guessers {
            let (key, mut expect, mut failures) = (guesser.key(), Expect::Absent, 0_u32);
            if let Some(doc) = app.engine.store().doc(&key).await? {
                expect = Expect::Revision(doc.revision);
                if let Ticket::Guesses { failures: before, until } = doc.read()?
                    && until > now
                {
                    failures = before;
                }
            }
            failures = failures.saturating_add(1);
            let until = now.plus(GUESSES_COUNT);
            batch.docs.push(DocWrite::put(key, expect, &Ticket::Guesses { failures, until }).expiring(until));
            if let (Guesser::Person(_), Some((company, user))) = (guesser, account)
                && failures == guesser.most()
            {
                batch.audit.push(locked(company, user, app, request));
            }
        }
        match app.engine.store().commit(batch).await {
            Err(CommitError::Conflict(Conflict::Doc(_))) => {}
            outcome => return Ok(outcome.map(drop)?),
        }
    }
    Err(too_many(GUESSES_COUNT))
}

/// What forgets the failures of a person who has signed in; those of the place stay.
pub(crate) fn forgiven(email: &str) -> DocWrite {
    DocWrite::remove(Guesser::Person(email).key(), Expect::Anything)
}

fn locked(company: CompanyId, user: &User, app: &App, request: &RequestInfo) -> AuditRow {
    AuditRow {
        company,
        at: app.engine.now(),
        actor: Actor::system(),
        action: "auth.locked".into(),
        entity: "user".into(),
        entity_id: user.id.to_string(),
        before: Value::Null,
        after: Value::map([("failures", GUESSES_BY_PERSON)]),
        request_id: request.id.clone(),
        ip: request.ip.clone(),
    }
}

/// Too many sign-ins failed.
pub(crate) fn too_many(wait: Duration) -> ApiError {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many sign-ins failed; try again in {seconds} seconds");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_however_it_is_written_and_however_many_addresses_it_has() {
        assert_eq!(place("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(place("2001:db8:1:2::1"), place("2001:db8:1:2:ffff::9"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
        assert_eq!(Guesser::Person(" Ada@x.y").key(), Guesser::Person("ada@X.y ").key());
        assert_ne!(Guesser::Person("10.1.2.3").key(), Guesser::Place(Some("10.1.2.3")).key());
    }
}
