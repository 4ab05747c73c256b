//! An org or a tenant gets another name: everything known under the old one is known under the new one.
//!
//! **Invariant:** it is done as a whole before anything else begins, or not at all.

use super::engine::Tx;
use super::rows::meta::{damaged, meta, set_meta};
use super::rows::names;
use super::{Store, StoreError, append};
use crate::audit::details::{ConfigChange, Reconfigured};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::decider::Decider;
use crate::domain::guard::renamed::{Addresses, Named, Renaming, confirmed, renamed};

/// Where each org and tenant was when the service was last started.
const ADDRESSES: &str = "addresses";

/// Why nothing may begin with these addresses: an org or a tenant of the store has another name in the configuration.
pub fn renamed_in(c: &Tx, now: &Addresses) -> Result<Option<String>, StoreError> {
    Ok(renamed(&addresses(c)?, now))
}

fn addresses(c: &Tx) -> Result<Addresses, StoreError> {
    let Some(text) = meta(c, ADDRESSES)? else { return Ok(Addresses::default()) };
    serde_json::from_str(&text).map_err(|e| damaged(ADDRESSES, &e.to_string()))
}

impl Store {
    /// Begins with these addresses, unless an org or a tenant that is known has another name in them which nobody has confirmed.
    pub async fn take_up(
        &self,
        now: Addresses,
        renamings: Option<(Vec<Renaming>, Decider)>,
        at: Moment,
    ) -> Result<(), StoreError> {
        self.run(move |c| {
            let mut before = addresses(c)?;
            if let Some((renamings, by)) = &renamings {
                let found = confirmed(&before, &now, renamings).map_err(StoreError::NotNow)?;
                names::rename(c, &found)?;
                for (what, renaming) in &found {
                    append(c, &row(*what, renaming, by, at))?;
                }
                before.rename(&found);
            }
            match renamed(&before, &now) {
                Some(why) => Err(StoreError::NotNow(why)),
                None => set_meta(c, ADDRESSES, &serde_json::to_string(&before.with(now))?),
            }
        })
        .await
    }
}

fn row(what: Named, renaming: &Renaming, by: &Decider, at: Moment) -> Record {
    let (key, live) = (format!("{}.{}.name", what.section(), renaming.new), false);
    let (before, after) = (Some(renaming.old.clone()), Some(renaming.new.clone()));
    let author = Author::new(by.name.as_str(), by.principal());
    let changes = vec![ConfigChange { key, before, after, live }];
    Record::general(at, Event::Reconfigured(Reconfigured { changes, author }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use std::collections::BTreeMap;

    fn addresses(org: &str, tenant: &str) -> Addresses {
        let at = |name: &str, url: &str| BTreeMap::from([(name.to_owned(), url.to_owned())]);
        Addresses { orgs: at(org, "https://acme.okta.com"), tenants: at(tenant, "https://acme.namely.com") }
    }

    #[tokio::test]
    async fn what_was_known_under_the_old_name_is_known_under_the_new_one_once_somebody_has_confirmed_it() {
        let world = World::new().await;
        let (store, now) = (&world.store, world.now);
        let count = async |sql: &'static str| {
            store.run(move |c| Ok(c.query_row(sql, [], |row| row.get::<i64>(0))?)).await.expect("reads")
        };
        store.take_up(addresses("main", "acme"), None, now).await.expect("the first time");
        let write = |c: &Tx| {
            set_meta(c, "walked acme", "x")?;
            set_meta(c, "read main", "y")?;
            Ok(c.execute_batch(
                "INSERT INTO target (org) VALUES ('main');
                 INSERT INTO acceptance (org, tenant, by, at) VALUES ('main', 'acme', 'Ann', 1);
                 INSERT INTO unreadable (tenant, profile, why, since) VALUES ('acme', 'p1', 'x', 1);",
            )?)
        };
        store.run(write).await.expect("writes");
        let refused = store.take_up(addresses("first", "acme2"), None, now).await.expect_err("nobody has confirmed it");
        assert!(refused.to_string().contains("--renamed acme=acme2"), "{refused}");
        let renamings: Vec<Renaming> = ["main=first", "acme=acme2"].map(|text| text.parse().expect("parses")).into();
        let by = Decider::of_user(0, "Ann");
        store
            .take_up(addresses("first", "acme2"), Some((renamings.clone(), by.clone())), now)
            .await
            .expect("confirmed");
        assert_eq!(count("SELECT count(*) FROM target WHERE org = 'main'").await, 0);
        assert_eq!(count("SELECT count(*) FROM acceptance WHERE org = 'first' AND tenant = 'acme2'").await, 1);
        assert_eq!(count("SELECT count(*) FROM unreadable WHERE tenant = 'acme2'").await, 1);
        assert_eq!(count("SELECT count(*) FROM meta WHERE key IN ('walked acme2', 'read first')").await, 2);
        assert_eq!(count("SELECT count(*) FROM audit WHERE kind = 'reconfigured'").await, 2);
        store.take_up(addresses("first", "acme2"), Some((renamings, by)), now).await.expect("and again");
        assert_eq!(count("SELECT count(*) FROM audit WHERE kind = 'reconfigured'").await, 2, "it is done once");
    }

    #[tokio::test]
    async fn two_tenants_that_have_exchanged_their_names_keep_what_is_theirs() {
        let world = World::new().await;
        let (store, now) = (&world.store, world.now);
        let both = |one: &str, other: &str| Addresses {
            tenants: BTreeMap::from([
                (one.to_owned(), "https://1".to_owned()),
                (other.to_owned(), "https://2".to_owned()),
            ]),
            ..Addresses::default()
        };
        store.take_up(both("a", "b"), None, now).await.expect("the first time");
        let write = |c: &Tx| {
            set_meta(c, "walked a", "of the first")?;
            set_meta(c, "walked b", "of the second")?;
            Ok(c.execute_batch(
                "INSERT INTO unreadable (tenant, profile, why, since) VALUES ('a', 'p', 'first', 1), ('b', 'p', 'second', 1);",
            )?)
        };
        store.run(write).await.expect("writes");
        let renamings: Vec<Renaming> = ["a=b", "b=a"].map(|text| text.parse().expect("parses")).into();
        let by = Decider::of_user(0, "Ann");
        store.take_up(both("b", "a"), Some((renamings, by)), now).await.expect("confirmed");
        let why = store.run(|c| {
            let sql = "SELECT why FROM unreadable WHERE tenant = 'b'";
            Ok((c.query_row(sql, [], |row| row.get::<String>(0))?, meta(c, "walked a")?))
        });
        assert_eq!(why.await.expect("reads"), ("first".to_owned(), Some("of the second".to_owned())));
    }
}
