//! [`Moto`]: a real S3 endpoint over HTTP, for as long as a test needs it.

use crate::endpoint::Endpoint;

/// A server. It ends, with all that it keeps, when this is dropped.
pub struct Moto(Endpoint);

impl Moto {
    /// Starts a server that takes any key, and waits until it answers.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that takes no key, after as many requests as it is to take from anybody.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_strict(free_requests: u32) -> Self {
        Self::start_with(&[("INITIAL_NO_AUTH_ACTION_COUNT", &free_requests.to_string())])
    }

    fn start_with(variables: &[(&str, &str)]) -> Self {
        Self(Endpoint::start("moto", &["-H", "127.0.0.1", "-p", "0"], variables, "Running on http://"))
    }

    /// Where it answers: `http://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn make_bucket(&self, name: &str) {
        self.0.put(&format!("/{name}"), &[]);
    }
}
