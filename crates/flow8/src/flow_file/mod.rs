//! Flow files: a flow as YAML or JSON with `apiVersion: flow8/v1` and `kind: Flow`, read to a
//! definition, and every problem in it with its line.
//!
//! Reading says what is wrong with the form of the file, [`FlowFile::compile`] what publishing
//! would say. Nothing here opens a file.

#[cfg(test)]
mod fuzz;
mod place;
mod shape;

use std::fmt;

use engine::plan::{Plan, Problem, Surroundings};
use model::Value;
use model::flow::FlowDef;
use serde::Serialize;
use yaml::Document;

/// The version of the format.
pub const API_VERSION: &str = "flow8/v1";

/// What a flow file holds.
pub const KIND: &str = "Flow";

/// A flow file whose form is right.
#[derive(Debug, Clone)]
pub struct FlowFile {
    /// The flow.
    pub def: FlowDef,
    text: String,
    document: Document,
}

/// What is wrong in a flow file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The ref of the flowlet; none where it is about the flow as a whole.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Where in the definition: `layers[2].args.url`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    /// The flowlet, the field in it, the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = self.path.strip_prefix("layers[").and_then(|rest| rest.split_once(']'));
        match (&self.layer, inside) {
            (Some(layer), Some((_, ""))) => write!(f, "{layer}: ")?,
            (Some(layer), Some((_, field))) => write!(f, "{layer} {}: ", field.trim_start_matches('.'))?,
            _ if self.path.is_empty() => {}
            _ => write!(f, "{}: ", self.path)?,
        }
        f.write_str(&self.message)
    }
}

/// Reads the text of a flow file.
///
/// # Errors
/// What is wrong with its form: one problem for each flowlet at most, since a wrong key can hide
/// others beside it.
pub fn read(text: &str) -> Result<FlowFile, Vec<Finding>> {
    let document = match yaml::read(text) {
        Ok(document) => document,
        Err(error) => {
            let yaml::YamlError { message, line, column } = error;
            return Err(vec![Finding { line, column, layer: None, path: String::new(), message }]);
        }
    };
    match shape::read(&document.value) {
        Ok(def) => Ok(FlowFile { def, text: text.to_owned(), document }),
        Err(problems) => Err(place::all(text, &document, problems)),
    }
}

impl FlowFile {
    /// Compiles the flow, as publishing does.
    ///
    /// # Errors
    /// Every problem.
    pub fn compile(&self, around: &Surroundings<'_>) -> Result<Plan, Vec<Finding>> {
        Plan::compile(&self.def, around).map_err(|problems| place::all(&self.text, &self.document, problems))
    }
}

/// The ref of the flowlet at a position, as far as the text tells.
fn layer_name(value: &Value, at: usize) -> Option<String> {
    Some(value.get("layers")?.as_list()?.get(at)?.get("ref")?.as_str()?.to_owned())
}

/// A problem of the form, as publishing would put it.
fn problem(layer: Option<String>, path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { layer, path: path.into(), message: message.into(), column: None }
}
