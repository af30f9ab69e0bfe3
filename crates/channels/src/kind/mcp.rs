//! MCP: each route is a tool. Who serves them is elsewhere; here is what they must be like.

use std::collections::BTreeSet;

use crate::auth::AuthMode;
use crate::channel::Definition;

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    if definition.auth_mode != AuthMode::ApiKey {
        return Err("authMode: is api_key for a channel of kind mcp: the token says whose it is".into());
    }
    if definition.port.is_some() {
        return Err("port: a channel of kind mcp answers at the port of MCP".into());
    }
    let mut names = BTreeSet::new();
    for (at, route) in definition.routes.iter().enumerate() {
        route.check_tool().map_err(|problem| format!("routes[{at}].{problem}"))?;
        if !names.insert(&route.tool_name) {
            return Err(format!("routes[{at}].toolName: another route has it"));
        }
    }
    Ok(())
}
