//! `delay`: waits, for a while or until an instant. It costs no memory and no thread.

use model::time::Timestamp;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped, Until};
use serde::Deserialize;

use crate::arguments::{Seconds, Text, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// How long to wait, in seconds; fractions are taken to the millisecond.
    seconds: Option<Seconds>,
    /// Until when to wait, as RFC 3339: 2026-01-31T08:00:00Z. What is past does not wait.
    until: Option<Text>,
}

/// It gives nothing.
#[derive(JsonSchema)]
struct Out {}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("delay", Group::Control, "Waits for a while or until a time.", run)
        .example_args(r#"{"seconds":90}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    let until = match (args.seconds, args.until) {
        (Some(seconds), None) => Until::After(*seconds),
        (None, Some(until)) => Until::At(instant(&until)?),
        _ => return Err(refused("give either seconds or until").into()),
    };
    Ok(Outcome::Sleep(until))
}

fn instant(text: &str) -> Result<Timestamp, Stopped> {
    text.parse().map_err(|_| refused("until: a time is RFC 3339 text such as 2026-01-31T08:00:00Z").into())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::time::Timestamp;
    use sdk::{Outcome, Until};

    use super::module;
    use crate::stage::{failure, outcome};

    #[test]
    fn it_waits_for_a_while_or_until_a_time() {
        let after = |ms| Ok(Outcome::Sleep(Until::After(Duration::from_millis(ms))));
        assert_eq!(outcome(&module(), r#"{"seconds":0.25}"#), after(250));
        assert_eq!(outcome(&module(), r#"{"seconds":0}"#), after(0));
        let at = Ok(Outcome::Sleep(Until::At(Timestamp(1_767_254_400_000))));
        assert_eq!(outcome(&module(), r#"{"until":"2026-01-01T09:00:00+01:00"}"#), at);
    }

    #[test]
    fn exactly_one_of_the_two_is_given() {
        for args in [
            "{}",
            r#"{"seconds":1,"until":"2026-01-01T00:00:00Z"}"#,
            r#"{"seconds":-1}"#,
            r#"{"seconds":1e30}"#,
            r#"{"until":"tomorrow"}"#,
            r#"{"seconds":"5"}"#,
        ] {
            assert_eq!(failure(&module(), args).0, "BAD_ARGUMENTS", "{args}");
        }
    }
}
