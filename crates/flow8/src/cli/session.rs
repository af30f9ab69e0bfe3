//! [`Session`]: what every command is handed: the global options, the environment, the console.

use std::path::PathBuf;

use super::settings::SettingFlags;
use super::{CommandError, Console};
use crate::config::{Environment, FlagValue, Inputs, Loaded, load};

/// The options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration file; else /app/config/config.yml, else ./config.yml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the embedded store [env: FLOW8_DATA_DIR] [default: ./data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// The server to talk to, in place of opening the data folder [env: FLOW8_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// A file with the API key for that server, which a command line would show to others [env: FLOW8_TOKEN is the key]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// What a command is handed.
#[derive(Debug)]
pub struct Session<'s, 'c> {
    /// The options that every command takes.
    pub globals: Globals,
    /// The variables of the process.
    pub environment: &'s Environment,
    /// Where it prints.
    pub console: &'s mut Console<'c>,
}

/// A server that commands talk to.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it is.
    pub url: String,
    /// What to sign in with.
    pub token: Option<String>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Session<'_, '_> {
    /// The configuration, from everywhere it may come from. What is better put otherwise is said.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn config(&mut self, flags: &SettingFlags) -> Result<Loaded, CommandError> {
        let loaded = load(&self.inputs(flags)).map_err(|problems| CommandError::usage(problems.to_string()))?;
        self.warn(&loaded.warnings)?;
        Ok(loaded)
    }

    /// Where the configuration comes from.
    pub fn inputs(&self, flags: &SettingFlags) -> Inputs<'_> {
        let mut inputs = Inputs { file: self.globals.config.clone(), ..Inputs::new(self.environment) };
        inputs.flags = flags.values().to_vec();
        let data_dir = self.globals.data_dir.as_ref().map(|folder| folder.to_string_lossy().into_owned());
        inputs.flags.extend(data_dir.map(|value| FlagValue {
            key: "data_dir".into(),
            value,
            flag: "--data-dir".into(),
        }));
        inputs
    }

    /// Says what is not wrong, but not right either.
    ///
    /// # Errors
    /// Where the stream cannot be written to.
    pub fn warn(&mut self, warnings: &[String]) -> Result<(), CommandError> {
        let paint = self.console.paint_err();
        for warning in warnings {
            writeln!(self.console.err, "{} {warning}", paint.doubtful("warning:"))?;
        }
        Ok(())
    }

    /// The server to talk to; none where the data folder is to be opened.
    ///
    /// # Errors
    /// Where what is given is no URL of http or https.
    pub fn remote(&self) -> Result<Option<Remote>, CommandError> {
        let (url, from) = match (&self.globals.server, self.environment.given("FLOW8_URL")) {
            (Some(url), _) => (url.as_str(), "--server"),
            (None, Some(url)) => (url, "FLOW8_URL"),
            (None, None) => return Ok(None),
        };
        let parsed = url::Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(parsed) = parsed.filter(url::Url::has_host) else {
            let message = format!("{from}: expects a URL such as https://flow8.example.com, not {url:?}");
            return Err(CommandError::usage(message));
        };
        let read = |file: &PathBuf| {
            let told = |error| CommandError::usage(format!("--token-file {}: {error}", file.display()));
            std::fs::read_to_string(file).map_err(told)
        };
        let token = self.globals.token_file.as_ref().map(read).transpose()?;
        let token = token.as_deref().or_else(|| self.environment.given("FLOW8_TOKEN"));
        let url = parsed.as_str().trim_end_matches('/').to_owned();
        Ok(Some(Remote { url, token: token.map(|token| token.trim().to_owned()) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(globals: Globals, variables: &[(&str, &str)]) -> Result<Option<Remote>, CommandError> {
        let environment = Environment::of(variables.iter().copied());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console { out: &mut out, err: &mut err, colour_out: false, colour_err: false };
        Session { globals, environment: &environment, console: &mut console }.remote()
    }

    #[test]
    fn the_server_is_from_the_flag_or_the_environment() {
        let variables = [("FLOW8_URL", "https://a.example/"), ("FLOW8_TOKEN", "t")];
        let of = |url: &str, token: Option<&str>| Ok(Some(Remote { url: url.into(), token: token.map(str::to_owned) }));
        assert_eq!(remote(Globals::default(), &[]), Ok(None));
        assert_eq!(remote(Globals::default(), &variables), of("https://a.example", Some("t")));
        let flags = Globals { server: Some("http://b:1".into()), ..Globals::default() };
        assert_eq!(remote(flags.clone(), &[]), of("http://b:1", None));
        assert_eq!(remote(flags, &variables), of("http://b:1", Some("t")));
        let wrong = remote(Globals { server: Some("b:1".into()), ..Globals::default() }, &[]).expect_err("refused");
        assert!(wrong.message.starts_with("--server: expects a URL"), "{wrong}");
    }
}
