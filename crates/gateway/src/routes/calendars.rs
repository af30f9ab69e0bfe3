//! Calendars: which days are business days for schedules.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::ids::CalendarId;
use model::limits::SCHEDULES;
use model::value::{Value, to_value};
use schedules::calendar::{Calendar, Day};
use schedules::{Schedule, calendar_key};
use schemars::JsonSchema;
use serde::Deserialize;
use store::DocQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Access::Needs(Permission::FlowsView), Access::Needs(Permission::FlowsEdit));
    vec![
        Route::new((Method::GET, "/calendars"), "listCalendars", view, "Lists calendars.", list),
        Route::new((Method::POST, "/calendars"), "createCalendar", edit, "Makes a calendar.", create)
            .answers(201, "Made."),
        Route::new((Method::GET, "/calendars/{id}"), "getCalendar", view, "Gives one calendar.", get),
        Route::new((Method::PUT, "/calendars/{id}"), "updateCalendar", edit, "Changes a calendar.", update),
        Route::new(
            (Method::DELETE, "/calendars/{id}"),
            "deleteCalendar",
            edit,
            "Removes a calendar that no schedule goes by.",
            remove,
        )
        .also(409, "Schedules go by it."),
    ]
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which calendar.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: CalendarId,
}

/// A calendar to make, or what one becomes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewCalendar {
    name: String,
    /// The days of the week that are business days, where they are no holiday: Monday to Friday where it is
    /// left out.
    #[serde(default = "weekdays")]
    business_days: Vec<Day>,
    /// Days of rest, as `2026-12-25`, each with its name.
    #[serde(default)]
    holidays: BTreeMap<String, String>,
}

fn weekdays() -> Vec<Day> {
    vec![Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday]
}

fn checked<P, Q>(call: &Call<P, Q, Json<NewCalendar>>, id: CalendarId) -> Result<Calendar, ApiError> {
    let Json(new) = &call.body;
    let mut business_days = new.business_days.clone();
    business_days.sort_unstable();
    business_days.dedup();
    let calendar = Calendar {
        id,
        name: new.name.trim().to_owned(),
        business_days,
        holidays: new.holidays.clone(),
        created_at: call.app.engine.now(),
    };
    calendar.check()?;
    Ok(calendar)
}

async fn found<Q, B>(call: &Call<ById, Q, B>) -> Result<Calendar, ApiError> {
    let id = call.path.id;
    let unknown = || ApiError::not_found("CALENDAR_NOT_FOUND", format!("there is no calendar {id}"));
    Ok(call.app.engine.store().doc(&calendar_key(call.company()?, id)).await?.ok_or_else(unknown)?.read()?)
}

fn shown(calendar: &Calendar) -> Value {
    to_value(calendar).unwrap_or_default()
}

async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    action: &str,
    before: Value,
    calendar: &Calendar,
    expect: Expect,
) -> Result<(), ApiError> {
    let audit = call.audit(action, ("calendar", &calendar.id.to_string()), before, shown(calendar))?;
    let doc = DocWrite::put(calendar_key(call.company()?, calendar.id), expect, calendar);
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<Calendar>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Calendar, SCHEDULES)).await?;
    Ok(Reply::ok(paging.cut(docs.iter().map(Doc::read).collect::<Result<_, _>>()?)))
}

async fn create(call: Call<Nothing, Nothing, Json<NewCalendar>>) -> Result<Reply<Calendar>, ApiError> {
    let calendar = checked(&call, CalendarId(call.app.engine.new_id()))?;
    let all = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Calendar, SCHEDULES)).await?;
    if all.len() >= SCHEDULES {
        return Err(ApiError::conflict("TOO_MANY_CALENDARS", format!("a company has at most {SCHEDULES} calendars")));
    }
    write(&call, "calendar.create", Value::Null, &calendar, Expect::Absent).await?;
    Ok(Reply::with(StatusCode::CREATED, calendar))
}

async fn get(call: Call<ById>) -> Result<Reply<Calendar>, ApiError> {
    found(&call).await.map(Reply::ok)
}

async fn update(call: Call<ById, Nothing, Json<NewCalendar>>) -> Result<Reply<Calendar>, ApiError> {
    let before = found(&call).await?;
    let calendar = Calendar { created_at: before.created_at, ..checked(&call, before.id)? };
    write(&call, "calendar.update", shown(&before), &calendar, Expect::Anything).await?;
    Ok(Reply::ok(calendar))
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let calendar = found(&call).await?;
    let company = call.company()?;
    for doc in call.app.engine.store().docs(&DocQuery::all(company, DocKind::Schedule, SCHEDULES)).await? {
        let schedule: Schedule = doc.read()?;
        if schedule.timing.calendar.is_some_and(|on| on.id == calendar.id) {
            let message = format!("the schedule {:?} goes by this calendar; change it first", schedule.name);
            return Err(ApiError::conflict("CALENDAR_IN_USE", message));
        }
    }
    let audit = call.audit("calendar.delete", ("calendar", &calendar.id.to_string()), shown(&calendar), Value::Null)?;
    let doc = DocWrite::remove(calendar_key(company, calendar.id), Expect::Anything);
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}
