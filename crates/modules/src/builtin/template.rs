//! `template`: a text with expressions in braces, over data of its own and over everything that
//! the flowlet can read.
//!
//! The text is written in the language of expressions; `.` is the data. It is taken as it is,
//! not resolved before, so that it may come from a file or a key/value.

use expr::{Budget, Found, Root, Scope, Template};
use model::Value;
use schemars::JsonSchema;
use sdk::{ArgUse, Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The text, with expressions such as {{ .name | upper }}.
    template: Text,
    /// What a leading dot stands for.
    data: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The text, with the values in it.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("template", Group::Data, "Writes a text with values in it.", run)
        .uses(&[("template", ArgUse::Raw)])
        .example(
            r#"{"template":"Dear {{ .name | title }}, you owe {{ fixed 2 .amount }}.","data":{"name":"ada","amount":12.5}}"#,
            r#"{"text":"Dear Ada, you owe 12.50."}"#,
        )
}

/// The whole scope, with a dot of its own.
struct Data<'a> {
    outer: &'a dyn Scope,
    dot: Value,
}

impl Scope for Data<'_> {
    fn find(&self, root: &Root<'_>) -> Found {
        if *root == Root::Dot { Found::Value(self.dot.clone()) } else { self.outer.find(root) }
    }
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let template = Template::compile_text(&args.template).map_err(|fault| refused(format!("template: {fault}")))?;
    let data = Data { outer: ctx.scope(), dot: args.data.unwrap_or_default() };
    let value = template.eval(&data, &mut Budget::default())?;
    let text = match value {
        Value::Text(_) => value,
        // A text that is one expression has that expression's value.
        other => formula::give("text(.)", other, model::failure::code::EXPRESSION_ERROR)?,
    };
    Ok(Out { text })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn data_and_the_whole_scope_are_read() {
        check(
            &module(),
            &[
                (r#"{"template":"{{ .a }} {{ $prev.order.name }}","data":{"a":[1.10]}}"#, r#"{"text":"[1.10] ada"}"#),
                (r#"{"template":"{{ .a }}","data":{"a":1.10}}"#, r#"{"text":"1.10"}"#),
                (r#"{"template":"{{ . }}"}"#, r#"{"text":""}"#),
                (r#"{"template":"{{ $item.outer }} {{ $index }}","data":1}"#, r#"{"text":"true 7"}"#),
                (r#"{"template":"no braces"}"#, r#"{"text":"no braces"}"#),
            ],
        );
    }

    #[test]
    fn faults_and_missing_paths_are_told() {
        assert_eq!(failure(&module(), r#"{"template":"{{ upper( }}"}"#).0, "BAD_ARGUMENTS");
        let (code, message) = failure(&module(), r#"{"template":"{{ .nmae }}","data":{"name":1}}"#);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.contains("nmae"), "{message}");
    }
}
