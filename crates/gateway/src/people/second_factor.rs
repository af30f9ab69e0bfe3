//! [`SecondFactor`]: a code that somebody shows beside the password.
//!
//! What was tried is counted in the person's own document, so that all replicas count together, and
//! of two who show a code at once one is refused.

use std::time::Duration;

use model::ids::{CompanyId, UserId};
use model::limits::{RECOVERY_CODES, SECOND_FACTOR_LONGEST_WAIT, SECOND_FACTOR_TRIES, SECOND_FACTOR_WAIT};
use model::seal::{Binding, Sealed};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use vault::{KeyError, TokenHash, Totp, recovery_code};

use crate::app::App;
use crate::error::ApiError;

/// A code that somebody shows beside the password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecondFactor {
    secret: Sealed,
    /// Whether it was confirmed with a code; from then on it is asked for.
    pub(crate) is_on: bool,
    /// The step of the last code that was taken; no code of it or before it is taken again.
    last_step: u64,
    /// Hashes of the codes that are taken once, in place of one.
    recovery: Vec<TokenHash>,
    /// Codes that were wrong since one was right.
    wrong: u32,
    /// No code is taken before.
    locked_until: Option<Timestamp>,
}

impl SecondFactor {
    /// One that is yet to be confirmed, and the secret to be shown to whoever it is for.
    ///
    /// # Errors
    /// Where there is no randomness, or no key at hand.
    pub(crate) fn enrol(app: &App, company: CompanyId, user: UserId) -> Result<(Self, Totp), ApiError> {
        let totp = Totp::fresh().map_err(|error| internal(&error))?;
        let secret = app.engine.seal().seal(binding(company, user), totp.secret()).map_err(|error| internal(&error))?;
        let new = Self { secret, is_on: false, last_step: 0, recovery: Vec::new(), wrong: 0, locked_until: None };
        Ok((new, totp))
    }

    /// How long to wait before the next code.
    pub(crate) fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.locked_until.filter(|until| *until > now).map(|until| until.since(now))
    }

    /// Takes a code, and says whether it was right. What changed is to be stored either way, before it is told.
    ///
    /// # Errors
    /// Where the secret does not open.
    pub(crate) fn take(
        &mut self,
        app: &App,
        (company, user): (CompanyId, UserId),
        code: &str,
    ) -> Result<bool, ApiError> {
        let secret = app.engine.seal().open(binding(company, user), &self.secret).map_err(|error| internal(&error))?;
        let totp = Totp::of(&secret).map_err(|error| internal(&error))?;
        let (now, code) = (app.engine.now(), plain(code));
        let step =
            totp.step(&code, u64::try_from(now.0).unwrap_or_default() / 1_000).filter(|step| *step > self.last_step);
        let spare = self.recovery.iter().position(|hash| hash.matches(&TokenHash::of(&code)));
        match (step, spare) {
            (Some(step), _) => self.last_step = step,
            (None, Some(spare)) => {
                self.recovery.remove(spare);
            }
            (None, None) => {
                self.wrong = self.wrong.saturating_add(1);
                if self.wrong.is_multiple_of(SECOND_FACTOR_TRIES) {
                    let longer = 2_u32.saturating_pow(self.wrong / SECOND_FACTOR_TRIES - 1);
                    let wait = SECOND_FACTOR_WAIT.saturating_mul(longer).min(SECOND_FACTOR_LONGEST_WAIT);
                    self.locked_until = Some(now.plus(wait));
                }
                return Ok(false);
            }
        }
        (self.wrong, self.locked_until) = (0, None);
        Ok(true)
    }

    /// Makes it be asked for; gives the codes for whoever loses the secret, to be shown once.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub(crate) fn turn_on(&mut self) -> Result<Vec<String>, ApiError> {
        let codes: Result<Vec<String>, KeyError> =
            (0..RECOVERY_CODES).map(|_| recovery_code().map(|code| code.to_string())).collect();
        let codes = codes.map_err(|error| internal(&error))?;
        self.recovery = codes.iter().map(|code| TokenHash::of(&plain(code))).collect();
        self.is_on = true;
        Ok(codes)
    }
}

fn binding(company: CompanyId, user: UserId) -> Binding<'static> {
    Binding { company, field: "totp", id: user.0 }
}

/// A code as it was made, however it was typed in.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect::<String>().to_ascii_uppercase()
}

fn internal(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::internal(error.to_string())
}
