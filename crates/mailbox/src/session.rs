//! [`Session`]: signed in at a server, and what it is told and asked there.
//!
//! A session that failed once is over: what the server says next may be the answer to something else.

mod signing_in;

use bytes::Bytes;
use model::failure::Failure;
use model::limits::{MAILBOX_COMMAND, MAILBOX_MAIL_BYTES};
use tokio::time::timeout;

use crate::names;
use crate::response::{Fetch, Response, Status, Word};
use crate::wire::Wire;
use crate::{BROKEN, REFUSED, TIMEOUT};

/// A conversation with a server.
pub(crate) struct Session {
    wire: Wire,
    /// Commands that were given.
    commands: u64,
    able: Vec<String>,
    /// What the numbers of mails in the selected folder hold for.
    validity: Option<u32>,
    /// Whether the server told of mails since somebody asked.
    has_news: bool,
    /// What proves who we are: where the server says it again, it is not told on.
    hush: Vec<String>,
}

/// A folder that is looked into.
pub(crate) struct Selected {
    /// The numbers of its mails mean the same as long as this is the same.
    pub(crate) validity: u32,
    /// The flags that it keeps, in small letters; `\*` where it keeps whatever words there are.
    pub(crate) keeps: Vec<String>,
    is_read_only: bool,
}

/// What is known of a mail that was not read.
pub(crate) struct Known {
    pub(crate) size: u64,
    /// When it came, as the server has it.
    pub(crate) date: Option<String>,
}

impl Session {
    /// Whether the server says that it can do this.
    pub(crate) fn can(&self, what: &str) -> bool {
        self.able.iter().any(|able| able == what)
    }

    /// Gives a command, and hands over what is answered before it is done.
    async fn ask(&mut self, command: String, mut hear: impl FnMut(Response)) -> Result<Status, Failure> {
        within(async {
            let tag = self.say(&command).await?;
            loop {
                let answer = self.wire.answer().await?;
                match self.heed(answer)? {
                    Response::Status(status) if status.tag.as_deref() == Some(&tag) => return self.judge(status),
                    answer => hear(answer),
                }
            }
        })
        .await
    }

    async fn tell(&mut self, command: &str) -> Result<(), Failure> {
        self.ask(command.to_owned(), |_| {}).await.map(drop)
    }

    async fn say(&mut self, command: &str) -> Result<String, Failure> {
        self.commands += 1;
        let tag = format!("f{}", self.commands);
        self.wire.say(format!("{tag} {command}\r\n").as_bytes()).await?;
        Ok(tag)
    }

    /// Takes note of what a server may say at any time.
    fn heed(&mut self, answer: Response) -> Result<Response, Failure> {
        match &answer {
            Response::Exists(_) => self.has_news = true,
            Response::Status(Status { tag: None, word: Word::Bye, text, .. }) => {
                return Err(Failure::new(BROKEN, format!("the mail server hangs up: {}", self.hushed(text))));
            }
            Response::Status(Status { tag: None, code, .. }) => {
                let said = code.strip_prefix("UIDVALIDITY ").and_then(|number| number.parse::<u32>().ok());
                if let (Some(said), Some(known)) = (said, self.validity)
                    && said != known
                {
                    return Err(Failure::new(BROKEN, "the mail server has given all mails of the folder new numbers"));
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    fn judge(&self, status: Status) -> Result<Status, Failure> {
        match status.word {
            Word::Ok => Ok(status),
            _ => Err(Failure::new(REFUSED, format!("the mail server says: {}", self.hushed(&status.text)))),
        }
    }

    fn hushed(&self, text: &str) -> String {
        self.hush.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// Looks into a folder, to change what is in it.
    ///
    /// # Errors
    /// Where there is no such folder, or nothing can be changed in it.
    pub(crate) async fn select(&mut self, folder: &str) -> Result<Selected, Failure> {
        let selected = self.look_into("SELECT", folder).await?;
        if selected.is_read_only {
            return Err(Failure::new(REFUSED, format!("the folder {folder} can only be read by this user")));
        }
        Ok(selected)
    }

    /// Looks into a folder, and changes nothing.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub(crate) async fn examine(&mut self, folder: &str) -> Result<Selected, Failure> {
        self.look_into("EXAMINE", folder).await
    }

    async fn look_into(&mut self, command: &str, folder: &str) -> Result<Selected, Failure> {
        self.validity = None;
        let (mut validity, mut keeps) = (None, Vec::new());
        let done = self.ask(format!("{command} {}", names::folder(folder)), |answer| {
            if let Response::Status(Status { tag: None, code, .. }) = answer {
                if let Some(number) = code.strip_prefix("UIDVALIDITY ") {
                    validity = number.parse().ok();
                } else if let Some(flags) = code.strip_prefix("PERMANENTFLAGS (") {
                    keeps = flags.trim_end_matches(')').to_ascii_lowercase().split(' ').map(str::to_owned).collect();
                }
            }
        });
        let done = done.await.map_err(|failure| of_folder(folder, failure))?;
        let validity = validity.ok_or_else(|| {
            Failure::new(
                REFUSED,
                format!("the mail server has no lasting numbers for the mails of the folder {folder}"),
            )
        })?;
        self.validity = Some(validity);
        Ok(Selected { validity, keeps, is_read_only: done.code.eq_ignore_ascii_case("READ-ONLY") })
    }

    /// Looks whether there is such a folder, which is not looked into.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn is_there(&mut self, folder: &str) -> Result<(), Failure> {
        let asked = self.tell(&format!("STATUS {} (MESSAGES)", names::folder(folder))).await;
        asked.map_err(|failure| of_folder(folder, failure))
    }

    /// The numbers of the mails that this holds for, the first ones first, and whether there are more.
    pub(crate) async fn search(&mut self, what: &str, most: usize) -> Result<(Vec<u32>, bool), Failure> {
        self.has_news = false;
        let mut found = Vec::new();
        let search = self.ask(format!("UID SEARCH {what}"), |answer| {
            if let Response::Search(numbers) = answer {
                found.extend(numbers);
            }
        });
        search.await?;
        found.sort_unstable();
        found.dedup();
        let has_more = found.len() > most;
        found.truncate(most);
        Ok((found, has_more))
    }

    /// How large a mail is; none where it is gone.
    pub(crate) async fn size(&mut self, uid: u32) -> Result<Option<Known>, Failure> {
        let fetch = self.fetch(uid, "UID RFC822.SIZE INTERNALDATE").await?;
        Ok(fetch.map(|fetch| Known { size: fetch.size.unwrap_or_default(), date: fetch.date }))
    }

    /// A mail; none where it is gone. What is longer than may be is cut off one byte later.
    pub(crate) async fn mail(&mut self, uid: u32) -> Result<Option<Bytes>, Failure> {
        let fetch = self.fetch(uid, &format!("UID BODY.PEEK[]<0.{}>", MAILBOX_MAIL_BYTES + 1)).await?;
        Ok(fetch.and_then(|fetch| fetch.body))
    }

    async fn fetch(&mut self, uid: u32, what: &str) -> Result<Option<Fetch>, Failure> {
        let mut found = None;
        let fetch = self.ask(format!("UID FETCH {uid} ({what})"), |answer| {
            // Others may be told of in between.
            if let Response::Fetch(fetch) = answer
                && fetch.uid == Some(uid)
                && (fetch.size.is_some() || fetch.body.is_some())
            {
                found = Some(fetch);
            }
        });
        fetch.await?;
        Ok(found)
    }

    /// Gives a mail these flags.
    ///
    /// # Errors
    /// Where the server does not keep them.
    pub(crate) async fn flag(&mut self, uid: u32, flags: &[&str]) -> Result<(), Failure> {
        let mut kept = None;
        let store = self.ask(format!("UID STORE {uid} +FLAGS ({})", flags.join(" ")), |answer| {
            if let Response::Fetch(Fetch { uid: Some(of), flags: Some(flags), .. }) = answer
                && of == uid
            {
                kept = Some(flags);
            }
        });
        store.await?;
        let is_missing = |flag: &&&str| kept.as_ref().is_some_and(|kept| !kept.contains(&flag.to_ascii_lowercase()));
        match flags.iter().find(is_missing) {
            Some(flag) => Err(Failure::new(REFUSED, format!("the mail server does not keep the flag {flag}"))),
            None => Ok(()),
        }
    }

    /// Takes a mail away. Where the server takes away only all deleted mails at once, it stays and counts as deleted.
    pub(crate) async fn delete(&mut self, uid: u32) -> Result<(), Failure> {
        self.flag(uid, &["\\Deleted"]).await?;
        if self.can("UIDPLUS") {
            self.tell(&format!("UID EXPUNGE {uid}")).await?;
        }
        Ok(())
    }

    /// Puts a mail into another folder. Where this breaks off it is in one of them at least.
    pub(crate) async fn put(&mut self, uid: u32, folder: &str) -> Result<(), Failure> {
        let to = names::folder(folder);
        if self.can("MOVE") {
            return self.tell(&format!("UID MOVE {uid} {to}")).await;
        }
        self.tell(&format!("UID COPY {uid} {to}")).await?;
        self.delete(uid).await
    }

    /// Whether the server told of mails since they were last searched for.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Asks for nothing, so that the server says what is new, and does not hang up.
    pub(crate) async fn ask_for_news(&mut self) -> Result<(), Failure> {
        self.tell("NOOP").await
    }

    /// Lets the server tell what is new by itself, until [`end_idle`](Self::end_idle) is told what this gives.
    pub(crate) async fn begin_idle(&mut self) -> Result<String, Failure> {
        within(async {
            let tag = self.say("IDLE").await?;
            loop {
                let answer = self.wire.answer().await?;
                match self.heed(answer)? {
                    Response::Continue => return Ok(tag),
                    Response::Status(status) if status.tag.as_deref() == Some(&tag) => {
                        self.judge(status)?;
                        return Err(Failure::new(BROKEN, "the mail server says what is no IMAP"));
                    }
                    _ => {}
                }
            }
        })
        .await
    }

    /// Waits until the server tells of mails by itself. It may be given up at any time.
    pub(crate) async fn news(&mut self) -> Result<(), Failure> {
        while !self.has_news {
            let answer = self.wire.news().await?;
            self.heed(answer)?;
        }
        Ok(())
    }

    /// Goes on with commands.
    pub(crate) async fn end_idle(&mut self, tag: &str) -> Result<(), Failure> {
        within(async {
            self.wire.say(b"DONE\r\n").await?;
            loop {
                let answer = self.wire.answer().await?;
                if let Response::Status(status) = self.heed(answer)?
                    && status.tag.as_deref() == Some(tag)
                {
                    return self.judge(status).map(drop);
                }
            }
        })
        .await
    }

    /// Says farewell, however the server takes it.
    pub(crate) async fn leave(mut self) {
        let _ = self.say("LOGOUT").await;
    }
}

/// One command, which takes no longer than that, however the server spreads out what it says.
async fn within<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let ended = timeout(MAILBOX_COMMAND, command).await;
    ended.unwrap_or_else(|_| Err(Failure::new(TIMEOUT, "the mail server takes too long for one command")))
}

fn of_folder(folder: &str, failure: Failure) -> Failure {
    Failure { message: format!("the folder {folder}: {}", failure.message), ..failure }
}
