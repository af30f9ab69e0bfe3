//! Settings that are one of a few words.

use model::Value;

use super::{Kind, unfit};

/// Declares an enum whose variants are words, and reads and shows it by them.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Kind for $name {
            fn expected() -> String {
                let words = [$($word),+];
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }

            fn read(given: &Value) -> Result<Self, String> {
                match given.as_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(unfit::<Self>(given)),
                }
            }

            fn show(&self) -> Value {
                self.word().into()
            }
        }
    };
}

choice! {
    /// How strict flow8 is with its own configuration.
    Profile {
        /// Nothing beyond the ordinary.
        #[default]
        Development = "development",
        /// Refuses what has no place in production.
        Production = "production",
        /// Refuses what auditors of a financial institution would, too.
        Finance = "finance",
    }
}

choice! {
    /// The least important line that is logged.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may become a failure.
        Warn = "warn",
        /// What happens.
        #[default]
        Info = "info",
        /// How it happens.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// How lines are logged.
    LogFormat {
        /// Text on a terminal, JSON otherwise.
        #[default]
        Auto = "auto",
        /// A JSON object a line.
        Json = "json",
        /// For people.
        Text = "text",
    }
}

choice! {
    /// Whether browsers send the session cookie along from other sites.
    SameSite {
        /// Never.
        #[default]
        Strict = "strict",
        /// When a link is followed.
        Lax = "lax",
        /// Always.
        None = "none",
    }
}

choice! {
    /// How the master key is derived.
    Algorithm {
        /// Argon2id.
        #[default]
        Argon2id = "argon2id",
    }
}
