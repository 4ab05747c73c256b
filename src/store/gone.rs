//! Groups of the mapping that somebody else has deleted in Okta: written down once, and filled again when they are there again.

use super::engine::Tx;
use super::rows::{account, awaited};
use super::{Store, StoreError, append, dirty};
use crate::audit::{Author, Event, Record, details};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::gone::GoneGroup;
use crate::domain::plan::awaited::Awaited;
use crate::domain::record::employee::FieldChange;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Dirt;

impl Store {
    /// Somebody else has deleted these groups: told once. Those that are made again without a question have whoever was in them
    /// looked at again.
    pub async fn groups_gone(&self, org: &str, gone: Vec<GoneGroup>, now: Moment) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let org = org.to_owned();
        self.run(move |c| {
            for one in &gone {
                let field = format!("group {:?}", one.name);
                let change = FieldChange { field: field.clone(), before: "there".into(), after: "deleted".into() };
                let drifted = Event::Drifted(details::Drifted {
                    account: one.id.clone(),
                    login: field,
                    changes: vec![change],
                    actor: one.actor.clone(),
                    known_at: now,
                    since_copy: false,
                });
                append(c, &Record { org: Some(org.clone()), ..Record::general(now, drifted) })?;
                if one.again == Some(true) {
                    fill(c, &org, &one.name, &one.id, now)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// It was decided whether a group that is gone is made again.
    pub async fn decided_group(
        &self,
        org: &str,
        (name, id): (String, String),
        again: bool,
        author: Author,
        now: Moment,
    ) -> Result<(), StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let word = if again { "made and filled again" } else { "done without" };
            let what = format!("group {name:?}, which somebody else has deleted in Okta, to be {word}");
            let requested = Event::Requested(details::Requested { what, author });
            append(c, &Record { org: Some(org.clone()), ..Record::general(now, requested) })?;
            fill(c, &org, &name, &id, now)
        })
        .await
    }
}

/// Groups of before that are there again under another id, whoever has made them: who was in them is looked at again.
pub(super) fn there_again(
    c: &Tx,
    org: &str,
    before: &Directory,
    now: &Directory,
    at: Moment,
) -> Result<(), StoreError> {
    let gone = before.gone().iter().filter(|one| one.again.is_none() && now.gone().called(&one.name).is_none());
    let gone = gone.filter(|one| now.find(&one.name).is_some()).map(|one| (one.name.clone(), one.id.clone()));
    let made_anew = before.groups().filter(|group| {
        group.writable && !now.knows(&group.id) && now.find(&group.name).is_some_and(|other| other.id != group.id)
    });
    let made_anew = made_anew.map(|group| (group.name.clone(), group.id.clone()));
    for (name, id) in gone.chain(made_anew).collect::<Vec<_>>() {
        fill(c, org, &name, &id, at)?;
    }
    Ok(())
}

/// Who was in a group that is gone, and who waits for it, is looked at again.
fn fill(c: &Tx, org: &str, name: &str, id: &str, now: Moment) -> Result<(), StoreError> {
    let mut people = account::members_of(c, org, id)?;
    people.extend(awaited::who(c, org, &Awaited::Group(name.to_owned()))?);
    people.sort_unstable();
    people.dedup();
    for target in people {
        awaited::set(c, org, target, &[])?;
        dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::Drift), now)?;
    }
    Ok(())
}
