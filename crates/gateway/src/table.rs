//! [`Table`]: finds the route that a request is for.

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::call::Route;

/// Under which the API answers. The longer one first: it begins with the other.
const PREFIXES: [&str; 2] = ["/api/v1", "/api"];

/// The routes of the API, by path and method.
pub(crate) struct Table(matchit::Router<Vec<Arc<Route>>>);

/// What a path and a method stand for.
pub(crate) enum Found {
    /// A route, with the names and values in its path.
    Route(Arc<Route>, Vec<(String, String)>),
    /// There is such a path, for these methods.
    OtherMethods(String),
    /// Nothing of the API.
    Nothing,
}

impl Table {
    /// # Errors
    /// Where two paths cannot be told apart.
    pub(crate) fn new(routes: Vec<Route>) -> Result<Self, matchit::InsertError> {
        let mut paths: Vec<(&'static str, Vec<Arc<Route>>)> = Vec::new();
        for route in routes.into_iter().map(Arc::new) {
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, methods)) => methods.push(route),
                None => paths.push((route.path, vec![route])),
            }
        }
        let mut router = matchit::Router::new();
        for (path, methods) in paths {
            router.insert(path, methods)?;
        }
        Ok(Self(router))
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Found {
        let below = |prefix: &&str| path.strip_prefix(prefix);
        let Some(matched) = PREFIXES.iter().filter_map(below).find_map(|path| self.0.at(path).ok()) else {
            return Found::Nothing;
        };
        // Whoever sends an answer to HEAD leaves its body out.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let Some(route) = matched.value.iter().find(|route| route.method == *method) else {
            return Found::OtherMethods(methods_of(matched.value));
        };
        let mut values = Vec::new();
        for (name, value) in matched.params.iter() {
            // What is not text is no name of anything.
            let Ok(value) = percent_decode_str(value).decode_utf8() else { return Found::Nothing };
            values.push((name.to_owned(), value.into_owned()));
        }
        Found::Route(route.clone(), values)
    }
}

fn methods_of(routes: &[Arc<Route>]) -> String {
    let mut names: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.join(",")
}
