//! `date`: times as RFC 3339 text, in any time zone. It is what `$date.…` is in expressions, so
//! both take the same forms of times, layouts, durations, units and zones.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What to do: now, format (layout), parse (layout, or the usual forms), add and subtract
    /// (duration), addWorkdays (count), diff (to, unit), startOf and endOf (unit), in (timeZone),
    /// unix, fromUnix.
    operation: Operation,
    /// The time: 2026-01-31T08:00:00Z, 2026-01-31. The current one where it is left out. For
    /// fromUnix, seconds since 1970.
    value: Option<Value>,
    /// The time that diff counts to.
    to: Option<Text>,
    /// A layout of Go (02.01.2006 15:04) or of strftime (%d.%m.%Y).
    layout: Option<Text>,
    /// How long: 36h, 1h30m, 2d, 3mo, 1y.
    duration: Option<Text>,
    /// How many workdays; negative to go back.
    count: Option<i64>,
    /// years, quarters, months, weeks, days, hours, minutes, seconds or ms. diff counts seconds
    /// where it is left out.
    unit: Option<Text>,
    /// The zone in which to reckon: Europe/Berlin, UTC, +02:00. The time's own where it is left out.
    time_zone: Option<Text>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Now,
    Format,
    Parse,
    Add,
    Subtract,
    AddWorkdays,
    Diff,
    StartOf,
    EndOf,
    In,
    Unix,
    FromUnix,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The time as RFC 3339; a text for format, a number for diff and unix.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("date", Group::Data, "Reads, writes and reckons with times.", run).example(
        r#"{"operation":"add","value":"2026-01-31T08:00:00Z","duration":"1mo"}"#,
        r#"{"value":"2026-02-28T08:00:00Z"}"#,
    )
}

/// It is no time, or cannot be reckoned.
const DATE: &str = "DATE";

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let operation = args.operation;
    let value = match args.value {
        Some(value) => value,
        None if matches!(operation, Operation::Parse | Operation::FromUnix) => {
            return Err(refused("value: is what it reads").into());
        }
        None => ctx.now()?,
    };
    let has_zone = args.time_zone.is_some();
    let given = [
        ("layout", args.layout.map(Value::from)),
        ("duration", args.duration.map(Value::from)),
        ("count", args.count.map(Value::from)),
        ("to", args.to.map(Value::from)),
        ("unit", args.unit.map(Value::from)),
        ("timeZone", args.time_zone.map(Value::from)),
    ];
    let (expression, takes) =
        operation.plan(has_zone, |name| given.iter().any(|(given, value)| *given == name && value.is_some()))?;
    if let Some((name, _)) = given.iter().find(|(name, value)| value.is_some() && !takes.contains(name)) {
        return Err(refused(format!("{name}: the operation does not take it")).into());
    }
    let fields = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let dot = Value::map(fields.chain([("value", value)]));
    Ok(Out { value: formula::give(expression, dot, DATE)? })
}

impl Operation {
    /// The expression, and the arguments that it takes beside the value.
    fn plan(
        self,
        zone: bool,
        given: impl Fn(&str) -> bool,
    ) -> Result<(&'static str, &'static [&'static str]), Stopped> {
        let needs: &[&str] = match self {
            Self::Format => &["layout"],
            Self::Add | Self::Subtract => &["duration"],
            Self::AddWorkdays => &["count"],
            Self::Diff => &["to"],
            Self::StartOf | Self::EndOf => &["unit"],
            Self::In => &["timeZone"],
            Self::Now | Self::Parse | Self::Unix | Self::FromUnix => &[],
        };
        if let Some(name) = needs.iter().find(|name| !given(name)) {
            return Err(refused(format!("{name}: the operation needs it")).into());
        }
        Ok(match (self, zone) {
            (Self::Now | Self::In, true) => ("$date.in(.timeZone, .value)", &["timeZone"]),
            (Self::Now | Self::In, false) => ("$date.parse(.value)", &[]),
            (Self::Format, true) => ("$date.format(.layout, .timeZone, .value)", &["layout", "timeZone"]),
            (Self::Format, false) => ("$date.format(.layout, .value)", &["layout"]),
            (Self::Parse, true) if given("layout") => {
                ("$date.parse(.layout, .timeZone, .value)", &["layout", "timeZone"])
            }
            (Self::Parse, false) if given("layout") => ("$date.parse(.layout, .value)", &["layout"]),
            (Self::Parse, true) => ("$date.in(.timeZone, .value)", &["timeZone"]),
            (Self::Parse, false) => ("$date.parse(.value)", &[]),
            (Self::Add, true) => ("$date.add(.duration, .timeZone, .value)", &["duration", "timeZone"]),
            (Self::Add, false) => ("$date.add(.duration, .value)", &["duration"]),
            (Self::Subtract, true) => ("$date.sub(.duration, .timeZone, .value)", &["duration", "timeZone"]),
            (Self::Subtract, false) => ("$date.sub(.duration, .value)", &["duration"]),
            (Self::AddWorkdays, _) => ("$date.addWorkdays(.count, .value)", &["count"]),
            (Self::Diff, _) if given("unit") => ("$date.diff(.unit, .value, .to)", &["to", "unit"]),
            (Self::Diff, _) => ("$date.diff(.value, .to)", &["to"]),
            (Self::StartOf, true) => ("$date.truncate(.unit, .timeZone, .value)", &["unit", "timeZone"]),
            (Self::StartOf, false) => ("$date.truncate(.unit, .value)", &["unit"]),
            (Self::EndOf, true) => ("$date.endOf(.unit, .timeZone, .value)", &["unit", "timeZone"]),
            (Self::EndOf, false) => ("$date.endOf(.unit, .value)", &["unit"]),
            (Self::Unix, _) => ("$date.unix(.value)", &[]),
            (Self::FromUnix, true) => ("$date.in(.timeZone, $date.fromUnix(.value))", &["timeZone"]),
            (Self::FromUnix, false) => ("$date.fromUnix(.value)", &[]),
        })
    }
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn every_operation() {
        for (args, value) in [
            (r#""operation":"now""#, r#""2026-03-01T09:30:00Z""#),
            (r#""operation":"now","timeZone":"Europe/Berlin""#, r#""2026-03-01T10:30:00+01:00""#),
            (r#""operation":"format","layout":"02.01.2006 15:04""#, r#""01.03.2026 09:30""#),
            (r#""operation":"format","layout":"%H:%M","timeZone":"Europe/Berlin""#, r#""10:30""#),
            (r#""operation":"parse","value":"2026-07-01""#, r#""2026-07-01T00:00:00Z""#),
            (
                r#""operation":"parse","value":"01.07.2026","layout":"02.01.2006","timeZone":"Europe/Berlin""#,
                r#""2026-07-01T00:00:00+02:00""#,
            ),
            (r#""operation":"parse","value":"01.07.2026","layout":"02.01.2006""#, r#""2026-07-01T00:00:00Z""#),
            (
                r#""operation":"parse","value":"2026-07-01T00:00:00Z","timeZone":"+02:00""#,
                r#""2026-07-01T02:00:00+02:00""#,
            ),
            (r#""operation":"add","duration":"36h""#, r#""2026-03-02T21:30:00Z""#),
            (
                r#""operation":"add","value":"2026-03-28T12:00:00Z","duration":"1d","timeZone":"Europe/Berlin""#,
                r#""2026-03-29T13:00:00+02:00""#,
            ),
            (r#""operation":"subtract","duration":"1mo""#, r#""2026-02-01T09:30:00Z""#),
            (r#""operation":"addWorkdays","count":1"#, r#""2026-03-02T09:30:00Z""#),
            (r#""operation":"diff","value":"2026-03-01","to":"2026-03-04T12:00:00Z","unit":"days""#, "3.5"),
            (r#""operation":"diff","value":"2026-03-01","to":"2026-03-01T00:01:00Z""#, "60"),
            (r#""operation":"startOf","unit":"month""#, r#""2026-03-01T00:00:00Z""#),
            (r#""operation":"endOf","unit":"day","timeZone":"UTC""#, r#""2026-03-01T23:59:59.999Z""#),
            (r#""operation":"in","timeZone":"Asia/Tokyo""#, r#""2026-03-01T18:30:00+09:00""#),
            (r#""operation":"unix","value":"1970-01-02""#, "86400"),
            (r#""operation":"fromUnix","value":86400.5"#, r#""1970-01-02T00:00:00.5Z""#),
        ] {
            check(&module(), &[(&format!("{{{args}}}"), &format!(r#"{{"value":{value}}}"#))]);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (args, code) in [
            (r#"{"operation":"format"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"add"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"parse"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"diff"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"now","layout":"x"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"diff","to":"2026-01-01","timeZone":"UTC"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"unix","value":"tomorrow"}"#, "DATE"),
            (r#"{"operation":"unix","value":17}"#, "DATE"),
            (r#"{"operation":"in","timeZone":"Mars"}"#, "DATE"),
            (r#"{"operation":"add","duration":"soon"}"#, "DATE"),
            (r#"{"operation":"startOf","unit":"fortnight"}"#, "DATE"),
        ] {
            assert_eq!(failure(&module(), args).0, code, "{args}");
        }
    }
}
