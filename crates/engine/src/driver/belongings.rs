//! What belongs to a play outside the store of plays, and goes with it: the path says whose it is.

use std::sync::Arc;

use model::ids::PlayId;
use sdk::storage::{FROM_CHANNELS, Storage};

use super::Engine;

/// A kind of thing that belongs to plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Belonging {
    /// A value that is too large for the store.
    Value,
    /// A file that came with the request or the mail that started the play.
    File,
}

impl Belonging {
    pub(super) const ALL: [Self; 2] = [Self::Value, Self::File];

    /// How the paths of all of them begin.
    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::Value => "plays/",
            Self::File => FROM_CHANNELS,
        }
    }

    /// How the paths of those of one play begin.
    pub(super) fn prefix(self, play: PlayId) -> String {
        format!("{}{play}/", self.root())
    }

    /// The play that one belongs to; none where the path is not that of one.
    pub(super) fn owner(self, path: &str) -> Option<PlayId> {
        let (play, _) = path.strip_prefix(self.root())?.split_once('/')?;
        play.parse().ok().map(PlayId)
    }

    /// Where they are kept.
    pub(super) fn storage(self, engine: &Engine) -> &Arc<dyn Storage> {
        match self {
            Self::Value => &engine.parts.objects,
            Self::File => &engine.parts.files,
        }
    }
}
