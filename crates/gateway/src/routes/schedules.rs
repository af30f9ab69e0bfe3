//! Schedules: flows that start at certain times.

use engine::driver::AdmitError;
use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::flow::Flow;
use model::ids::{CompanyId, FlowId, PlayId, ScheduleId};
use model::limits::{BACKFILL, IDEMPOTENCY_KEY_CHARS, SCHEDULES, TICKS_FORETOLD};
use model::play::PlayState;
use model::time::Timestamp;
use model::value::{Value, to_value};
use schedules::{
    Jitter, Missed, Overlap, Progress, Schedule, Ticks, Timing, calendar_of, progress_key, progress_of, schedule_key,
    wish_by_hand,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::app::App;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// Ticks that are told with a schedule.
const NEXT: usize = 5;

/// Characters of the key of a wish to backfill: beside it, a play's key names the schedule and the tick.
const BACKFILL_KEY_CHARS: usize = IDEMPOTENCY_KEY_CHARS / 2;

pub(super) fn routes() -> Vec<Route> {
    let (view, edit, run) = (
        Access::Needs(Permission::FlowsView),
        Access::Needs(Permission::FlowsEdit),
        Access::Needs(Permission::FlowsRun),
    );
    let previews = "Foretells the ticks of a timing that is stored nowhere.";
    let pauses = "Pauses a schedule: what is due meanwhile is not missed.";
    let backfills = "Starts the plays of all ticks between two moments, whether they were run before or not.";
    vec![
        Route::new((Method::GET, "/schedules"), "listSchedules", view, "Lists schedules.", list),
        Route::new((Method::POST, "/schedules"), "createSchedule", edit, "Makes a schedule.", create)
            .answers(201, "Made.")
            .also(404, "There is no such flow."),
        Route::new((Method::POST, "/schedules/preview"), "previewSchedule", view, previews, preview),
        Route::new((Method::GET, "/schedules/{id}"), "getSchedule", view, "Gives one schedule.", get),
        Route::new((Method::PUT, "/schedules/{id}"), "updateSchedule", edit, "Changes a schedule.", update)
            .also(409, "Somebody else has just changed it."),
        Route::new((Method::DELETE, "/schedules/{id}"), "deleteSchedule", edit, "Removes a schedule.", remove),
        Route::new((Method::POST, "/schedules/{id}/pause"), "pauseSchedule", run, pauses, pause),
        Route::new((Method::POST, "/schedules/{id}/resume"), "resumeSchedule", run, "Lets it go on.", resume),
        Route::new((Method::POST, "/schedules/{id}/run"), "runSchedule", run, "Starts its play now.", run_now)
            .answers(202, "The play is durable, and goes on.")
            .also(409, "The flow was never published or is disabled."),
        Route::new((Method::POST, "/schedules/{id}/backfill"), "backfillSchedule", run, backfills, backfill)
            .answers(202, "The plays are durable, and go on.")
            .also(409, "The flow was never published or is disabled."),
    ]
}

/// A schedule, how far it has come, and what comes next.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ScheduleView {
    #[serde(flatten)]
    schedule: Schedule,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// When it is due next: up to five ticks. None while it is paused.
    next: Vec<Timestamp>,
}

/// Which page, of which flow.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
    /// Of this flow alone.
    flow_id: Option<FlowId>,
}

/// Which schedule.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: ScheduleId,
}

/// A schedule to make, or what one becomes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewSchedule {
    name: String,
    /// The id or the permanent id of the flow that it starts.
    flow_id: String,
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
    cron: String,
    /// The name of a time zone: `Europe/Zurich`.
    #[serde(default = "utc")]
    time_zone: String,
    /// On which days of a calendar.
    calendar: Option<schedules::OnCalendar>,
    /// Not before.
    start_at: Option<Timestamp>,
    /// Not after.
    end_at: Option<Timestamp>,
    /// The play's arguments; beside them, it reads which tick it is for at `$prev.args.schedule`.
    #[serde(default = "Value::empty_map")]
    args: Value,
    /// Whether it starts anything.
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    overlap: Overlap,
    /// Begins each play up to so much later, by chance: `5m`.
    #[serde(default)]
    jitter: Jitter,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// When ticks would come.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Preview {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
    cron: String,
    /// The name of a time zone: `Europe/Zurich`.
    #[serde(default = "utc")]
    time_zone: String,
    /// On which days of a calendar.
    calendar: Option<schedules::OnCalendar>,
    /// After then; now where it is left out.
    after: Option<Timestamp>,
    /// How many, at most 100; five where it is left out.
    count: Option<usize>,
}

/// Ticks to come.
#[derive(Serialize, JsonSchema)]
struct Foretold {
    next: Vec<Timestamp>,
}

/// The play of a tick.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Began {
    play_id: PlayId,
    state: PlayState,
}

/// Between which moments.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Backfill {
    /// Ticks at this moment or later.
    from: Timestamp,
    /// Ticks before this moment.
    to: Timestamp,
    /// The same key for the same wish: each tick starts one play, whatever happens on the way.
    idempotency_key: Option<String>,
}

/// The plays of ticks of the past.
#[derive(Serialize, JsonSchema)]
struct Backfilled {
    plays: Vec<PlayId>,
}

async fn ticks_of(app: &App, company: CompanyId, timing: &Timing) -> Result<Ticks, ApiError> {
    let calendar = match timing.calendar {
        Some(on) => calendar_of(&**app.engine.store(), company, on.id).await?,
        None => None,
    };
    Ok(Ticks::new(timing, calendar)?)
}

async fn view(app: &App, company: CompanyId, schedule: Schedule) -> Result<ScheduleView, ApiError> {
    let progress = progress_of(&**app.engine.store(), company, schedule.id).await?.map(|(progress, _)| progress);
    let next = match (schedule.enabled, ticks_of(app, company, &schedule.timing).await) {
        (true, Ok(ticks)) => ticks.after(app.engine.now()).take(NEXT).collect(),
        _ => Vec::new(),
    };
    Ok(ScheduleView { schedule, progress, next })
}

async fn flow_of(app: &App, company: CompanyId, target: &str) -> Result<Flow, ApiError> {
    let flow = app.engine.flow(company, target).await?;
    flow.map(|(flow, _)| flow)
        .ok_or_else(|| ApiError::not_found("FLOW_NOT_FOUND", format!("there is no flow {target:?}")))
}

/// What was asked for, checked.
async fn checked<P, Q>(call: &Call<P, Q, Json<NewSchedule>>, id: ScheduleId) -> Result<Schedule, ApiError> {
    let Json(new) = &call.body;
    let company = call.company()?;
    let schedule = Schedule {
        id,
        name: new.name.trim().to_owned(),
        flow_id: flow_of(&call.app, company, &new.flow_id).await?.id,
        timing: Timing {
            cron: new.cron.trim().to_owned(),
            time_zone: new.time_zone.clone(),
            calendar: new.calendar,
            start_at: new.start_at,
            end_at: new.end_at,
        },
        args: new.args.clone(),
        enabled: new.enabled,
        missed: new.missed,
        overlap: new.overlap,
        jitter: new.jitter,
        created_at: call.app.engine.now(),
    };
    schedule.check()?;
    let ticks = ticks_of(&call.app, company, &schedule.timing).await?;
    if ticks.next(call.app.engine.now()).is_none() {
        return Err(ApiError::invalid("cron: it would never be due"));
    }
    Ok(schedule)
}

/// A schedule as the audit log has it.
fn shown(schedule: &Schedule) -> Value {
    to_value(schedule).unwrap_or_default()
}

async fn found<Q, B>(call: &Call<ById, Q, B>) -> Result<(Schedule, Expect), ApiError> {
    let id = call.path.id;
    let unknown = || ApiError::not_found("SCHEDULE_NOT_FOUND", format!("there is no schedule {id}"));
    let doc = call.app.engine.store().doc(&schedule_key(call.company()?, id)).await?.ok_or_else(unknown)?;
    Ok((doc.read()?, Expect::Revision(doc.revision)))
}

/// Stores a schedule, and from when its ticks count where that is to be another moment.
async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    action: &str,
    before: Option<&Schedule>,
    (schedule, expect): (&Schedule, Expect),
) -> Result<(), ApiError> {
    let company = call.company()?;
    let before_shown = before.map(shown).unwrap_or_default();
    let audit = call.audit(action, ("schedule", &schedule.id.to_string()), before_shown, shown(schedule))?;
    let mut docs = vec![DocWrite::put(schedule_key(company, schedule.id), expect, schedule)];
    let begins_anew = before.is_none_or(|before| before.timing != schedule.timing || !before.enabled);
    if begins_anew {
        let now = call.app.engine.now();
        let known = progress_of(&**call.app.engine.store(), company, schedule.id).await?;
        let (progress, expect) = known.unwrap_or((Progress::from(now), Expect::Absent));
        docs.push(progress.anew(now).write(company, schedule.id, expect));
    }
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<ScheduleView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let company = call.company()?;
    let docs = call.app.engine.store().docs(&DocQuery::all(company, DocKind::Schedule, SCHEDULES)).await?;
    let mut found: Vec<Schedule> = docs.iter().map(Doc::read).collect::<Result<_, _>>()?;
    found.retain(|schedule| call.query.flow_id.is_none_or(|flow| schedule.flow_id == flow));
    let page = paging.cut(found);
    let mut rows = Vec::with_capacity(page.data.len());
    for schedule in page.data {
        rows.push(view(&call.app, company, schedule).await?);
    }
    Ok(Reply::ok(paging.page_of(rows, page.total)))
}

async fn create(call: Call<Nothing, Nothing, Json<NewSchedule>>) -> Result<Reply<ScheduleView>, ApiError> {
    let company = call.company()?;
    let schedule = checked(&call, ScheduleId(call.app.engine.new_id())).await?;
    let all = call.app.engine.store().docs(&DocQuery::all(company, DocKind::Schedule, SCHEDULES)).await?;
    if all.len() >= SCHEDULES {
        return Err(ApiError::conflict("TOO_MANY_SCHEDULES", format!("a company has at most {SCHEDULES} schedules")));
    }
    write(&call, "schedule.create", None, (&schedule, Expect::Absent)).await?;
    Ok(Reply::with(StatusCode::CREATED, view(&call.app, company, schedule).await?))
}

async fn preview(call: Call<Nothing, Nothing, Json<Preview>>) -> Result<Reply<Foretold>, ApiError> {
    let company = call.company()?;
    let Json(preview) = call.body;
    let count = preview.count.unwrap_or(NEXT);
    if !(1..=TICKS_FORETOLD).contains(&count) {
        return Err(ApiError::invalid(format!("count: is from 1 to {TICKS_FORETOLD}")));
    }
    let Preview { cron, time_zone, calendar, after, .. } = preview;
    let timing = Timing { cron, time_zone, calendar, start_at: None, end_at: None };
    let ticks = ticks_of(&call.app, company, &timing).await?;
    let after = after.unwrap_or_else(|| call.app.engine.now());
    Ok(Reply::ok(Foretold { next: ticks.after(after).take(count).collect() }))
}

async fn get(call: Call<ById>) -> Result<Reply<ScheduleView>, ApiError> {
    let (schedule, _) = found(&call).await?;
    view(&call.app, call.company()?, schedule).await.map(Reply::ok)
}

async fn update(call: Call<ById, Nothing, Json<NewSchedule>>) -> Result<Reply<ScheduleView>, ApiError> {
    let (before, expect) = found(&call).await?;
    let schedule = Schedule { created_at: before.created_at, ..checked(&call, before.id).await? };
    write(&call, "schedule.update", Some(&before), (&schedule, expect)).await?;
    view(&call.app, call.company()?, schedule).await.map(Reply::ok)
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let (schedule, expect) = found(&call).await?;
    let company = call.company()?;
    let audit = call.audit("schedule.delete", ("schedule", &schedule.id.to_string()), shown(&schedule), Value::Null)?;
    let docs = vec![
        DocWrite::remove(schedule_key(company, schedule.id), expect),
        DocWrite::remove(progress_key(company, schedule.id), Expect::Anything),
    ];
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}

async fn pause(call: Call<ById>) -> Result<Reply<ScheduleView>, ApiError> {
    switch(call, "schedule.pause", false).await
}

async fn resume(call: Call<ById>) -> Result<Reply<ScheduleView>, ApiError> {
    switch(call, "schedule.resume", true).await
}

async fn switch(call: Call<ById>, action: &str, enabled: bool) -> Result<Reply<ScheduleView>, ApiError> {
    let (before, expect) = found(&call).await?;
    let schedule = Schedule { enabled, ..before.clone() };
    if before.enabled != enabled {
        write(&call, action, Some(&before), (&schedule, expect)).await?;
    }
    view(&call.app, call.company()?, schedule).await.map(Reply::ok)
}

async fn run_now(call: Call<ById>) -> Result<Reply<Began>, ApiError> {
    let (schedule, _) = found(&call).await?;
    let (caller, now) = (call.caller()?, call.app.engine.now());
    let wish = wish_by_hand(caller.company, &schedule, now, caller.actor.clone(), call.request.clone());
    let header = call.app.engine.admit(wish, None).await?.header;
    Ok(Reply::with(StatusCode::ACCEPTED, Began { play_id: header.key.play, state: header.state }))
}

async fn backfill(call: Call<ById, Nothing, Json<Backfill>>) -> Result<Reply<Backfilled>, ApiError> {
    let (schedule, _) = found(&call).await?;
    let (caller, Json(wish)) = (call.caller()?, &call.body);
    let key = wish.idempotency_key.clone().unwrap_or_else(|| call.app.engine.new_id().to_string());
    if key.is_empty() || key.chars().count() > BACKFILL_KEY_CHARS {
        return Err(ApiError::invalid(format!("idempotencyKey: has from 1 to {BACKFILL_KEY_CHARS} characters")));
    }
    if wish.from >= wish.to {
        return Err(ApiError::invalid("to: is after from"));
    }
    let ticks = ticks_of(&call.app, caller.company, &schedule.timing).await?;
    let just_before = Timestamp(wish.from.0.saturating_sub(1));
    let due: Vec<Timestamp> = ticks.after(just_before).take_while(|tick| *tick < wish.to).take(BACKFILL + 1).collect();
    if due.len() > BACKFILL {
        return Err(ApiError::invalid(format!(
            "to: there are more than {BACKFILL} ticks until then; take less at once"
        )));
    }
    let mut plays = Vec::with_capacity(due.len());
    for tick in due {
        let mut wish = wish_by_hand(caller.company, &schedule, tick, caller.actor.clone(), call.request.clone());
        wish.idempotency_key = Some(format!("backfill/{}/{}/{key}", schedule.id, tick.0));
        plays.push(call.app.engine.admit(wish, None).await.map_err(|error| begun(error, &plays))?.header.key.play);
    }
    Ok(Reply::with(StatusCode::ACCEPTED, Backfilled { plays }))
}

/// An error in the middle of a backfill, with the plays that there are.
fn begun(error: AdmitError, plays: &[PlayId]) -> ApiError {
    let plays = Value::list(plays.iter().map(ToString::to_string));
    ApiError::from(error).with_details(Value::map([("plays", plays)]))
}
