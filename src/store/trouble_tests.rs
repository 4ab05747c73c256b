use super::tests::{World, account, done, effect, page_of};
use super::*;
use crate::audit::details::Started;
use crate::audit::{Event, Outcome, Record};
use crate::clock::Moment;
use crate::domain::Employee;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::{Begun, Next, Release};
use crate::metrics::Metrics;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn one(n: u32) -> Employee {
    Employee { id: format!("{n:08}"), email: format!("p{n}@acme.com"), ..an_employee() }
}

/// Runs SQL in the store, as an edit by hand or a mistake would.
async fn sql(world: &World, sql: &'static str) {
    world.store.run(move |c| Ok(c.execute_batch(sql)?)).await.expect("runs");
}

async fn refuse_rows(world: &World, table: &'static str, when: &'static str, why: &'static str) {
    world.store.run(move |c| Ok(c.refuse_rows(table, when, why)?)).await.expect("makes");
}

async fn drop_trigger(world: &World, trigger: &'static str, table: &'static str) {
    world.store.run(move |c| Ok(c.drop_trigger(trigger, table)?)).await.expect("drops");
}

async fn number(world: &World, sql: &'static str) -> i64 {
    world.store.run(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.expect("reads")
}

fn open(path: &Path) -> Result<Store, String> {
    Store::open(path, Arc::new(rulebook()), Metrics::new().store).map_err(|e| e.to_string())
}

#[tokio::test]
async fn an_outcome_that_the_store_refuses_is_audited_and_the_account_is_read_before_anything_is_written() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("begins") };
    refuse_rows(&world, "account", "", "no account is kept").await;
    let end = EndStep {
        lease: claim.lease,
        intent,
        effect: effect(Outcome::Applied),
        account: Some(account(None)).into(),
        holder: None,
        new_groups: Vec::new(),
        next: Next::Continue,
    };
    let e = world.store.end_step(end.clone(), world.now).await.expect_err("refused");
    assert_eq!(e.trouble(), Trouble::Refused, "{e}");
    let (why, again) = (refusal("what add_group has led to", &e.to_string()), world.now + Duration::from_secs(900));
    world.store.refuse(claim.lease, Some((intent, end.effect)), why, again, world.now).await.expect("lets go");
    let rows = world.audit().await;
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert!(kinds.ends_with(&["effect", "quarantined"]), "{kinds:?}");
    assert!(
        rows.last().expect("a row")["detail"]["why"].as_str().is_some_and(|why| why.contains("no account is kept"))
    );
    assert_eq!(number(&world, "SELECT count(*) FROM intent").await, 0);
    assert!(world.claim().await.is_empty(), "waits");
    drop_trigger(&world, "broken", "account").await;
    let later = World { now: again, ..world };
    later.store.wake_due(later.now).await.expect("wakes");
    assert!(later.claim().await.remove(0).read_first, "read first");
}

#[tokio::test]
async fn what_a_call_has_led_to_is_in_doubt_when_the_store_does_not_take_it_although_okta_has_answered() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(first) = world.begin(&claim).await else { panic!("begins") };
    let end = EndStep {
        lease: claim.lease,
        intent: first,
        effect: effect(Outcome::Applied),
        account: Some(account(None)).into(),
        holder: None,
        new_groups: Vec::new(),
        next: Next::Continue,
    };
    world.store.end_step(end, world.now).await.expect("written");
    let unsure = "SELECT count(*) FROM account WHERE json_text(doc, 'marks.unsure.groups[0]') IS NOT NULL";
    assert_eq!(number(&world, unsure).await, 0);
    let Begun::Intent(second) = world.begin(&claim).await else { panic!("begins") };
    let (effect, again) = (Some((second, effect(Outcome::Applied))), world.now + Duration::from_secs(900));
    world.store.refuse(claim.lease, effect, "refused".into(), again, world.now).await.expect("lets go");
    assert_eq!(number(&world, unsure).await, 1, "a read of the account does not show in which groups it is");
}

#[tokio::test]
async fn even_if_nothing_can_be_audited_a_refused_run_lets_go_and_its_call_stays_announced() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("begins") };
    refuse_rows(&world, "audit", "", "no row is kept").await;
    let refused = world.store.refuse(
        claim.lease,
        Some((intent, effect(Outcome::Applied))),
        "refused".into(),
        world.now + Duration::from_secs(900),
        world.now,
    );
    refused.await.expect("lets go");
    let held = "SELECT count(*) FROM work WHERE token IS NOT NULL OR state <> 1 OR look <> 1";
    assert_eq!(number(&world, held).await, 0);
    assert_eq!(number(&world, "SELECT count(*) FROM intent").await, 1, "the next start closes it with a row");
}

#[tokio::test]
async fn a_run_of_which_nothing_is_heard_is_let_go_and_what_it_says_late_has_the_person_read_again() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("begins") };
    assert_eq!(world.store.claims("main").await.expect("reads"), [claim.lease]);
    let read_first = Release::ReadFirst { at: world.now, why: "nothing was heard".into() };
    world.store.abandon(claim.lease, read_first, world.now).await.expect("lets go");
    assert_eq!(number(&world, "SELECT count(*) FROM intent").await, 0);
    let outcome = world.audit().await.last().expect("a row")["detail"]["outcome"].clone();
    assert_eq!(outcome, "unknown", "whether the call has left is not known");
    let again = world.claim().await.remove(0);
    assert!(again.read_first && again.lease.token > claim.lease.token);
    let late = EndStep {
        lease: claim.lease,
        intent,
        effect: effect(Outcome::Applied),
        account: Some(account(None)).into(),
        holder: None,
        new_groups: Vec::new(),
        next: Next::Release(done()),
    };
    world.store.end_step(late, world.now).await.expect("is audited");
    assert_eq!(number(&world, "SELECT count(*) FROM account").await, 0, "nothing is learnt under an old token");
    let [present] = world.store.claims("main").await.expect("reads")[..] else { panic!("one") };
    assert_eq!((present.target, present.token), (again.lease.target, again.lease.token), "nobody else has them");
    assert!(present.rev > again.lease.rev, "whoever has them has planned without it");
    world.store.release(again.lease, done(), world.now).await.expect("lets go");
    assert!(world.claim().await.remove(0).read_first, "what it has done is read");
}

#[tokio::test]
async fn somebody_whom_the_store_cannot_read_holds_up_nobody_else() {
    let world = World::new().await;
    world.store.commit_page(page_of(&world, (0..3).map(one).collect())).await.expect("commits");
    sql(&world, "UPDATE source SET doc = '{' WHERE profile = '00000001'").await;
    let claims = world.claim().await;
    assert_eq!(claims.len(), 2, "the other two");
    assert_eq!(number(&world, "SELECT count(*) FROM work WHERE state = 1 AND reason LIKE '%store refuses%'").await, 1);
    for claim in claims {
        world.store.release(claim.lease, done(), world.now).await.expect("done");
    }
    sql(&world, "UPDATE work SET changes_at = 1").await;
    world.store.wake_due(world.now).await.expect("the dates of the others are looked at");
    assert_eq!(number(&world, "SELECT count(*) FROM work WHERE changes_at = 1").await, 0);
}

#[tokio::test]
async fn a_profile_that_the_store_refuses_waits_and_the_rest_of_its_page_does_not() {
    let world = World::new().await;
    refuse_rows(&world, "source", "new.profile = '00000001'", "not this one").await;
    let page = || page_of(&world, (0..3).map(one).collect());
    let outcome = world.store.commit_page(page()).await.expect("commits");
    assert_eq!(outcome.accepted.len(), 2);
    let again = world.store.commit_page(page()).await.expect("commits");
    assert_eq!(again.accepted.len(), 2);
    let unreadable = world.audit().await.iter().filter(|row| row["kind"] == "unreadable").count();
    assert_eq!(unreadable, 1, "told once");
    drop_trigger(&world, "broken", "source").await;
    world.store.commit_page(page()).await.expect("commits");
    assert_eq!(number(&world, "SELECT count(*) FROM unreadable").await, 0, "kept, and so not unreadable any more");
}

#[tokio::test]
async fn a_request_that_fails_fails_alone() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let now = world.now;
    let ask = |targets: Vec<i64>| {
        world.store.run(move |c| {
            let asked = serde_json::to_string(&OperatorRequest::Fix { targets })?;
            let insert = "INSERT INTO request (org, what, by, at) VALUES ('main', ?1, 'Ann', 0) RETURNING id";
            Ok(c.prepare(insert)?.insert([asked])?)
        })
    };
    let (bad, good) = (ask(vec![1, 999_999]).await.expect("asks"), ask(vec![1]).await.expect("asks"));
    assert_eq!(world.store.apply_requests(now).await.expect("acts"), 1);
    let came = |id: i64| world.store.run(move |c| is_done(c, id));
    let failed = came(bad).await.expect("reads").expect("done");
    assert!(failed.starts_with("failed:") && failed.contains("999999"), "{failed}");
    assert_eq!(came(good).await.expect("reads").as_deref(), Some("1 people"));
    let asked = world.audit().await.iter().filter(|row| row["kind"] == "requested").count();
    assert_eq!(asked, 1, "of the one that failed nothing is left");
    let operator = Store::operator(world.store.place()).expect("opens");
    for asked in [OperatorRequest::Fix { targets: vec![999_999] }, OperatorRequest::Release { targets: vec![1, 2] }] {
        let refused = request(&operator, "main", &asked, &crate::domain::Decider::of_token("Ann", None), now)
            .expect_err("nobody of that number");
        assert!(matches!(refused, StoreError::NotThere(_)), "{refused}");
    }
    assert!(
        request(
            &operator,
            "other",
            &OperatorRequest::Fix { targets: vec![1] },
            &crate::domain::Decider::of_token("Ann", None),
            now
        )
        .is_err(),
        "of another org"
    );
}

#[tokio::test]
async fn what_the_store_holds_and_cannot_be_read_is_no_missing_row() {
    let damages = [
        ("", ""),
        ("UPDATE meta SET value = 'seven' WHERE key = 'fence'", "fence"),
        ("INSERT INTO pause (change, why, by, at) VALUES ('teleport', 'why', 'ada', 1)", "teleport"),
        (
            "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run)
             SELECT id, 'teleport', org, 'acme', '', 1, '', 1, 1 FROM target",
            "teleport",
        ),
        ("DELETE FROM audit; INSERT INTO meta VALUES ('audit_base', 'nothing')", "audit_base"),
    ];
    for (damage, named) in damages {
        let world = World::new().await;
        world.see(one(1)).await;
        let claim = world.claim().await.remove(0);
        if damage.starts_with("DELETE FROM audit") {
            drop_trigger(&world, "audit_retention", "audit").await;
        }
        sql(&world, damage).await;
        let again = world.store.run(move |c| {
            super::pauses(c)?;
            super::rows::meta::number(c, "fence")?;
            super::rows::risk::known(c, claim.lease.target)?;
            let started = Started { run: 2, void_claims: 0, unknown_calls: 0, rules_changed: false, node: None };
            super::append(c, &Record::general(Moment::from_secs(1), Event::Started(started)))
        });
        let why = again.await.map_or_else(|e| e.to_string(), |_| String::new());
        assert!(why.contains(named) && why.is_empty() == named.is_empty(), "{damage}: {why:?}");
    }
}

#[tokio::test]
async fn a_store_that_was_closed_is_one_file_and_what_was_asked_before_is_in_it() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let path = world.store.path().to_owned();
    assert!(std::fs::metadata(beside(&path, "-wal")).is_ok_and(|wal| wal.len() > 0));
    let written = world.store.run(|c| super::rows::meta::set_meta(c, "last", "word"));
    let (written, closed) = tokio::join!(written, world.store.close());
    written.expect("written");
    closed.expect("closes");
    let size = |suffix: &str| std::fs::metadata(beside(&path, suffix)).map_or(0, |file| file.len());
    assert_eq!((size("-wal"), size("-shm")), (0, 0));
    let alone = world.folder.path().join("alone.db");
    std::fs::copy(&path, &alone).expect("copies");
    let c = Store::reader(&alone).expect("opens");
    assert_eq!(super::rows::meta::meta(&c, "last").expect("reads").as_deref(), Some("word"));
    assert!(matches!(world.store.run(|_| Ok(())).await, Err(StoreError::Stopped)), "nothing is written after it");
}

#[test]
fn whatever_is_wrong_with_the_file_is_said_once_with_its_path_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder.db")).expect("makes");
    std::fs::write(path("empty.db"), "").expect("writes");
    std::fs::write(path("garbage.db"), "this is no database at all".repeat(500)).expect("writes");
    Tx::stranger(&path("other.db")).execute_batch("CREATE TABLE t (x)").expect("makes");
    let whole = path("whole.db");
    drop(open(&whole).expect("opens"));
    let mut bytes = loop {
        // The thread of the store closes the file.
        if Tx::stranger(&whole).execute_batch("PRAGMA journal_mode = DELETE").is_ok() {
            break std::fs::read(&whole).expect("reads");
        }
    };
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(path("damaged.db"), &bytes).expect("writes");
    for (name, means, to_do) in [
        ("folder.db", "is a folder", "service.store"),
        ("empty.db", "is empty", "restore BACKUP"),
        ("garbage.db", "not a database", "restore BACKUP"),
        ("other.db", "another program", "service.store"),
        ("damaged.db", "its pages are damaged", "restore BACKUP"),
    ] {
        let message = open(&path(name)).err().unwrap_or_else(|| panic!("{name} opens"));
        assert!(message.contains(name) && message.contains(means) && message.contains(to_do), "{name}: {message}");
        assert_eq!(message.matches(means).count(), 1, "{message}");
    }
}

#[test]
fn a_new_store_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    std::fs::write(beside(&path, ".making"), "a start that was killed").expect("writes");
    open(&path).expect("opens");
    assert!(!beside(&path, ".making").exists());
}

#[tokio::test]
async fn nothing_begins_on_a_store_that_was_found_damaged() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let claim = world.claim().await.remove(0);
    world.store.condition().saw(&Failure::damaged("page 7 is not what it should be"));
    assert_eq!(world.begin(&claim).await, Begun::Stale);
    world.store.release(claim.lease, Release::Stale, world.now).await.expect("lets go");
    assert!(world.claim().await.is_empty());
    let message = world.store.trouble().expect("is told");
    assert!(message.contains("s.db") && message.contains("page 7") && message.contains("restore"), "{message}");
}

#[test]
fn whoever_waits_for_a_lock_beside_the_service_gives_up_and_is_told_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    let _store = open(&path).expect("opens");
    let other = Tx::stranger(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let message = Store::operator(&path).expect_err("locked").to_string();
    assert!(message.contains("s.db") && message.contains("15 s") && message.contains("try again"), "{message}");
}
