//! [`Read`]: what an expression names, known without evaluating it.

use std::sync::Arc;

use crate::syntax::{Base, Expr, Node, Path, Step};

/// Something that an expression reads when it is evaluated, or may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What the path starts with.
    pub root: ReadRoot,
    /// The fields right below it that are written out: `total` of `$prev.order.total[0]`.
    pub fields: Vec<Arc<str>>,
    /// Which string of the template: `body.items[0]`; empty where there is only one.
    pub path: Arc<str>,
    /// Where in that string, in characters from 1.
    pub column: usize,
}

/// What a read starts with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReadRoot {
    /// The output of the flowlet with this ref.
    Prev(Arc<str>),
    /// The play's arguments.
    Args,
    /// A key; `None` where the key is computed.
    Kv(Option<Arc<str>>),
    /// The secret of this name.
    Secret(Arc<str>),
    /// The variable of this name.
    Env(Arc<str>),
    /// `$flow`
    Flow,
    /// `$play`
    Play,
    /// `$step`
    Step,
    /// `$date.now`
    Now,
    /// A uuid is drawn.
    Uuid,
    /// `$item`
    Item,
    /// `$index`
    Index,
    /// The current element.
    Dot,
}

/// Adds what an expression reads, in the order in which it is written.
pub(crate) fn collect(expr: &Expr, path: &Arc<str>, reads: &mut Vec<Read>) {
    expr.walk(&mut |part| {
        let found = match &part.node {
            Node::Path(path) => root(&path.base).map(|root| (root, leading_fields(path))),
            Node::Call(call) if call.function.draws => Some((ReadRoot::Uuid, Vec::new())),
            _ => None,
        };
        if let Some((root, fields)) = found {
            reads.push(Read { root, fields, path: path.clone(), column: part.column as usize });
        }
    });
}

fn root(base: &Base) -> Option<ReadRoot> {
    Some(match base {
        Base::Prev(name) => ReadRoot::Prev(name.clone()),
        Base::Args => ReadRoot::Args,
        Base::Kv(key) => ReadRoot::Kv(key.literal_text().cloned()),
        Base::Secret(name) => ReadRoot::Secret(name.clone()),
        Base::Env(name) => ReadRoot::Env(name.clone()),
        Base::Flow => ReadRoot::Flow,
        Base::Play => ReadRoot::Play,
        Base::Step => ReadRoot::Step,
        Base::Now => ReadRoot::Now,
        Base::Item => ReadRoot::Item,
        Base::Index => ReadRoot::Index,
        Base::Dot => ReadRoot::Dot,
        Base::Value(_) => return None,
    })
}

fn leading_fields(path: &Path) -> Vec<Arc<str>> {
    let fields = path.steps.iter().map_while(|step| match step {
        Step::Field(name) => Some(name.clone()),
        Step::At(_) | Step::Computed(_) => None,
    });
    fields.collect()
}
