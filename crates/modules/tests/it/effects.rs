//! Runs a module that reaches outside, as the engine would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::Value;
use model::ids::{FlowId, PlayId};
use modules::provider::LocalFiles;
use sdk::component::{Backends, Component};
use sdk::{EffectCtx, EffectLog, Mishap, Outcome, Registry, Run};

/// The value of a JSON text.
pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a module is handed that works on a component, with its files in a folder.
pub(crate) fn ctx(backends: Backends, component: &Component, folder: &Path) -> EffectCtx {
    EffectCtx {
        traceparent: None,
        company: component.company,
        flow: FlowId::default(),
        play: PlayId::default(),
        attempt: 1,
        idempotency_key: "play-1/step".into(),
        timeout: Duration::from_secs(60),
        http: Arc::new(crate::client("")),
        storage: Arc::new(LocalFiles::open(folder).expect("a folder")),
        backends,
        components: BTreeMap::from([(component.kind, component.clone())]),
        credential: None,
        log: EffectLog::default(),
    }
}

/// Runs a module.
pub(crate) async fn run(module: &str, args: &str, ctx: EffectCtx) -> Result<Value, Mishap> {
    let registry = Registry::new(modules::all());
    let Run::Effect(run) = registry.get(module).expect("a module").run.clone() else { panic!("{module} is pure") };
    match run(json(args), Arc::new(ctx)).await? {
        Outcome::Done(out) => Ok(out),
        other => panic!("{module}: {other:?}"),
    }
}
