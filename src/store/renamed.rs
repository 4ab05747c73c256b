//! Groups of Namely that are called something else since, and how many people will follow.

use super::StoreError;
use super::engine::Tx;
use super::rows::{org, renamed, source};
use crate::clock::Moment;
use crate::domain::record::employee::Employee;
use crate::domain::record::groups;
use std::collections::BTreeMap;

/// Groups of a tenant, by id, as they are called now. A group that is called something else since is expected to show in
/// the profile of everybody in it.
pub(super) fn learn_titles(
    c: &Tx,
    tenant: &str,
    titles: &BTreeMap<String, String>,
    now: Moment,
) -> Result<(), StoreError> {
    let known = org::titles(c, tenant)?;
    if known == *titles {
        return Ok(());
    }
    for (was, name) in groups::renamed(&known, titles) {
        let to_come = source::in_group(c, tenant, was)?;
        tracing::warn!(tenant, was, name, people = to_come, "a group of Namely is called something else");
        renamed::save(c, tenant, (was, name), to_come, now)?;
    }
    org::set_titles(c, tenant, titles)
}

/// People were seen under the new names of groups, each as they were before and as they are now.
pub(super) fn follow_renames<'a>(
    c: &Tx,
    tenant: &str,
    people: impl IntoIterator<Item = (&'a Employee, &'a Employee)>,
) -> Result<(), StoreError> {
    let mut followed: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (before, after) in people {
        for moved in groups::moves(&before.groups, &after.groups) {
            *followed.entry(moved).or_default() += 1;
        }
    }
    for (moved, people) in followed {
        renamed::followed(c, tenant, moved, people)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::rows::meta::{meta, set_meta};
    use super::super::tests::World;
    use super::*;

    #[tokio::test]
    async fn names_that_cannot_be_read_are_unknown_and_are_not_taken_for_none() {
        let world = World::new().await;
        let titles = |name: &str| BTreeMap::from([("g1".to_owned(), name.to_owned())]);
        world.store.run(|c| set_meta(c, "titles acme", "{\"g1\":")).await.expect("writes");
        let learnt = world.store.learn_titles("acme".into(), titles("Sales"), world.now).await;
        assert!(learnt.is_err_and(|e| e.to_string().contains("titles acme")), "it is said which row");
        let kept = world.store.run(|c| meta(c, "titles acme")).await.expect("reads");
        assert_eq!(kept.as_deref(), Some("{\"g1\":"), "and it is not written over");
        world.store.run(|c| set_meta(c, "titles acme", "{\"g1\":\"Sales EMEA\"}")).await.expect("writes");
        world.store.learn_titles("acme".into(), titles("Sales"), world.now).await.expect("learns");
        let renamed =
            world.store.run(|c| Ok(c.query_row("SELECT count(*) FROM renamed", [], |row| row.get::<i64>(0))?));
        assert_eq!(renamed.await.expect("reads"), 1);
    }
}
