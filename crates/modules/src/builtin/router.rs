//! `router`: chooses the branch that the play takes.
//!
//! The conditions are ordinary expressions, so they are values by the time it runs: the first
//! route whose condition is true, or the text `true`, is taken; none of them gives null.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Role, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The routes, in the order in which they are tried.
    routes: Vec<Route>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Route {
    /// Whether the route is taken: true, or the text "true".
    condition: Value,
    /// The label that flowlets name in their `branch`.
    label: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The label of the route that is taken; null where none is.
    route: Option<Text>,
}

pub(crate) fn module() -> Module {
    Module::pure("router", Group::Control, "Takes the first route whose condition is true.", run)
        .role(Role::Router)
        .example(
            r#"{"routes":[{"condition":false,"label":"large"},{"condition":true,"label":"small"}]}"#,
            r#"{"route":"small"}"#,
        )
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let taken = args.routes.into_iter().find(|route| is_true(&route.condition));
    Ok(Out { route: taken.map(|route| route.label) })
}

fn is_true(condition: &Value) -> bool {
    condition.as_bool() == Some(true) || condition.as_str() == Some("true")
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use crate::stage::check;

    #[test]
    fn only_true_and_its_text_take_a_route() {
        check(
            &super::module(),
            &[
                (r#"{"routes":[]}"#, r#"{"route":null}"#),
                (r#"{"routes":[{"condition":"true","label":"a"},{"condition":true,"label":"b"}]}"#, r#"{"route":"a"}"#),
                (
                    r#"{"routes":[{"condition":1,"label":"a"},{"condition":"True","label":"b"},{"condition":null,"label":"c"}]}"#,
                    r#"{"route":null}"#,
                ),
            ],
        );
    }
}
