//! A store moves: from a file to a database of a server, or back.
//!
//! **Invariant:** at no time can two services work on what was one store. The old one is marked before the first row is copied, and a
//! marked store serves nobody; the new one holds either everything, compared row by row, or nothing.

use super::engine::{Held, Location, Reader, Writer, copy, held, holds_something};
use super::rows::meta::{forget, set_meta};
use super::stayed::{MOVED_TO, has_stayed, moved_to};
use super::{StoreError, append};
use crate::audit::details::StoreMoved;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::Decider;
use crate::metrics::StoreMetrics;

/// Moves the store at `from` to `to`, where nothing is yet; nobody may work on either. `seen` is told of each table and how many of its
/// rows were copied so far. Returns what was copied.
pub async fn move_store(
    from: &Location,
    to: &Location,
    by: &Decider,
    now: Moment,
    metrics: [StoreMetrics; 2],
    seen: impl FnMut(&'static str, u64) + Send + 'static,
) -> Result<Vec<Held>, StoreError> {
    let [metrics, of_new] = metrics;
    let author = Author::new(&*by.name, by.principal());
    let moved = StoreMoved { from: from.to_string(), to: to.to_string(), author };
    let old = Writer::open(from, None, metrics)?;
    let copied = match may_move(&old, to).await {
        Err(e) => Err(e),
        Ok(is_again) => match Writer::open(to, None, of_new) {
            Err(e) => Err(e),
            Ok(new) => {
                let copied = copy_all(&old, &new, is_again, Record::general(now, Event::StoreMoved(moved)), seen).await;
                let closed = new.close().await.map_err(StoreError::NotNow);
                copied.and_then(|copied| closed.map(|()| copied))
            }
        },
    };
    // What it holds has been read; that its log could not be brought into the file harms nobody.
    let _ = old.close().await;
    copied
}

/// Whether the store may move there; tells whether that had begun before.
async fn may_move(old: &Writer, to: &Location) -> Result<bool, StoreError> {
    let (place, to) = (old.place().clone(), to.to_string());
    old.run(move |c| match moved_to(c)? {
        Some(before) if before == to => Ok(true),
        _ => has_stayed(c, &place).map(|()| false),
    })
    .await
}

async fn copy_all(
    old: &Writer,
    new: &Writer,
    is_again: bool,
    moved: Record,
    mut seen: impl FnMut(&'static str, u64) + Send + 'static,
) -> Result<Vec<Held>, StoreError> {
    let (source, to) = (old.place().clone(), new.place().to_string());
    if let Some(table) = new.run(holds_something).await? {
        let why = if is_again {
            "the store has moved there already: name it as service.store"
        } else {
            "name an empty place"
        };
        return Err(StoreError::NotNow(format!("{to} is not empty (there are rows in {table}); {why}")));
    }
    old.run(move |c| set_meta(c, MOVED_TO, &to)).await?;
    let copied = new
        .run(move |to| {
            let from = Reader::open(&source)?;
            from.stand_still()?;
            let copied = copy(&from, to, &mut seen)?;
            compare(&copied, &held(to)?)?;
            forget(to, MOVED_TO)?;
            append(to, &moved)?;
            Ok(copied)
        })
        .await;
    if copied.is_err() {
        // What is told to have failed has not happened: the old one is the store still.
        old.run(|c| forget(c, MOVED_TO)).await?;
    }
    copied
}

/// That what was read from one is what was read from the other.
fn compare(copied: &[Held], found: &[Held]) -> Result<(), StoreError> {
    for (copied, found) in copied.iter().zip(found) {
        if copied != found {
            let Held { table, rows, .. } = copied;
            return Err(StoreError::NotNow(format!(
                "the copy of {table} is not what was copied ({rows} rows, {} found): nothing was moved; please report it",
                found.rows
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::engine::Tx;
    use super::super::engine::server_tests::place;
    use super::super::{Store, verify_audit};
    use super::*;
    use crate::audit::details::Started;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::metrics::Metrics;
    use std::sync::Arc;

    fn open(place: &Location) -> Result<Store, StoreError> {
        Store::open(place, Arc::new(rulebook()), Metrics::new().store)
    }

    /// A store with something of each kind of column, of which the last number of a table is of a row that is gone.
    async fn a_store(place: &Location) {
        let store = open(place).expect("opens");
        let write = |c: &Tx| {
            for number in 0..700 {
                let text = format!("{number} \u{feff}Ł, 'quoted' \u{1F600}");
                c.execute("INSERT INTO target (org, okta_id) VALUES ('main', ?1)", [&text])?;
            }
            c.execute_batch(
                "INSERT INTO source (tenant, profile, doc, hash, seen_at, run) VALUES ('acme', 'p', '{}', CAST('hash' AS BLOB), 1, 1)",
            )
            .or_else(|_| {
                c.execute_batch(
                    "INSERT INTO source (tenant, profile, doc, hash, seen_at, run) VALUES ('acme', 'p', '{}', 'hash'::bytea, 1, 1)",
                )
            })?;
            c.execute_batch(
                "INSERT INTO hold (org, change, scope, why, needs, since, reminded) VALUES ('main', 'deactivate', 's', 'w', 1, 1, 1);
                 INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold)
                   VALUES (1, 'deactivate', 'main', 'acme', '', 1, 's', 1, 1, 1);
                 INSERT INTO request (org, what, by, at) VALUES ('main', '{}', 'Ann', 1), ('main', '{}', 'Ann', 2);
                 DELETE FROM request WHERE id = 2;",
            )?;
            let started = Started { run: 1, void_claims: 0, unknown_calls: 0, rules_changed: false, node: None };
            append(c, &Record::general(Moment::from_secs(1), Event::Started(started)))?;
            Ok(())
        };
        store.run(write).await.expect("writes");
        store.close().await.expect("closes");
    }

    /// Moves a store, as soon as whoever had it before has let it go.
    async fn moves(from: &Location, to: &Location) -> Result<Vec<Held>, StoreError> {
        loop {
            let metrics = [Metrics::new().store, Metrics::new().store];
            match move_store(from, to, &Decider::of_user(0, "Ann"), Moment::from_secs(2), metrics, |_, _| {}).await {
                Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
                done => return done,
            }
        }
    }

    fn held_in(place: &Location) -> Vec<Held> {
        held(&Reader::open(place).expect("opens")).expect("reads")
    }

    #[tokio::test]
    async fn a_store_that_moves_there_and_back_is_the_same_and_only_the_last_one_serves() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, last] = ["first.db", "last.db"].map(|name| Location::from(folder.path().join(name)));
        let there = place(folder.path());
        a_store(&first).await;
        let before = held_in(&first);
        assert_eq!(before.iter().find(|it| it.table == "target").map(|it| it.rows), Some(700));
        moves(&first, &there).await.expect("moves");
        moves(&there, &last).await.expect("moves back");
        let after = held_in(&last);
        for (before, after) in before.iter().zip(&after) {
            match before.table {
                "audit" => assert_eq!(after.rows, before.rows + 2, "each move stands there"),
                _ => assert_eq!(after, before),
            }
        }
        for moved in [&first, &there] {
            let why = open(moved).map(|_| ()).expect_err("serves nobody any more").to_string();
            assert!(why.contains("was moved to") && why.contains("service.store"), "{why}");
            let why = Store::operator(moved).map(|_| ()).expect_err("nobody would carry it out").to_string();
            assert!(why.contains("was moved to"), "{why}");
        }
        let store = open(&last).expect("this is the store");
        let add = "INSERT INTO request (org, what, by, at) VALUES ('main', '{}', 'Ann', 3) RETURNING id";
        let next = store.run(move |c| Ok(c.query_row(add, [], |row| row.get::<i64>(0))?)).await.expect("writes");
        assert_eq!(next, 3, "a number that was given is not given again");
        let verdict = verify_audit(&Reader::open(&last).expect("opens"), &[], || ()).expect("verifies");
        assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    }

    #[tokio::test]
    async fn a_place_that_is_not_empty_is_left_alone_and_the_store_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (Location::from(folder.path().join("from.db")), place(folder.path()));
        a_store(&from).await;
        let other = open(&to).expect("opens");
        other.run(|c| set_meta(c, "somebody's", "own")).await.expect("writes");
        other.close().await.expect("closes");
        let why = moves(&from, &to).await.expect_err("there is something").to_string();
        assert!(why.contains("is not empty (there are rows in meta); name an empty place"), "{why}");
        open(&from).expect("is the store still").close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_copy_that_breaks_off_leaves_nothing_there_and_the_store_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (Location::from(folder.path().join("from.db")), place(folder.path()));
        a_store(&from).await;
        let other = open(&to).expect("opens");
        other.run(|c| Ok(c.refuse_rows("hold", "", "no room")?)).await.expect("breaks");
        other.close().await.expect("closes");
        let why = moves(&from, &to).await.expect_err("a row is refused").to_string();
        assert!(why.contains("no room"), "{why}");
        assert!(held_in(&to).iter().all(|it| it.rows == 0), "all or nothing");
        open(&from).expect("is the store still").close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_move_that_was_killed_is_brought_to_its_end_by_the_same_command_and_by_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (Location::from(folder.path().join("from.db")), place(folder.path()));
        a_store(&from).await;
        let named = to.to_string();
        let killed = open(&from).expect("opens");
        killed.run(move |c| set_meta(c, MOVED_TO, &named)).await.expect("as it stands before the first row is copied");
        killed.close().await.expect("closes");
        assert!(open(&from).is_err(), "nobody knows whether it has moved");
        let elsewhere = Location::from(folder.path().join("elsewhere.db"));
        let why = moves(&from, &elsewhere).await.expect_err("it may be in two places then").to_string();
        assert!(why.contains("`migrate-store` with the same place"), "{why}");
        moves(&from, &to).await.expect("moves");
        let why = moves(&from, &to).await.expect_err("it is there").to_string();
        assert!(why.contains("the store has moved there already"), "{why}");
        open(&to).expect("is the store").close().await.expect("closes");
    }
}
