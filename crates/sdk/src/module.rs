//! [`Module`]: everything that one file declares of one module.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use model::failure::{Failure, code};
use model::value::{Value, from_value, to_value};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::component::Kind;
use crate::{EffectCtx, Mishap, Outcome, PureCtx, Stopped};

/// What a module does to the world outside the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Nothing, and the same arguments give the same output.
    Pure,
    /// It reads.
    Read,
    /// It changes something.
    Write,
}

/// The effect class of one attempt, and whether making it twice is harmless by its nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// What it does.
    pub class: Class,
    /// Whether doing it twice is as good as once.
    pub repeatable: bool,
}

impl Nature {
    /// It does nothing outside.
    pub const PURE: Self = Self { class: Class::Pure, repeatable: true };
    /// It reads.
    pub const READ: Self = Self { class: Class::Read, repeatable: true };
    /// It writes; twice is as good as once.
    pub const PUT: Self = Self { class: Class::Write, repeatable: true };
    /// It writes; twice is twice.
    pub const WRITE: Self = Self { class: Class::Write, repeatable: false };
}

/// The shelf of the catalogue that a module stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Group {
    /// Routing, loops, waits.
    Control,
    /// HTTP peers.
    #[serde(rename = "HTTP")]
    Http,
    /// Values.
    Data,
    /// Scripts.
    Code,
    /// Key/values.
    #[serde(rename = "KV")]
    Kv,
    /// Files.
    Storage,
    /// Databases.
    Database,
    /// Mail.
    Mail,
    /// Keys, hashes, tokens.
    Crypto,
    /// The play's own log.
    Log,
}

/// The part a module plays in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An ordinary step.
    Step,
    /// It chooses a branch.
    Router,
    /// It opens a loop.
    Iterator,
    /// It closes a loop; the engine itself collects, by `sourceRef` and `field`.
    Aggregator,
}

/// How an argument's strings are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgUse {
    /// Untouched: the module has its own use for braces.
    Raw,
    /// An expression that the module evaluates itself, element by element.
    Lazy,
}

/// Arguments that work, for the catalogue and the contract test.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The arguments, as JSON.
    pub args: &'static str,
    /// The output they give, as JSON; none where it depends on the world.
    pub out: Option<&'static str>,
}

/// A pure module's code. It takes the arguments whole and reads what it needs of them.
pub type PureRun = Arc<dyn Fn(Value, &mut PureCtx<'_>) -> Result<Outcome, Stopped> + Send + Sync>;

/// The code of a module that reaches outside.
pub type EffectRun = Arc<dyn Fn(Value, Arc<EffectCtx>) -> BoxFuture<'static, Result<Outcome, Mishap>> + Send + Sync>;

/// What a module does.
#[derive(Clone)]
pub enum Run {
    /// At once, in the engine's own turn.
    Pure(PureRun),
    /// Pure, but it may take long: on a thread of its own.
    Blocking(PureRun),
    /// Outside the process, after its intent is committed.
    Effect(EffectRun),
    /// By the engine itself.
    Engine,
}

/// A unit of work: its id, its typed arguments and output, its effect class, and what it does.
#[derive(Clone)]
pub struct Module {
    /// The id by which flows name it (`appId`).
    pub id: &'static str,
    /// Its shelf.
    pub group: Group,
    /// One line.
    pub summary: &'static str,
    /// Its part in the graph.
    pub role: Role,
    /// Its effect class, by its arguments.
    pub nature: fn(&Value) -> Nature,
    /// The classes that [`Module::nature`] may give, worst last; for the catalogue.
    pub class: Class,
    /// The schema of its arguments.
    pub args: Schema,
    /// The schema of its output.
    pub out: Schema,
    /// Arguments whose strings are not simply expressions.
    pub uses: &'static [(&'static str, ArgUse)],
    /// Arguments that work.
    pub example: Example,
    /// The kind of component that it works on, and whether it cannot do without.
    pub works_on: Option<(Kind, bool)>,
    /// Whether it calls out with a stored credential where the flowlet names one.
    pub takes_link: bool,
    /// What it does.
    pub run: Run,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Module {
    fn new<A: JsonSchema, O: JsonSchema>(id: &'static str, group: Group, summary: &'static str, run: Run) -> Self {
        Self {
            id,
            group,
            summary,
            role: Role::Step,
            nature: |_| Nature::PURE,
            class: Class::Pure,
            args: schemars::schema_for!(A),
            out: schemars::schema_for!(O),
            uses: &[],
            example: Example { args: "{}", out: None },
            works_on: None,
            takes_link: false,
            run,
        }
    }

    /// A pure module that gives its output at once.
    pub fn pure<A, O>(
        id: &'static str,
        group: Group,
        summary: &'static str,
        run: fn(A, &mut PureCtx<'_>) -> Result<O, Stopped>,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        O: Serialize + JsonSchema + 'static,
    {
        let run = move |args: Value, ctx: &mut PureCtx<'_>| Ok(Outcome::Done(output(&run(arguments(&args)?, ctx)?)?));
        Self::new::<A, O>(id, group, summary, Run::Pure(Arc::new(run)))
    }

    /// A pure module that asks something of the engine. `O` is what its output will be.
    pub fn control<A, O>(
        id: &'static str,
        group: Group,
        summary: &'static str,
        run: fn(A, &mut PureCtx<'_>) -> Result<Outcome, Stopped>,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        O: JsonSchema,
    {
        let run = move |args: Value, ctx: &mut PureCtx<'_>| run(arguments(&args)?, ctx);
        Self::new::<A, O>(id, group, summary, Run::Pure(Arc::new(run)))
    }

    /// A module that the engine itself carries out; only its arguments and output are declared.
    pub fn engine<A: JsonSchema, O: JsonSchema>(id: &'static str, group: Group, summary: &'static str) -> Self {
        Self::new::<A, O>(id, group, summary, Run::Engine)
    }

    /// A module that reaches outside.
    pub fn effect<A, O, F, Fut>(id: &'static str, group: Group, summary: &'static str, nature: Nature, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema + 'static,
        F: Fn(A, Arc<EffectCtx>) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Result<O, Mishap>> + Send + 'static,
    {
        let run = move |args: Value, ctx: Arc<EffectCtx>| -> BoxFuture<'static, Result<Outcome, Mishap>> {
            let run = run.clone();
            Box::pin(async move {
                let args = arguments(&args)?;
                Ok(Outcome::Done(output(&run(args, ctx).await?)?))
            })
        };
        let module = Self::new::<A, O>(id, group, summary, Run::Effect(Arc::new(run)));
        module.with_nature(nature)
    }

    fn with_nature(self, nature: Nature) -> Self {
        let by_class: fn(&Value) -> Nature = match (nature.class, nature.repeatable) {
            (Class::Pure, _) => |_| Nature::PURE,
            (Class::Read, _) => |_| Nature::READ,
            (Class::Write, true) => |_| Nature::PUT,
            (Class::Write, false) => |_| Nature::WRITE,
        };
        Self { nature: by_class, class: nature.class, ..self }
    }

    /// The same, with an effect class that depends on the arguments.
    #[must_use]
    pub fn by_args(self, nature: fn(&Value) -> Nature) -> Self {
        Self { nature, ..self }
    }

    /// The same, on a thread of its own.
    #[must_use]
    pub fn blocking(self) -> Self {
        let run = match self.run {
            Run::Pure(run) => Run::Blocking(run),
            other => other,
        };
        Self { run, ..self }
    }

    /// The same, in another part of the graph.
    #[must_use]
    pub fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// The same, with arguments whose strings are not simply expressions.
    #[must_use]
    pub fn uses(self, uses: &'static [(&'static str, ArgUse)]) -> Self {
        Self { uses, ..self }
    }

    /// The same, working on a component of that kind.
    #[must_use]
    pub fn on(self, kind: Kind) -> Self {
        Self { works_on: Some((kind, true)), ..self }
    }

    /// The same, working on a component of that kind where the flowlet names one.
    #[must_use]
    pub fn may_be_on(self, kind: Kind) -> Self {
        Self { works_on: Some((kind, false)), ..self }
    }

    /// The same, calling out with a stored credential where the flowlet names one.
    #[must_use]
    pub fn takes_link(self) -> Self {
        Self { takes_link: true, ..self }
    }

    /// The same, with arguments that work, and the output they give.
    #[must_use]
    pub fn example(self, args: &'static str, out: &'static str) -> Self {
        Self { example: Example { args, out: Some(out) }, ..self }
    }

    /// The same, with arguments that work; the output depends on the world.
    #[must_use]
    pub fn example_args(self, args: &'static str) -> Self {
        Self { example: Example { args, out: None }, ..self }
    }

    /// How the strings of an argument are taken, where not simply as expressions.
    pub fn arg_use(&self, arg: &str) -> Option<ArgUse> {
        self.uses.iter().find(|(name, _)| *name == arg).map(|(_, arg_use)| *arg_use)
    }
}

fn arguments<A: DeserializeOwned>(args: &Value) -> Result<A, Failure> {
    from_value(args).map_err(|error| Failure::new(code::BAD_ARGUMENTS, error.to_string()))
}

fn output<O: Serialize>(out: &O) -> Result<Value, Failure> {
    to_value(out).map_err(|error| Failure::new(code::INTERNAL_ERROR, error.to_string()))
}
