//! [`Given`]: a scope of values at hand, for trying an expression out and for tests.

use model::{Map, Value};

use crate::scope::{Found, Root, Scope};

/// A scope whose values are all given beforehand. What was not given is missing; nothing is
/// ever needed.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Outputs of flowlets, by ref.
    pub prev: Map,
    /// `$prev.args`
    pub args: Option<Value>,
    /// `$kv`
    pub kv: Map,
    /// `$secret`
    pub secret: Map,
    /// `$env`
    pub env: Map,
    /// `$flow`
    pub flow: Option<Value>,
    /// `$play`
    pub play: Option<Value>,
    /// `$step`
    pub step: Option<Value>,
    /// `$date.now`, RFC 3339 text
    pub now: Option<Value>,
    /// What uuids are drawn from, hex text
    pub seed: Option<Value>,
    /// `$item`
    pub item: Option<Value>,
    /// `$index`
    pub index: Option<Value>,
    /// `.`
    pub dot: Option<Value>,
}

impl Scope for Given {
    fn find(&self, root: &Root<'_>) -> Found {
        let (value, why) = match root {
            Root::Prev(name) => (self.prev.get(*name), "no output is given for this flowlet"),
            Root::Kv(key) => (self.kv.get(*key), "there is no such key"),
            Root::Secret(name) => (self.secret.get(*name), "there is no such secret"),
            Root::Env(name) => (self.env.get(*name), "there is no such variable"),
            Root::Args => (self.args.as_ref(), "no arguments are given"),
            Root::Flow => (self.flow.as_ref(), "there is no flow here"),
            Root::Play => (self.play.as_ref(), "there is no play here"),
            Root::Step => (self.step.as_ref(), "there is no step here"),
            Root::Now => (self.now.as_ref(), "there is no time here"),
            Root::Seed => (self.seed.as_ref(), "there is no seed here"),
            Root::Item => (self.item.as_ref(), "there is no loop here"),
            Root::Index => (self.index.as_ref(), "there is no loop here"),
            Root::Dot => (self.dot.as_ref(), "there is no current element here"),
        };
        value.map_or_else(|| Found::Missing(why.to_owned()), |value| Found::Value(value.clone()))
    }
}
