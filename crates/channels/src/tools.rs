//! [`Tools`]: what a company's channels of kind `mcp` offer to models, at hand as long as no channel changes
//! anywhere. Who speaks MCP is elsewhere; here, a tool is found by its name, and called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::Engine;
use engine::driver::{AdmitError, RequestInfo};
use model::ids::{CompanyId, Id, PlayId};
use model::limits::{CHANNEL_AT_HAND, CHANNELS_AT_HAND, RATE_BURST};
use model::payload::Digest;
use model::play::PlayHeader;
use model::value::Value;
use store::StoreError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::channel::{Channel, Kind, RateLimit};
use crate::door::Guest;
use crate::keep;
use crate::route::{ResponseMode, Route};
use crate::start::{Refused, Wanted, Wish, foresee, responds};
use crate::table::Counts;

/// A route of a channel, as a tool.
#[derive(Clone)]
pub struct Tool {
    name: Arc<str>,
    company: CompanyId,
    channel: Arc<Channel>,
    at: usize,
    counts: Arc<Counts>,
}

/// The tools of a company, in the order of their names.
#[derive(Clone, Default)]
pub struct Toolbox(Arc<[Tool]>);

/// What calls a tool.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// What the flow gets.
    pub args: Value,
    /// What stands for the call: the same starts one play.
    pub key: Option<String>,
    /// Who calls.
    pub guest: Guest,
    /// The request behind it.
    pub request: RequestInfo,
}

/// What became of a call.
#[derive(Debug)]
pub struct Called {
    /// The play; where the route leads to several flows, that of the first.
    pub header: PlayHeader,
    /// All plays.
    pub plays: Vec<PlayId>,
    /// What it gave, where it was waited for and has ended or answered: with a mask for what is sensitive.
    pub out: Option<Value>,
    /// Whether its flow makes its answer itself.
    pub responds: bool,
}

impl Tool {
    /// What it is called: unique in its company.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The company.
    pub fn company(&self) -> CompanyId {
        self.company
    }

    /// The channel and the route, for numbers.
    pub fn names(&self) -> (&str, &str) {
        (&self.channel.definition.slug, self.route().map_or("", |route| route.name.as_str()))
    }

    /// The route behind it.
    pub fn route(&self) -> Option<&Route> {
        self.channel.definition.routes.get(self.at)
    }

    /// How long a call waits for its play; none where it does not.
    pub fn wait(&self) -> Option<Duration> {
        let route = self.route().filter(|route| route.response_mode != ResponseMode::Async);
        route.map(Route::timeout)
    }

    /// Takes one of the calls that the channel takes in a second.
    ///
    /// # Errors
    /// Where there were too many: how long until there is one again.
    pub fn take(&self) -> Result<(), Duration> {
        let Some(RateLimit { per_second, burst }) = self.channel.definition.rate_limit else { return Ok(()) };
        let usual = per_second.saturating_mul(u32::try_from(RATE_BURST.as_secs()).unwrap_or(1));
        self.counts.pace.take(per_second, burst.unwrap_or(usual), Instant::now())
    }

    /// The ids that the plays of a call get.
    pub fn foresee(&self, engine: &Engine) -> Vec<PlayId> {
        self.route().map(|route| foresee(engine, route)).unwrap_or_default()
    }

    /// Calls it: its plays are durable when this returns, and where it waits, the play has answered, has
    /// ended, waits for something, or time is over.
    ///
    /// # Errors
    /// Where a play was not admitted.
    pub async fn call(&self, engine: &Arc<Engine>, call: ToolCall, plays: Vec<PlayId>) -> Result<Called, AdmitError> {
        let gone = || AdmitError::Internal("a tool has no route".into());
        let route = self.route().ok_or_else(gone)?;
        let wish = Wish { company: self.company, channel: &self.channel, route, counts: Some(&self.counts) };
        let text = call.args.to_canonical_json();
        let wanted = Wanted {
            same: Digest::of(text.as_bytes()),
            args: call.args,
            plays,
            key: call.key,
            guest: Some(call.guest),
            once: None,
            shown: ("TOOL".into(), format!("/{}", self.name), text.len() as u64),
            request: call.request,
        };
        let outcome = wish.grant(engine, wanted, self.wait()).await.map_err(|refused| match refused {
            Refused::Admit(error) | Refused::Partly(error) => error,
            // Only a signature is used up.
            Refused::Replayed => AdmitError::KeyReused,
        })?;
        let plays = outcome.reports.iter().map(|report| report.header.key.play).collect();
        let report = outcome.reports.into_iter().next().ok_or_else(gone)?;
        let out = report.out.clone().filter(|_| self.wait().is_some());
        let responds = responds(engine, &report).await;
        Ok(Called { header: report.header, plays, out, responds })
    }
}

impl Toolbox {
    /// All of them.
    pub fn all(&self) -> &[Tool] {
        &self.0
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.0.binary_search_by(|tool| (*tool.name).cmp(name)).ok().and_then(|at| self.0.get(at))
    }

    /// The tools of these channels. Where two are called the same, each has the slug of its channel before its name.
    fn of(company: CompanyId, channels: Vec<Channel>, before: &Self) -> Self {
        let counts: HashMap<Id, &Arc<Counts>> = before.0.iter().map(|tool| (tool.channel.id, &tool.counts)).collect();
        let mut tools: Vec<Tool> = Vec::new();
        for channel in channels {
            let counts = counts.get(&channel.id).map(|known| (*known).clone()).unwrap_or_default();
            let channel = Arc::new(channel);
            for (at, route) in channel.definition.routes.iter().enumerate().filter(|(_, route)| route.enabled) {
                let Some(name) = &route.tool_name else { continue };
                let (channel, counts) = (channel.clone(), counts.clone());
                tools.push(Tool { name: name.as_str().into(), company, channel, at, counts });
            }
        }
        let mut uses: HashMap<Arc<str>, u32> = HashMap::new();
        for tool in &tools {
            *uses.entry(tool.name.clone()).or_default() += 1;
        }
        for tool in &mut tools {
            if uses.get(&tool.name).is_some_and(|uses| *uses > 1) {
                tool.name = format!("{}_{}", tool.channel.definition.slug, tool.name).into();
            }
        }
        // Of two that are still called the same, the one of the older channel stays.
        tools.sort_by(|one, other| (&one.name, one.channel.id).cmp(&(&other.name, other.channel.id)));
        tools.dedup_by(|later, earlier| later.name == earlier.name);
        Self(tools.into())
    }
}

/// The tools of companies, at hand.
pub struct Tools {
    engine: Arc<Engine>,
    changes: watch::Receiver<u64>,
    found: Mutex<HashMap<CompanyId, Found>>,
    look: tokio::sync::Mutex<()>,
}

struct Found {
    toolbox: Toolbox,
    /// How often something had changed when they were looked for.
    changes: u64,
    at: Instant,
}

impl Tools {
    /// The tools that an engine's store holds.
    pub fn new(engine: Arc<Engine>) -> Self {
        let changes = engine.ways_in();
        Self { engine, changes, found: Mutex::default(), look: tokio::sync::Mutex::default() }
    }

    /// Those of a company, as they are now.
    ///
    /// # Errors
    /// Where the store must be asked, and fails.
    pub async fn of(&self, company: CompanyId) -> Result<Toolbox, StoreError> {
        if let Some(known) = self.at_hand(company) {
            return Ok(known);
        }
        // Many requests ask the store once.
        let _turn = self.look.lock().await;
        if let Some(known) = self.at_hand(company) {
            return Ok(known);
        }
        let (changes, at) = (*self.changes.borrow(), Instant::now());
        let mut channels = keep::of_company(&**self.engine.store(), company).await?;
        channels.retain(|(channel, _)| channel.definition.enabled && channel.definition.kind == Kind::Mcp);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = found.get(&company).map(|found| found.toolbox.clone()).unwrap_or_default();
        let toolbox = Toolbox::of(company, channels.into_iter().map(|(channel, _)| channel).collect(), &before);
        if found.len() >= CHANNELS_AT_HAND && !found.contains_key(&company) {
            found.clear();
        }
        found.insert(company, Found { toolbox: toolbox.clone(), changes, at });
        Ok(toolbox)
    }

    fn at_hand(&self, company: CompanyId) -> Option<Toolbox> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.get(&company).filter(|found| found.changes == *self.changes.borrow())?;
        (known.at.elapsed() < CHANNEL_AT_HAND).then(|| known.toolbox.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: u8, slug: &str, tools: &[&str]) -> Channel {
        let routes: Vec<Value> = tools
            .iter()
            .map(|tool| {
                Value::map([
                    ("name", Value::from("r")),
                    ("toolName", (*tool).into()),
                    ("targetFlowIds", Value::list(["f"])),
                    ("enabled", (*tool != "off").into()),
                ])
            })
            .collect();
        let definition = Value::map([
            ("name", Value::from(slug)),
            ("slug", slug.into()),
            ("kind", "mcp".into()),
            ("authMode", "api_key".into()),
            ("routes", Value::list(routes)),
        ]);
        Channel {
            id: Id::from_bytes([number; 12]),
            definition: model::value::from_value(&definition).expect("a channel"),
            sealed: None,
            created_at: model::time::Timestamp(0),
            updated_at: model::time::Timestamp(0),
        }
    }

    #[test]
    fn names_are_unique_and_whoever_clashes_has_its_channel_before_it() {
        let company = CompanyId::INSTALLATION;
        let channels = vec![
            channel(2, "shop", &["find", "order", "off"]),
            channel(1, "store", &["find"]),
            channel(3, "third", &["shop_find"]),
        ];
        let toolbox = Toolbox::of(company, channels, &Toolbox::default());
        let names: Vec<&str> = toolbox.all().iter().map(Tool::name).collect();
        assert_eq!(names, ["order", "shop_find", "store_find"]);
        assert_eq!(toolbox.get("shop_find").expect("a tool").names().0, "shop", "that of the older channel");
        assert!(toolbox.get("find").is_none() && toolbox.get("off").is_none());
    }
}
