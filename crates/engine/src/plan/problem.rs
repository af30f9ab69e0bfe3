//! [`Problem`]: why a flow cannot be published, and where in its definition.

use std::fmt;

use model::flow::FlowDef;
use serde::Serialize;

/// Why a flow cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The ref of the flowlet; none where it is about the flow as a whole.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Where in the definition: `layers[2].args.url`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// In an expression: where, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = &self.layer {
            write!(f, "{layer}: ")?;
        }
        write!(f, "{}: {}", self.path, self.message)?;
        match self.column {
            Some(column) => write!(f, " (column {column})"),
            None => Ok(()),
        }
    }
}

/// Where in a definition something stands.
#[derive(Debug, Clone)]
pub struct Place {
    layer: Option<String>,
    path: String,
}

impl Place {
    /// A key of the flow itself.
    pub fn flow(path: &str) -> Self {
        Self { layer: None, path: path.to_owned() }
    }

    /// The flowlet at that position.
    pub fn layer(def: &FlowDef, at: usize) -> Self {
        let layer = def.layers.get(at).map(|layer| layer.name.to_string());
        Self { layer, path: format!("layers[{at}]") }
    }

    /// A place inside this one: a field, an index in brackets, or a path of them.
    #[must_use]
    pub fn at(&self, inner: &str) -> Self {
        let mut path = self.path.clone();
        if !inner.is_empty() {
            if !inner.starts_with('[') && !path.is_empty() {
                path.push('.');
            }
            path.push_str(inner);
        }
        Self { layer: self.layer.clone(), path }
    }

    /// A problem here.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { layer: self.layer.clone(), path: self.path.clone(), message: message.into(), column: None }
    }

    /// A problem at a column of the expression here.
    pub fn problem_at(&self, column: usize, message: impl Into<String>) -> Problem {
        Problem { column: Some(column), ..self.problem(message) }
    }
}
