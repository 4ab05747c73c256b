//! Groups of Namely that are called something else since, and how many people will follow.

use super::engine::{Tx, params};
use super::{StoreError, meta, set_meta};
use crate::clock::Moment;
use serde::de::Error;
use std::collections::{BTreeMap, BTreeSet};

/// Groups of a tenant, by id, as they are called now. A group that is called something else since is expected to show in
/// the profile of everybody in it.
pub(super) fn learn_titles(
    c: &Tx,
    tenant: &str,
    titles: &BTreeMap<String, String>,
    now: Moment,
) -> Result<(), StoreError> {
    let key = format!("titles {tenant}");
    // What cannot be read is not nothing: a rename that nobody expects is evaluated person by person.
    let unreadable = |e: serde_json::Error| {
        let why = format!("the names of the groups of {tenant} cannot be read in the store (meta {key:?}: {e})");
        serde_json::Error::custom(format!("{why}; restore a backup, or remove that row to begin with the names of now"))
    };
    let known: BTreeMap<String, String> = match meta(c, &key)? {
        Some(text) => serde_json::from_str(&text).map_err(unreadable)?,
        None => BTreeMap::new(),
    };
    if known == *titles {
        return Ok(());
    }
    for (id, name) in titles {
        let Some(was) = known.get(id).filter(|was| *was != name) else { continue };
        let to_come: i64 = c.query_row(
            "SELECT count(*) FROM source WHERE tenant = ?1
             AND EXISTS (SELECT 1 FROM json_tree(doc, '$.groups') WHERE type = 'text' AND value = ?2)",
            [tenant, was.as_str()],
            |row| row.get(0),
        )?;
        tracing::warn!(tenant, was, name, people = to_come, "a group of Namely is called something else");
        c.execute(
            "INSERT INTO renamed VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, was, name) DO UPDATE SET at = excluded.at, to_come = excluded.to_come",
            params![tenant, was, name, now.millis(), to_come],
        )?;
    }
    set_meta(c, &key, &serde_json::to_string(titles)?)
}

/// Somebody was seen under the new name of a group.
pub(super) fn follow_rename(
    c: &Tx,
    tenant: &str,
    before: &BTreeMap<String, Vec<String>>,
    after: &BTreeMap<String, Vec<String>>,
) -> Result<(), StoreError> {
    if before == after {
        return Ok(());
    }
    let all = |groups: &BTreeMap<String, Vec<String>>| groups.values().flatten().cloned().collect::<BTreeSet<_>>();
    let (before, after) = (all(before), all(after));
    for was in before.difference(&after) {
        for name in after.difference(&before) {
            c.prepare_cached(
                "UPDATE renamed SET to_come = max(0, to_come - 1) WHERE tenant = ?1 AND was = ?2 AND name = ?3",
            )?
            .execute([tenant, was.as_str(), name.as_str()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
