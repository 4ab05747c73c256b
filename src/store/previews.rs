//! What would be done, computed beside the service from what it has written down.

use super::directories::{directory, put, text};
use super::engine::Tx;
use super::rows::{people, target};
use super::{Store, StoreError, approved, awaiting, cases, gone, rejections};
use crate::clock::Moment;
use crate::domain::guard::preview::{About, Preview, preview};
use crate::domain::{Directory, Group, Rulebook};
use std::borrow::Cow;

/// Whom to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Whoever is not proved to be as they should be.
    Dirty,
    /// Of those, whoever became so after this moment.
    Since(Moment),
    /// Everybody.
    Everybody,
}

impl Store {
    /// Writes down what an org has besides people, for whoever plans beside the service.
    /// Whoever waited for something that it has is tried again; returns how many they are.
    pub async fn put_directory(&self, org: &str, directory: &Directory, now: Moment) -> Result<usize, StoreError> {
        // Whoever evaluates a change reads it here: a group whose members decide must be known as one to them too.
        let directory = directory.clone().with_deciding(self.rules().load().safeguards.deciding(org));
        let (org, new) = (org.to_owned(), serde_json::to_string(&directory)?);
        self.run(move |c| {
            let before = text(c, &org)?;
            if before.as_ref() != Some(&new) {
                put(c, &org, &new)?;
                if let Some(before) = before {
                    gone::there_again(c, &org, &serde_json::from_str(&before)?, &directory, now)?;
                }
            }
            awaiting::directory_read(c, &org, &directory, now)
        })
        .await
    }
}

/// A group was made in an org, or seen there for the first time: whoever plans beside the service, and the next start, know it at once.
pub(super) fn group_seen(c: &Tx, org: &str, group: &Group, now: Moment) -> Result<(), StoreError> {
    let Some(mut known) = directory(c, org)? else { return Ok(()) };
    let before = known.clone();
    known.learn(group);
    gone::there_again(c, org, &before, &known, now)?;
    put(c, org, &serde_json::to_string(&known)?)?;
    awaiting::directory_read(c, org, &known, now).map(drop)
}

/// The rules that everybody was last linked by, as their fingerprint; nothing while everybody is looked at under new ones.
pub fn rules_of_plans(c: &Tx) -> Result<Option<String>, StoreError> {
    Ok(Some(approved::fingerprint(c)?).filter(|rules| !rules.is_empty()))
}

/// What would be done for one target.
pub fn preview_of(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    directory: &mut Cow<Directory>,
    now: Moment,
) -> Result<Option<Preview>, StoreError> {
    let Some(case) = cases::whole(c, rules, target, now)? else { return Ok(None) };
    let (conflict, rejected) = (target::conflict(c, target)?, rejections::binding(c, target, &case, now)?);
    let about = About { target, case: &case, conflict: conflict.as_deref(), rejected: &rejected };
    Ok(Some(preview(about, rules, directory, now)))
}

/// What would be done in an org, for whoever has something to be done; `seen` is told of everybody who was looked at.
pub fn previews(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    extent: Extent,
    now: Moment,
    mut seen: impl FnMut(),
) -> Result<Vec<Preview>, StoreError> {
    let Some(directory) = directory(c, org)? else { return Ok(Vec::new()) };
    let mut directory = Cow::Owned(directory);
    let since = match extent {
        Extent::Since(moment) => Some(moment),
        Extent::Dirty | Extent::Everybody => None,
    };
    let targets = people::to_preview(c, org, extent == Extent::Everybody, since)?;
    let mut found = Vec::new();
    for target in targets {
        seen();
        found.extend(preview_of(c, rules, target, &mut directory, now)?.filter(|preview| !preview.is_empty()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::domain::plan::limits::SignIn;
    use crate::domain::plan::rulebook::tests::rulebook;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn what_is_read_of_an_org_from_the_store_says_which_groups_let_people_decide() {
        let mut rules = rulebook();
        let approvers = BTreeSet::from(["Approvers".to_owned()]);
        rules.safeguards.sign_in = Some(SignIn { org: "main".into(), approvers });
        let world = World::under(rules).await;
        let group = |org: &str| Group { id: format!("00g{org}"), name: "Approvers".into(), writable: true };
        for org in ["main", "other"] {
            let read = Directory::new([group(org)], BTreeSet::new());
            world.store.put_directory(org, &read, world.now).await.expect("writes");
            let found = world.store.run(move |c| directory(c, org)).await.expect("reads").expect("is there");
            assert_eq!(found.carries_role(&format!("00g{org}")), (org == "main").then_some(true), "{org}");
        }
    }
}
