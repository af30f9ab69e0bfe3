//! What flows and channels use is not removed from under them, unless somebody wants that; nor renamed, where they
//! name it by its name.

use channels::Definition;
use engine::uses::Used;
use model::ids::CompanyId;
use model::value::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::call::Call;
use crate::error::ApiError;

/// Flows and channels that are named, of each.
const NAMED: usize = 5;

/// How something is removed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveQuery {
    /// Remove it, though flows or channels use it.
    #[serde(default)]
    pub(super) force: bool,
}

/// Refuses to remove what flows or channels use. Where it is removed all the same, what the audit log says of that.
///
/// # Errors
/// With that code, where something uses it.
pub(super) async fn free<P, B>(
    call: &Call<P, RemoveQuery, B>,
    used: &Used,
    code: &'static str,
) -> Result<Value, ApiError> {
    match Everybody::who_uses(call, used).await? {
        None => Ok(Value::Null),
        Some(Everybody { flows, channels }) if call.query.force => {
            let all = flows.names.into_iter().chain(channels.names);
            Ok(Value::map([("forced", Value::from(true)), ("usedBy", Value::list(all))]))
        }
        Some(everybody) => {
            Err(everybody.refusal(code, "change them and publish that, or remove it all the same with ?force=true"))
        }
    }
}

/// Refuses to rename what flows or channels name by its name: they would not find it any more.
///
/// # Errors
/// With that code, where something names it.
pub(super) async fn free_of_name<P, Q, B>(
    call: &Call<P, Q, B>,
    used: &Used,
    code: &'static str,
) -> Result<(), ApiError> {
    match Everybody::who_uses(call, used).await? {
        None => Ok(()),
        Some(everybody) => Err(everybody.refusal(code, "let them name it by its id, publish that, then rename it")),
    }
}

/// The flows and the channels that use something.
struct Everybody {
    flows: Users,
    channels: Users,
}

impl Everybody {
    /// Those that use it; none where nothing does.
    async fn who_uses<P, Q, B>(call: &Call<P, Q, B>, used: &Used) -> Result<Option<Self>, ApiError> {
        let company = call.company()?;
        let flows = call.app.engine.users_of(company, used, NAMED + 1).await?;
        let flows = Users::of(flows.iter().map(|flow| (**flow).to_owned()).collect());
        let channels = Users::of(channels_on(call, company, used).await?);
        let is_used = !flows.names.is_empty() || !channels.names.is_empty();
        Ok(is_used.then_some(Self { flows, channels }))
    }

    /// Says that they stand in the way, and what to do.
    fn refusal(self, code: &'static str, what_to_do: &str) -> ApiError {
        let mut who = Vec::new();
        who.extend(self.flows.told("these flows use it"));
        who.extend(self.channels.told("these channels take in from it"));
        let message = format!("{}; {what_to_do}", who.join("; "));
        let details =
            [("flows", self.flows), ("channels", self.channels)].map(|(of, users)| (of, Value::list(users.names)));
        ApiError::conflict(code, message).with_details(Value::map(details))
    }
}

/// Some of those that use something.
struct Users {
    names: Vec<String>,
    /// Whether there are others.
    more: bool,
}

impl Users {
    fn of(mut names: Vec<String>) -> Self {
        let more = names.len() > NAMED;
        names.truncate(NAMED);
        Self { names, more }
    }

    fn told(&self, what: &str) -> Option<String> {
        let more = if self.more { " and others" } else { "" };
        (!self.names.is_empty()).then(|| format!("{what}: {}{more}", self.names.join(", ")))
    }
}

/// The channels that take in from a component.
async fn channels_on<P, Q, B>(call: &Call<P, Q, B>, company: CompanyId, used: &Used) -> Result<Vec<String>, ApiError> {
    let Used::Component(kind, names) = used else { return Ok(Vec::new()) };
    let channels = channels::of_company(&**call.app.engine.store(), company).await?;
    let definitions = channels.into_iter().map(|(channel, _)| channel.definition);
    let takes_in = |channel: &Definition| {
        channel.kind.takes_in() == Some(*kind)
            && channel.source_component().is_some_and(|name| names.iter().any(|known| known == name))
    };
    Ok(definitions.filter(takes_in).map(|channel| channel.slug.to_string()).collect())
}
