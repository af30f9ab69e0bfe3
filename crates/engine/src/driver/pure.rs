//! Pure modules: they reach nothing outside, so they run before anything is committed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::failure::{Failure, code};
use model::payload::Payload;
use model::record::{LogLine, StepId};
use model::time::Timestamp;
use model::value::Value;
use sdk::{Outcome, PureCtx, Run, Stopped};

use super::play::Running;
use crate::decide::{AttemptEnd, Effect, Input, Ran, StepScope};

impl Running {
    /// Runs a pure module, at once or on a thread of its own.
    pub(super) fn run_pure(&mut self, step: StepId, args: Value, recorded: bool, now: Timestamp) {
        let plan = self.plan.clone();
        let work = plan.work(&step);
        let frozen = (!recorded).then(|| crate::decide::frozen(args.clone(), work));
        match &work.module.run {
            Run::Pure(run) => {
                let scope = StepScope { ctx: self.ctx(now), step: &step, own: None };
                let mut pure = PureCtx::new(&scope).with_lazy(work.args.lazy());
                // A panic must fail the flowlet and nothing else; what it left half-done is dropped.
                let outcome = catch_unwind(AssertUnwindSafe(|| run(args, &mut pure)));
                let log = pure.into_log();
                self.pure_ended(step, frozen, now, log, outcome.unwrap_or_else(|panic| Err(panicked(&*panic))));
            }
            Run::Blocking(run) => self.run_blocking(step, run.clone(), args, frozen, now),
            Run::Effect(_) | Run::Engine => {}
        }
    }

    fn pure_ended(
        &mut self,
        step: StepId,
        args: Option<Payload>,
        since: Timestamp,
        log: Vec<LogLine>,
        outcome: Result<Outcome, Stopped>,
    ) {
        let end = match outcome {
            Ok(outcome) => AttemptEnd::Ok(outcome),
            Err(Stopped::Failed(failure)) => AttemptEnd::Failed(failure),
            Err(Stopped::Need(needs)) => return self.fetch_more(step, needs, since),
        };
        self.inputs.push_back(Input::Ran(step, Ran { args, since, log, end }));
    }

    /// What was worked out for a step needs more facts.
    pub(super) fn fetch_more(&mut self, step: StepId, needs: Vec<expr::Need>, now: Timestamp) {
        self.in_hand.remove(&step);
        self.perform(Effect::Fetch(step, needs), now);
    }
}

/// The failure of a module that panicked.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Stopped {
    Stopped::Failed(panic_failure(panic))
}

pub(super) fn panic_failure(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the module broke: {}; please report this", text.unwrap_or("no message"));
    Failure::new(code::MODULE_PANICKED, message)
}
