//! [`Service`]: what one request may have answered. It lives as long as its request, and no longer.

use std::sync::Arc;

use channels::{OWN_TOOLS, Tool as Route, Toolbox};
use engine::Engine;
use model::limits::MCP_PAGE;
use model::value::Value;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, Implementation, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::OwnedSemaphorePermit;

use crate::door::Right;
use crate::result::plain;
use crate::server::Question;
use crate::{call, manage, plays, schema};

/// What a model is told of the server.
const INSTRUCTIONS: &str = "Each tool starts a flow. Where a result has a playId and a state and nothing else, the \
    flow goes on without you: WAIT says that it waits, for a person's approval for example.";

/// For how long a list may be used again, in milliseconds.
const FRESH: u64 = 5_000;

/// What one request may have answered.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) engine: Arc<Engine>,
    pub(crate) asked: Arc<Question>,
    tools: Toolbox,
    /// Room for it among the calls of this replica, for as long as it lives.
    _room: Arc<OwnedSemaphorePermit>,
}

impl Service {
    pub(crate) fn new(engine: Arc<Engine>, asked: Arc<Question>, tools: Toolbox, room: OwnedSemaphorePermit) -> Self {
        Self { engine, asked, tools, _room: Arc::new(room) }
    }

    fn may(&self, right: Right) -> bool {
        self.asked.caller.may(right)
    }

    /// The tools that the token is good for, in the order of their names, after a name.
    fn tools_after(&self, after: &str) -> Vec<Tool> {
        let own = if self.may(Right::Manage) { manage::tools() } else { Vec::new() };
        let routes = if self.may(Right::Tools) { self.tools.all() } else { &[] };
        let mut tools: Vec<Tool> = own.into_iter().filter(|tool| *tool.name > *after).collect();
        let at = routes.partition_point(|tool| tool.name() <= after);
        tools.extend(routes.iter().skip(at).take(MCP_PAGE + 1).map(described));
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        tools
    }
}

/// A route, as models see it.
fn described(tool: &Route) -> Tool {
    let route = tool.route();
    let input = route.and_then(|route| route.input_schema.as_ref()).map(plain);
    let input = match input {
        Some(serde_json::Value::Object(schema)) => schema,
        _ => serde_json::Map::from_iter([("type".to_owned(), "object".into())]),
    };
    // A model that is told nothing of a tool leaves it alone: its name says more than nothing.
    let description = route.map(|route| route.description.clone().unwrap_or_else(|| route.name.clone()));
    let described = Tool::new_with_raw(tool.name().to_owned(), description.map(Into::into), input);
    let Some(route) = route else { return described };
    let described = described.with_title(route.name.clone());
    match &route.output_schema {
        Some(schema) => described.with_raw_output_schema(Arc::new(schema::shown(plain(schema)))),
        None => described,
    }
}

fn after(request: Option<PaginatedRequestParams>) -> String {
    request.and_then(|request| request.cursor).unwrap_or_default()
}

impl ServerHandler for Service {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if self.may(Right::Plays) {
            capabilities.resources = Some(Default::default());
        }
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.server_info = Implementation::new("flow8", env!("CARGO_PKG_VERSION"));
        info
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get(name).map(described)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut tools = self.tools_after(&after(request));
        let has_more = tools.len() > MCP_PAGE;
        tools.truncate(MCP_PAGE);
        let next = tools.last().filter(|_| has_more).map(|tool| tool.name.to_string());
        let mut page = ListToolsResult::with_all_items(tools);
        (page.next_cursor, page.ttl_ms, page.cache_scope) = (next, Some(FRESH), Some(CacheScope::Private));
        Ok(page)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = &*request.name;
        let revision = context.protocol_version();
        let result = if name.starts_with(OWN_TOOLS) && self.may(Right::Manage) {
            let args = self.asked.params().and_then(|params| params.get("arguments"));
            let args = args.cloned().unwrap_or_else(Value::empty_map);
            manage::call(&*self.asked.caller, name, &args, revision.as_ref()).await?
        } else {
            let tool = self.tools.get(name).filter(|_| self.may(Right::Tools)).ok_or_else(|| unknown(name))?;
            call::call(self, tool, &context).await?
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        // Plays are many, and change: they are read by their ids.
        let mut page = ListResourcesResult::with_all_items(Vec::new());
        (page.ttl_ms, page.cache_scope) = (Some(FRESH), Some(CacheScope::Private));
        Ok(page)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = if self.may(Right::Plays) { vec![plays::template()] } else { Vec::new() };
        let mut page = ListResourceTemplatesResult::with_all_items(templates);
        (page.ttl_ms, page.cache_scope) = (Some(FRESH), Some(CacheScope::Private));
        Ok(page)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        plays::read(&*self.asked.caller, &request.uri).await.map(Into::into)
    }
}

/// There is no such tool.
pub(crate) fn unknown(name: &str) -> ErrorData {
    let shown: String = name.chars().take(128).collect();
    ErrorData::invalid_params(format!("Unknown tool: {shown}"), None)
}
