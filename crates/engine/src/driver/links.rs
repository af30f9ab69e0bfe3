//! What a call carries of a link: the credential that is stored, or a token that is fetched.
//!
//! Of all plays on all replicas that need a token at the same time, one fetches it; the others wait
//! for it, within a bound. Whose turn it is stands in the link's document, and only one can have
//! written that on the revision it read. A turn lasts longer than fetching may take, so that nobody
//! fetches a token while somebody else may still be at it.

use std::time::Duration;

use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{Doc, Expect};
use model::failure::{Failure, code};
use model::ids::{CompanyId, Id};
use model::value::Value;
use sdk::link::{Credential, Grant, TOKEN_REFUSED, Token, TokenRequest};
use store::{CommitError, StoreError};

use super::Engine;
use crate::links::{
    self, LINK_NOT_CONNECTED, LINK_NOT_FOUND, LinkSettings, OpenToken, StoredLink, StoredToken, Trouble, Turn,
};

/// How long fetching a token may take.
const FETCH: Duration = Duration::from_secs(20);

/// How long a turn lasts: long enough to fetch, and to write down what came.
const TURN: Duration = Duration::from_secs(45);

/// How long somebody waits for a token that somebody else fetches.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often they look.
const LOOK: Duration = Duration::from_millis(100);

/// How long it is believed that there is no token, before somebody asks again.
const REFUSED_FOR: Duration = Duration::from_secs(30);
const UNREACHABLE_FOR: Duration = Duration::from_secs(5);

/// How often a token that was fetched is tried to be written beside changes of others.
const WRITES: usize = 16;

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(code::INTERNAL_ERROR, error.to_string())
}

impl Engine {
    /// A link, by its id or its name.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn link(&self, company: CompanyId, target: &str) -> Result<Option<Doc>, StoreError> {
        if let Ok(id) = target.parse::<Id>()
            && let Some(doc) = self.store().doc(&links::doc_key(company, id)).await?
        {
            return Ok(Some(doc));
        }
        self.store().doc_by(&links::name_key(company, target)).await
    }

    /// What a call carries of a link.
    ///
    /// # Errors
    /// Where there is no such link, or there is no token for it.
    pub(super) async fn credential(&self, company: CompanyId, target: &str) -> Result<Credential, Failure> {
        let doc = self.linked(company, target).await?;
        let link = StoredLink::read(&doc).map_err(internal)?;
        match link.settings(company, self.seal()).map_err(internal)? {
            LinkSettings::Basic { username, password } => Ok(link.basic(&username, &password)),
            LinkSettings::Bearer { token } => Ok(link.credential(&token)),
            LinkSettings::Oauth { .. } | LinkSettings::ServiceAccount { .. } => {
                if let Some(token) = self.usable(company, &link)? {
                    return Ok(token);
                }
                // Plays of this replica wait here, and only one of them looks at the document.
                let _turn = self.link_locks.lock(links::doc_key(company, link.id)).await;
                self.fetched(company, link.id).await
            }
        }
    }

    async fn linked(&self, company: CompanyId, target: &str) -> Result<Doc, Failure> {
        let found = self.link(company, target).await.map_err(internal)?;
        found.ok_or_else(|| Failure::new(LINK_NOT_FOUND, format!("there is no link {target:?}")))
    }

    /// The token that is there, where it is still good.
    fn usable(&self, company: CompanyId, link: &StoredLink) -> Result<Option<Credential>, Failure> {
        let Some(token) = link.fresh_token(self.now()) else { return Ok(None) };
        let open: OpenToken = link.open(company, self.seal(), &token.sealed).map_err(internal)?;
        Ok(Some(link.credential(&open.access)))
    }

    /// A token that is good: the one that is there by now, or one that is fetched.
    async fn fetched(&self, company: CompanyId, id: Id) -> Result<Credential, Failure> {
        let began = self.now();
        loop {
            let doc = self.linked(company, &id.to_string()).await?;
            let mut link = StoredLink::read(&doc).map_err(internal)?;
            if let Some(token) = self.usable(company, &link)? {
                return Ok(token);
            }
            let now = self.now();
            if let Some(trouble) = link.trouble.as_ref().filter(|trouble| trouble.until > now) {
                return Err(trouble.failure.clone());
            }
            if link.turn.as_ref().is_some_and(|turn| turn.until > now) {
                if now.since(began) > PATIENCE {
                    return Err(Failure::new(code::TIMEOUT, "another play fetches a token, and is not done in time"));
                }
                self.parts.world.sleep(LOOK).await;
                continue;
            }
            let request = self.token_request(company, &link)?;
            let turn = Turn { id: self.new_id(), until: now.plus(TURN) };
            link.turn = Some(turn.clone());
            let write = links::write(company, &link, Expect::Revision(doc.revision));
            match self.store().commit(Batch { docs: vec![write], ..Batch::default() }).await {
                Ok(_) => {}
                // Somebody was quicker.
                Err(CommitError::Conflict(_)) => continue,
                Err(CommitError::Store(error)) => return Err(internal(error)),
            }
            let ended = self.parts.backends.tokens.fetch(request).await;
            return self.settle(company, id, Some(&turn), ended).await;
        }
    }

    fn token_request(&self, company: CompanyId, link: &StoredLink) -> Result<TokenRequest, Failure> {
        let ask = |token_url: &str, scopes: &[String], grant| TokenRequest {
            company,
            token_url: token_url.to_owned(),
            client_id: None,
            client_secret: None,
            scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
            grant,
            timeout: FETCH,
        };
        match link.settings(company, self.seal()).map_err(internal)? {
            LinkSettings::Oauth { config, client_secret } => {
                let token = link.token.as_ref().map(|token| link.open(company, self.seal(), &token.sealed));
                let token: Option<OpenToken> = token.transpose().map_err(internal)?;
                let none = || {
                    let message =
                        format!("nobody has agreed to the link {:?} yet, or the agreement has ended", link.name);
                    Failure::new(LINK_NOT_CONNECTED, message)
                };
                let grant = Grant::Refresh { token: token.and_then(|token| token.refresh).ok_or_else(none)? };
                let request = TokenRequest { scope: None, ..ask(&config.token_url, &[], grant) };
                Ok(TokenRequest { client_id: Some(config.client_id), client_secret, ..request })
            }
            LinkSettings::ServiceAccount { config, private_key } => {
                let grant = Grant::ServiceAccount {
                    issuer: config.client_email,
                    key_id: config.key_id,
                    private_key,
                    subject: config.subject,
                    now: self.now().0.div_euclid(1000),
                };
                Ok(ask(&config.token_url, &config.scopes, grant))
            }
            LinkSettings::Basic { .. } | LinkSettings::Bearer { .. } => Err(internal("the link has no tokens")),
        }
    }

    /// Fetches the first token of a link, for the code that somebody's agreement gave.
    ///
    /// # Errors
    /// Where the peer gives none.
    pub async fn connect_link(
        &self,
        company: CompanyId,
        link: &StoredLink,
        grant: Grant,
        audit: AuditRow,
    ) -> Result<(), Failure> {
        let LinkSettings::Oauth { config, client_secret } = link.settings(company, self.seal()).map_err(internal)?
        else {
            return Err(internal("nobody agrees to a link of this kind"));
        };
        let request = TokenRequest {
            company,
            token_url: config.token_url,
            client_id: Some(config.client_id),
            client_secret,
            scope: None,
            grant,
            timeout: FETCH,
        };
        let token = self.parts.backends.tokens.fetch(request).await?;
        self.keep_token(company, link.id, None, &token, audit).await.map(drop)
    }

    /// Writes down what came of fetching a token.
    async fn settle(
        &self,
        company: CompanyId,
        id: Id,
        turn: Option<&Turn>,
        ended: Result<Token, Failure>,
    ) -> Result<Credential, Failure> {
        match ended {
            Ok(token) => {
                let audit = AuditRow {
                    company,
                    at: self.now(),
                    actor: model::Actor::system(),
                    action: "link.refresh".into(),
                    entity: "link".into(),
                    entity_id: id.to_string(),
                    before: Value::Null,
                    after: Value::Null,
                    request_id: None,
                    ip: None,
                };
                self.keep_token(company, id, turn, &token, audit).await
            }
            Err(failure) => {
                let lasts = if failure.code == TOKEN_REFUSED { REFUSED_FOR } else { UNREACHABLE_FOR };
                let trouble = Trouble { failure: failure.clone(), until: self.now().plus(lasts) };
                let change = |link: &mut StoredLink| link.trouble = Some(trouble.clone());
                // Where it cannot be written, the turn ends by itself.
                if let Err(error) = self.change_link(company, id, turn, None, change).await {
                    tracing::warn!(%error, "it cannot be written down that there is no token");
                }
                Err(failure)
            }
        }
    }

    async fn keep_token(
        &self,
        company: CompanyId,
        id: Id,
        turn: Option<&Turn>,
        token: &Token,
        audit: AuditRow,
    ) -> Result<Credential, Failure> {
        let expires_at = token.lasts.map(|seconds| self.now().plus(Duration::from_secs(seconds.min(MOST))));
        let doc = self.linked(company, &id.to_string()).await?;
        let link = StoredLink::read(&doc).map_err(internal)?;
        // Where the peer gives no other one, the one before stays good.
        let before: Option<OpenToken> = match &link.token {
            Some(before) if token.refresh.is_none() && turn.is_some() => {
                Some(link.open(company, self.seal(), &before.sealed).map_err(internal)?)
            }
            _ => None,
        };
        let refresh = token.refresh.clone().or(before.and_then(|before| before.refresh));
        let open = OpenToken { access: token.access.clone(), refresh };
        let sealed = links::seal(self.seal(), company, id, &open).map_err(internal)?;
        let change = |link: &mut StoredLink| {
            link.token = Some(StoredToken { sealed: sealed.clone(), expires_at });
            link.trouble = None;
        };
        self.change_link(company, id, turn, Some(audit), change).await?;
        Ok(link.credential(&token.access))
    }

    /// Changes a link beside the changes of others; for a turn, only while it is still that turn.
    async fn change_link(
        &self,
        company: CompanyId,
        id: Id,
        turn: Option<&Turn>,
        audit: Option<AuditRow>,
        change: impl Fn(&mut StoredLink),
    ) -> Result<(), Failure> {
        let mut pause = super::commit::FIRST_PAUSE;
        for _ in 0..WRITES {
            let doc = self.linked(company, &id.to_string()).await?;
            let mut link = StoredLink::read(&doc).map_err(internal)?;
            if turn.is_some() && link.turn.as_ref() != turn {
                return Err(Failure::new(LINK_NOT_CONNECTED, "the link was changed while a token was fetched for it"));
            }
            change(&mut link);
            link.turn = None;
            let write = links::write(company, &link, Expect::Revision(doc.revision));
            let batch = Batch { docs: vec![write], audit: audit.clone().into_iter().collect(), ..Batch::default() };
            match self.store().commit(batch).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                // What was fetched is lost where it is not written: the peer may not give it again.
                Err(CommitError::Store(StoreError::Failed(_))) => {
                    self.parts.world.sleep(pause).await;
                    pause = (pause * 2).min(super::commit::LONGEST_PAUSE);
                }
                Err(CommitError::Store(error)) => return Err(internal(error)),
            }
        }
        Err(internal("the link cannot be written; ask again in a moment"))
    }
}

/// The longest that a token counts as good, whatever the peer says: ten years.
const MOST: u64 = 10 * 365 * 24 * 3600;
