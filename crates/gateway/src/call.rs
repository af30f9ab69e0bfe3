//! [`Call`]: a request that was understood and allowed. [`Route`]: one row of the table of routes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use engine::driver::RequestInfo;
use engine::flows::Edit;
use http::{HeaderMap, Method, Response};
use model::audit::AuditRow;
use model::ids::CompanyId;
use model::value::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use crate::access::{Access, Caller, Permission};
use crate::answer::Answer;
use crate::app::App;
use crate::body::FromBody;
use crate::error::ApiError;
use crate::reach::Found;

/// Nothing in the path, or nothing after the question mark.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A request that was understood, from somebody who may make it.
#[derive(Debug)]
pub(crate) struct Call<P = Nothing, Q = Nothing, B = ()> {
    pub(crate) app: App,
    /// Who asks. On a public route: nobody, unless they are signed in.
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) request: RequestInfo,
    pub(crate) headers: HeaderMap,
    pub(crate) path: P,
    pub(crate) query: Q,
    pub(crate) body: B,
}

impl<P, Q, B> Call<P, Q, B> {
    /// Who asks; the table of routes made sure that it is somebody.
    pub(crate) fn caller(&self) -> Result<&Arc<Caller>, ApiError> {
        self.caller.as_ref().ok_or_else(|| ApiError::unauthorized("sign in first"))
    }

    pub(crate) fn company(&self) -> Result<CompanyId, ApiError> {
        self.caller().map(|caller| caller.company)
    }

    /// Whether who asks is of the first company, whose administrators look after the installation.
    pub(crate) fn looks_after_all(&self) -> Result<bool, ApiError> {
        Ok(self.company()? == self.app.company)
    }

    /// For changes of flows.
    pub(crate) fn edit(&self) -> Result<Edit, ApiError> {
        let caller = self.caller()?;
        Ok(Edit {
            company: caller.company,
            actor: caller.actor.clone(),
            groups: caller.groups(Permission::FlowsEdit),
            request: self.request.clone(),
        })
    }

    /// A row for the audit log.
    pub(crate) fn audit(
        &self,
        action: &str,
        entity: (&str, &str),
        before: Value,
        after: Value,
    ) -> Result<AuditRow, ApiError> {
        let caller = self.caller()?;
        Ok(AuditRow {
            company: caller.company,
            at: self.app.engine.now(),
            actor: caller.actor.clone(),
            action: action.to_owned(),
            entity: entity.0.to_owned(),
            entity_id: entity.1.to_owned(),
            before,
            after,
            request_id: self.request.id.clone(),
            ip: self.request.ip.clone(),
        })
    }
}

/// A request before it is understood.
pub(crate) struct Incoming {
    pub(crate) app: App,
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) request: RequestInfo,
    pub(crate) headers: HeaderMap,
    /// Names and values in the path.
    pub(crate) path: Vec<(String, String)>,
    /// What stands after the question mark.
    pub(crate) query: String,
    pub(crate) body: Bytes,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send>>;
type SchemaOf = fn(&mut SchemaGenerator) -> Option<Schema>;

/// One row of the table of routes.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Below `/api`, with `{names}`.
    pub(crate) path: &'static str,
    /// Unique, in camel case.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    /// See [`Route::is_shared`]. Nothing but the constructors here says so.
    is_shared: bool,
    /// Whether it takes a body.
    pub(crate) body: Option<&'static str>,
    pub(crate) answers: Vec<(u16, &'static str)>,
    /// What an ordinary answer may be called in `Content-Type`.
    pub(crate) media: Vec<&'static str>,
    pub(crate) path_schema: SchemaOf,
    pub(crate) query_schema: SchemaOf,
    pub(crate) body_schema: SchemaOf,
    pub(crate) answer_schema: SchemaOf,
    pub(crate) run: Arc<dyn Fn(Incoming) -> Answering + Send + Sync>,
}

impl Route {
    /// A route: how it is called, who may, and what answers.
    pub(crate) fn new<P, Q, B, R, F, Fut>(
        (method, path): (Method, &'static str),
        name: &'static str,
        access: Access,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: FromBody,
        R: Answer,
        F: Fn(Call<P, Q, B>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ApiError>> + Send + 'static,
    {
        let run = move |incoming: Incoming| -> Answering {
            let call = understand::<P, Q, B>(incoming);
            let handler = handler.clone();
            Box::pin(async move { handler(call?).await.map(Answer::respond) })
        };
        Self {
            method,
            path,
            name,
            summary,
            access,
            is_shared: false,
            body: B::MEDIA,
            answers: vec![(R::STATUS.as_u16(), "Done.")],
            media: R::MEDIA.into_iter().collect(),
            path_schema: |generator| Some(P::json_schema(generator)),
            query_schema: |generator| Some(Q::json_schema(generator)),
            body_schema: B::schema,
            answer_schema: R::schema,
            run: Arc::new(run),
        }
    }

    /// A route about something that is looked for before the handler runs, where the permission of the caller reaches
    /// it: what the handler takes says what. It never looks for it itself.
    pub(crate) fn about<P, Q, B, T, R, F, Fut>(
        at: (Method, &'static str),
        name: &'static str,
        permission: Permission,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + Sync + 'static,
        Q: DeserializeOwned + JsonSchema + Send + Sync + 'static,
        B: FromBody + Sync,
        T: Found<P>,
        R: Answer,
        F: Fn(Call<P, Q, B>, T) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ApiError>> + Send + 'static,
    {
        let found = move |call: Call<P, Q, B>| {
            let handler = handler.clone();
            async move {
                let found = T::find(&call, permission).await?;
                handler(call, found).await
            }
        };
        Self { is_shared: true, ..Self::new(at, name, Access::Needs(permission), summary, found) }
    }

    /// Whether the permission for one group may be enough: then the handler was given what the route is about.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The same route, which may answer with this status, too.
    pub(crate) fn also(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push((status, meaning));
        self
    }

    /// The same route, whose answer is called one of these in `Content-Type`.
    pub(crate) fn gives(mut self, media: &[&'static str]) -> Self {
        self.media = media.to_vec();
        self
    }

    /// The same route, whose ordinary answer has another status.
    pub(crate) fn answers(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers = vec![(status, meaning)];
        self
    }
}

fn understand<P: DeserializeOwned, Q: DeserializeOwned, B: FromBody>(
    incoming: Incoming,
) -> Result<Call<P, Q, B>, ApiError> {
    let Incoming { app, caller, request, headers, path, query, body } = incoming;
    let fields = MapDeserializer::<_, serde::de::value::Error>::new(path.into_iter());
    let path = P::deserialize(fields).map_err(|error| ApiError::invalid(format!("the path: {error}")))?;
    let query = serde_urlencoded::from_str(&query).map_err(|error| ApiError::invalid(format!("the query: {error}")))?;
    Ok(Call { app, caller, request, headers, path, query, body: B::read(body)? })
}
