//! Changes of flows: create, edit, publish, roll back, delete. Each is one commit with its
//! audit row.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKind, DocWrite, Expect};
use model::flow::{Flow, FlowDef, FlowVersion, Slug};
use model::ids::{CompanyId, FlowId, GroupId};
use model::play::PlayState;
use model::value::{Value, to_value};
use store::{CommitError, Conflict, DocQuery, PlayQuery, StoreError};

use super::listeners::{listener_key, listener_write};
use super::{FlowError, definition_write, digest_of, flow_key, join, slug_key, version_key};
use crate::driver::{Engine, RequestInfo};
use crate::plan::Problem;

/// Who changes flows, and by which request.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Whose flows.
    pub company: CompanyId,
    /// Who.
    pub actor: Actor,
    /// In which groups they may change flows; none: everywhere, and flows that lie in no group.
    pub groups: Option<BTreeSet<GroupId>>,
    /// The request behind it.
    pub request: RequestInfo,
}

impl Edit {
    /// Whether flows that lie there may be changed.
    fn reaches(&self, group: Option<GroupId>) -> bool {
        self.groups.as_ref().is_none_or(|groups| group.is_some_and(|group| groups.contains(&group)))
    }
}

/// Why a flow was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be found or read.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// Somebody else changed it meanwhile.
    #[error("the draft is at revision {current} now; read it again and apply your change to that")]
    Stale {
        /// Where it stands.
        current: u64,
    },
    /// Another flow has the permanent id.
    #[error("another flow has the permanent id {0}")]
    SlugTaken(Slug),
    /// The permanent id never changes.
    #[error("the permanent id is {0} and never changes; make a new flow for another one")]
    SlugFixed(Slug),
    /// It is not sound.
    #[error("the flow cannot be published: {}", join(.0))]
    Invalid(Vec<Problem>),
    /// There is no such version.
    #[error("the flow has no version {0}")]
    NoSuchVersion(u32),
    /// It still has plays that have not ended.
    #[error("the flow still has plays that have not ended; cancel them first")]
    InUse,
    /// It would lie where they may change nothing.
    #[error("this needs the permission flows:edit where the flow would lie; name another group in groupId")]
    OutsideGroups,
    /// Somebody else must do it.
    #[error("four eyes: {0}")]
    FourEyes(String),
}

impl From<StoreError> for EditError {
    fn from(error: StoreError) -> Self {
        Self::Flow(error.into())
    }
}

/// What publishing made.
#[derive(Debug, Clone)]
pub struct Published {
    /// The flow as it stands now.
    pub flow: Flow,
    /// The version.
    pub version: FlowVersion,
}

/// How often a permanent id is looked for that is not taken.
const SLUG_TRIES: u32 = 100;

impl Engine {
    /// Makes a flow with a draft. Where the definition names no permanent id and the one made of
    /// its name is taken, a number is added.
    ///
    /// # Errors
    /// Where the permanent id it names is taken.
    pub async fn create_flow(&self, edit: &Edit, def: FlowDef) -> Result<Flow, EditError> {
        if !edit.reaches(def.group_id) {
            return Err(EditError::OutsideGroups);
        }
        let wanted = def.slug();
        let named = def.permanent_id.is_some();
        let now = self.now();
        for attempt in 1..=SLUG_TRIES {
            let slug = if attempt == 1 { wanted.clone() } else { wanted.numbered(attempt) };
            let flow = Flow {
                id: FlowId(self.new_id()),
                permanent_id: slug.clone(),
                draft: FlowDef { permanent_id: Some(slug.clone()), ..def.clone() },
                revision: 1,
                published_revision: None,
                version: None,
                on: Vec::new(),
                last_version: 0,
                editors: vec![edit.actor.clone()],
                four_eyes: false,
                created_at: now,
                updated_at: now,
            };
            let audit = self.audit(edit, "flow.create", flow.id, Value::Null, shown(&flow.draft)?);
            match self.write_flow(edit.company, &flow, Expect::Absent, Vec::new(), audit).await {
                Ok(()) => return Ok(flow),
                Err(CommitError::Conflict(Conflict::Key(_))) if named => return Err(EditError::SlugTaken(slug)),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(EditError::SlugTaken(wanted))
    }

    /// Replaces the draft of a flow. With `expected`, only where the draft is still at that revision.
    ///
    /// # Errors
    /// Where there is no such flow, the draft has moved on, or the permanent id is another one.
    pub async fn edit_flow(
        &self,
        edit: &Edit,
        target: &str,
        expected: Option<u64>,
        change: impl Fn(&FlowDef) -> Result<FlowDef, EditError> + Send + Sync,
    ) -> Result<Flow, EditError> {
        self.change_flow(edit, target, "flow.update", |mut flow| {
            if expected.is_some_and(|expected| expected != flow.revision) {
                return Err(EditError::Stale { current: flow.revision });
            }
            let mut def = change(&flow.draft)?;
            match &def.permanent_id {
                Some(slug) if *slug != flow.permanent_id => return Err(EditError::SlugFixed(flow.permanent_id)),
                _ => def.permanent_id = Some(flow.permanent_id.clone()),
            }
            redraft(edit, &mut flow, def);
            Ok((flow, Vec::new()))
        })
        .await
    }

    /// Checks the draft and makes a version of it; that is the version which runs from now on.
    ///
    /// # Errors
    /// With every problem of the draft; or where the flow asks for four eyes, and these are two of them.
    pub async fn publish_flow(self: &Arc<Self>, edit: &Edit, target: &str) -> Result<Published, EditError> {
        let known = self.known_components(edit.company).await.map_err(FlowError::from)?;
        let flow = self
            .change_flow(edit, target, "flow.publish", |flow| {
                let plan = self.compile(&flow.draft).map_err(EditError::Invalid)?;
                let problems = known.check(&plan.def, self.modules());
                if !problems.is_empty() {
                    return Err(EditError::Invalid(problems));
                }
                may_publish(edit, &flow)?;
                let revision = flow.revision;
                let (mut flow, docs) = self.mint(edit, flow, plan.def)?;
                flow.published_revision = Some(revision);
                Ok((flow, docs))
            })
            .await?;
        self.published_version(edit, flow).await
    }

    /// Makes a new version of the definition that an older one has.
    ///
    /// # Errors
    /// Where there is no such version; or where the flow asks for four eyes, before or after: to go back is to change
    /// the draft and to publish it, which one person may not. See [`Engine::redraft_flow`].
    pub async fn roll_back_flow(
        self: &Arc<Self>,
        edit: &Edit,
        target: &str,
        version: u32,
    ) -> Result<Published, EditError> {
        let def = self.old_definition(edit.company, target, version).await?;
        self.compile(&def).map_err(EditError::Invalid)?;
        let problems = self.known_components(edit.company).await.map_err(FlowError::from)?.check(&def, self.modules());
        if !problems.is_empty() {
            return Err(EditError::Invalid(problems));
        }
        let flow = self
            .change_flow(edit, target, "flow.rollback", |mut flow| {
                let asked_before = flow.needs_four_eyes();
                let enabled = flow.draft.enabled;
                redraft(edit, &mut flow, FlowDef { enabled, ..def.clone() });
                if asked_before || flow.needs_four_eyes() {
                    let message = "to go back is to change the flow and to publish it; make that version the draft \
                                   with ?draft=true, and let somebody else publish it";
                    return Err(EditError::FourEyes(message.into()));
                }
                flow.published_revision = Some(flow.revision);
                self.mint(edit, flow, def.clone())
            })
            .await?;
        self.published_version(edit, flow).await
    }

    /// Makes the definition of an older version the draft, and publishes nothing.
    ///
    /// # Errors
    /// Where there is no such version.
    pub async fn redraft_flow(&self, edit: &Edit, target: &str, version: u32) -> Result<Flow, EditError> {
        let def = self.old_definition(edit.company, target, version).await?;
        self.edit_flow(edit, target, None, |draft| Ok(FlowDef { enabled: draft.enabled, ..def.clone() })).await
    }

    async fn old_definition(&self, company: CompanyId, target: &str, version: u32) -> Result<FlowDef, EditError> {
        let (flow, _) = self.flow(company, target).await?.ok_or_else(|| FlowError::NotFound(target.into()))?;
        let old = self.version(company, flow.id, version).await?.ok_or(EditError::NoSuchVersion(version))?;
        Ok(self.definition(company, old.definition).await?)
    }

    async fn published_version(self: &Arc<Self>, edit: &Edit, flow: Flow) -> Result<Published, EditError> {
        let number = flow.last_version;
        let version = self.version(edit.company, flow.id, number).await?.ok_or(EditError::NoSuchVersion(number))?;
        self.look_at_queues(edit.company, flow.id).await?;
        Ok(Published { flow, version })
    }

    fn mint(&self, edit: &Edit, mut flow: Flow, def: FlowDef) -> Result<(Flow, Vec<DocWrite>), EditError> {
        flow.last_version += 1;
        flow.version = Some(flow.last_version);
        flow.on = def.on.clone();
        flow.four_eyes = def.publishing.four_eyes;
        flow.editors.clear();
        let definition = digest_of(&def).map_err(FlowError::from)?;
        let version = FlowVersion {
            flow: flow.id,
            version: flow.last_version,
            definition,
            published_at: self.now(),
            published_by: edit.actor.user,
        };
        let key = version_key(edit.company, flow.id, version.version);
        let docs = vec![DocWrite::put(key, Expect::Absent, &version), definition_write(edit.company, &def, definition)];
        Ok((flow, docs))
    }

    /// Removes a flow and its versions. Its plays stay, as long as retention keeps them.
    ///
    /// # Errors
    /// Where there is no such flow, it has plays that have not ended, or its version asks for four eyes: whoever
    /// removes it could make it anew without.
    pub async fn delete_flow(&self, edit: &Edit, target: &str) -> Result<(), EditError> {
        let (flow, revision) =
            self.flow(edit.company, target).await?.ok_or_else(|| FlowError::NotFound(target.into()))?;
        if !edit.reaches(flow.draft.group_id) {
            return Err(FlowError::NotFound(target.into()).into());
        }
        if flow.four_eyes {
            let message = "to remove the flow, first take publishing.fourEyes out of it, which needs somebody else";
            return Err(EditError::FourEyes(message.into()));
        }
        let open = [PlayState::New, PlayState::Run, PlayState::Deferred, PlayState::Wait, PlayState::OnHold];
        let query = PlayQuery { flow: Some(flow.id), states: open.into(), ..PlayQuery::of(edit.company, 1) };
        if self.store().headers(&query).await?.total > 0 {
            return Err(EditError::InUse);
        }
        let mut docs = vec![
            DocWrite::remove(flow_key(edit.company, flow.id), Expect::Revision(revision)),
            DocWrite::remove(listener_key(edit.company, flow.id), Expect::Anything),
        ];
        docs.extend(
            self.versions(edit.company, flow.id)
                .await?
                .iter()
                .map(|version| DocWrite::remove(version_key(edit.company, flow.id, version.version), Expect::Anything)),
        );
        let audit = self.audit(edit, "flow.delete", flow.id, shown(&flow.draft)?, Value::Null);
        match self.store().commit(Batch::of_docs(docs, audit)).await {
            Ok(_) => {
                self.forget_flow(edit.company, flow.id);
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Err(EditError::Stale { current: flow.revision }),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// The versions of a flow, oldest first.
    ///
    /// # Errors
    /// Where the store fails, or a document is damaged.
    pub async fn versions(&self, company: CompanyId, flow: FlowId) -> Result<Vec<FlowVersion>, FlowError> {
        let query =
            DocQuery { prefix: format!("{flow}/"), ..DocQuery::all(company, DocKind::FlowVersion, usize::MAX >> 1) };
        let docs = self.store().docs(&query).await?;
        docs.iter().map(|doc| Ok(doc.read()?)).collect()
    }

    async fn change_flow(
        &self,
        edit: &Edit,
        target: &str,
        action: &str,
        change: impl Fn(Flow) -> Result<(Flow, Vec<DocWrite>), EditError> + Send + Sync,
    ) -> Result<Flow, EditError> {
        loop {
            let found = self.flow(edit.company, target).await?;
            let (before, revision) = found.ok_or_else(|| FlowError::NotFound(target.into()))?;
            if !edit.reaches(before.draft.group_id) {
                return Err(FlowError::NotFound(target.into()).into());
            }
            let (was, edited) = (shown(&before.draft)?, before.editors.clone());
            let (mut flow, mut docs) = change(before.clone())?;
            if !edit.reaches(flow.draft.group_id) {
                return Err(EditError::OutsideGroups);
            }
            docs.extend(listener_write(edit.company, Some(&before), &flow));
            flow.updated_at = self.now();
            let mut is = vec![
                ("revision", Value::from(flow.revision)),
                ("version", flow.version.into()),
                ("draft", shown(&flow.draft)?),
            ];
            if !docs.is_empty() {
                // It is published: the row says by whom, and whose changes these are.
                is.push(("editors", to_value(&edited).map_err(FlowError::from)?));
            }
            let is = Value::map(is);
            let audit = self.audit(edit, action, flow.id, was, is);
            match self.write_flow(edit.company, &flow, Expect::Revision(revision), docs, audit).await {
                Ok(()) => return Ok(flow),
                // Somebody was quicker: the change is made again, on what they left.
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
    }

    async fn write_flow(
        &self,
        company: CompanyId,
        flow: &Flow,
        expect: Expect,
        docs: Vec<DocWrite>,
        audit: AuditRow,
    ) -> Result<(), CommitError> {
        let unique = slug_key(company, &flow.permanent_id);
        let write = DocWrite::put(flow_key(company, flow.id), expect, flow).unique(unique.scope, unique.text);
        let docs = std::iter::once(write).chain(docs).collect();
        self.store().commit(Batch::of_docs(docs, audit)).await?;
        self.forget_flow(company, flow.id);
        Ok(())
    }

    fn audit(&self, edit: &Edit, action: &str, flow: FlowId, before: Value, after: Value) -> AuditRow {
        AuditRow {
            company: edit.company,
            at: self.now(),
            actor: edit.actor.clone(),
            action: action.to_owned(),
            entity: "flow".into(),
            entity_id: flow.to_string(),
            before,
            after,
            request_id: edit.request.id.clone(),
            ip: edit.request.ip.clone(),
        }
    }
}

/// Another draft. Who sends what is there already has changed nothing.
fn redraft(edit: &Edit, flow: &mut Flow, def: FlowDef) {
    if flow.draft != def {
        flow.edited_by(&edit.actor);
    }
    flow.draft = def;
    flow.revision += 1;
}

/// Refuses whoever would publish what they changed themselves, where the flow asks for four eyes.
fn may_publish(edit: &Edit, flow: &Flow) -> Result<(), EditError> {
    if !flow.needs_four_eyes() {
        return Ok(());
    }
    let refused = |message: String| Err(EditError::FourEyes(message));
    let Some(publisher) = edit.actor.user else {
        return refused("a person must publish this flow, signed in".into());
    };
    if flow.editors.iter().any(|editor| editor.user == Some(publisher)) {
        return refused("you changed the draft since the last version, so somebody else must publish it".into());
    }
    Ok(())
}

fn shown(def: &FlowDef) -> Result<Value, FlowError> {
    Ok(to_value(def)?)
}
