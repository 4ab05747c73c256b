//! What was done can be proved: nothing is edited, removed or cut off unseen, every place gets every row, and nothing is
//! done that cannot be written down.

use crate::common::change::{active, change_everybody, changed, metric};
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::audit::record::chain;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use namely_okta_sync::store::Tx;
use rusqlite::{Connection, params};
use serde_json::Value;

fn cli(rig: &Rig, args: &[&str]) -> (bool, String) {
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// A rig of whose audit some rows are sealed, some more follow, and the service has ended its work.
pub async fn sealed() -> Rig {
    let rig = Rig::settled(Setup::of(12)).await;
    change_everybody(&rig);
    let people = active(&rig);
    rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
    rig.until("that is sealed", async |rig| {
        let sql = "SELECT (SELECT max(seq) FROM checkpoint) >= (SELECT max(seq) FROM audit WHERE kind = 'done')";
        rig.store().run(|c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.expect("reads")
    })
    .await;
    rig
}

/// The audit in the hands of somebody who can write the store.
fn tamper(rig: &Rig, how: impl FnOnce(&Connection)) {
    let store = Connection::open(rig.folder.path().join("store.db")).expect("opens");
    store.busy_timeout(std::time::Duration::from_secs(10)).expect("waits");
    let mut select = store.prepare("SELECT sql FROM sqlite_master WHERE type = 'trigger'").expect("reads");
    let guards = select.query_map([], |row| row.get(0)).expect("reads").collect::<Result<Vec<String>, _>>();
    store.execute_batch("DROP TRIGGER audit_append_only; DROP TRIGGER audit_retention").expect("drops");
    how(&store);
    // Whoever tampers leaves no open door behind.
    store.execute_batch(&guards.expect("reads").join(";")).expect("makes them again");
}

#[test]
fn an_untouched_audit_is_vouched_for_and_says_how_far() {
    on_a_system(async {
        let rig = sealed().await;
        let (ok, text) = cli(&rig, &["audit", "verify"]);
        assert!(ok && text.contains("nothing was edited, removed, exchanged or cut off up to row"), "{text}");
        let store = Connection::open(rig.folder.path().join("store.db")).expect("opens");
        let refused = store.execute("UPDATE audit SET kind = 'done' WHERE seq = 3", []).expect_err("append-only");
        assert!(refused.to_string().contains("never changed"), "{refused}");
        let refused = store.execute("DELETE FROM audit WHERE seq = 3", []).expect_err("append-only");
        assert!(refused.to_string().contains("audit prune"), "{refused}");
    });
}

#[test]
fn whatever_somebody_does_to_the_rows_is_found_and_named() {
    type Attack = (&'static str, fn(&Connection), &'static str);
    let attacks: [Attack; 5] = [
        (
            "edited",
            |c| drop(c.execute("UPDATE audit SET row = replace(row, 'observed', 'nothing') WHERE seq = 4", [])),
            "row 4",
        ),
        ("removed", |c| drop(c.execute("DELETE FROM audit WHERE seq BETWEEN 5 AND 6", [])), "rows 5 to 6"),
        (
            "reordered",
            |c| {
                let row =
                    |seq: i64| c.query_row("SELECT row FROM audit WHERE seq = ?1", [seq], |r| r.get::<_, String>(0));
                let (a, b) = (row(7).expect("a row"), row(8).expect("a row"));
                c.execute("UPDATE audit SET row = ?1 WHERE seq = 7", [b]).expect("writes");
                c.execute("UPDATE audit SET row = ?1 WHERE seq = 8", [a]).expect("writes");
            },
            "row 7 stands where row 8 was",
        ),
        (
            "truncated",
            |c| drop(c.execute("DELETE FROM audit WHERE seq > (SELECT max(seq) FROM checkpoint) - 3", [])),
            "the end is missing",
        ),
        (
            // All of it anew, with a chain that holds.
            "rewritten",
            |c| {
                let mut select = c.prepare("SELECT seq, row FROM audit ORDER BY seq").expect("a query");
                let rows: Vec<(i64, String)> = select
                    .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))
                    .expect("reads")
                    .map(|r| r.expect("a row"))
                    .collect();
                let mut before = Vec::new();
                for (seq, text) in rows {
                    let text = if seq == 4 { text.replace("observed", "nothing") } else { text };
                    before = chain(&before, &text);
                    c.execute("UPDATE audit SET row = ?2, hash = ?3 WHERE seq = ?1", params![seq, text, before])
                        .expect("writes");
                }
            },
            "is not the one that was sealed at",
        ),
    ];
    on_a_system(async move {
        for (what, attack, message) in attacks {
            let rig = sealed().await;
            tamper(&rig, attack);
            let (ok, text) = cli(&rig, &["audit", "verify"]);
            assert!(!ok && text.contains(&format!("{what}: ")) && text.contains(message), "{what}: {text}");
            let (ok, text) = cli(&rig, &["audit", "prune", "--before", "500d", "--by", "Ann", "--yes"]);
            assert!(!ok && text.contains("nothing is removed"), "{text}");
        }
    });
}

#[test]
fn a_forged_checkpoint_is_refused() {
    on_a_system(async {
        let rig = sealed().await;
        let file = rig.folder.path().join("audit-checkpoints.jsonl");
        let text = std::fs::read_to_string(&file).expect("checkpoints");
        let forged = rig.folder.path().join("forged.jsonl");
        std::fs::write(&forged, text.replace("\"seq\":", "\"seq\":1")).expect("writes");
        let (ok, text) = cli(&rig, &["audit", "verify", "--checkpoints", &forged.display().to_string()]);
        assert!(!ok && text.contains("not signed by the key of this service"), "{text}");
        std::fs::write(&forged, "nonsense\n").expect("writes");
        let (ok, text) = cli(&rig, &["audit", "verify", "--checkpoints", &forged.display().to_string()]);
        assert!(!ok && text.contains("line 1"), "{text}");
    });
}

#[test]
fn the_audit_can_be_listed_exported_and_told_as_a_timeline() {
    on_a_system(async {
        let rig = sealed().await;
        let people = &rig.setup.people;
        let who = (0..people.len()).find(|n| people[*n].status == Hired::Active).expect("somebody");
        rig.edit(who, |p| p.status = Hired::Inactive);
        let anchor = people[who].id.clone();
        rig.until_okta("they have left", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        rig.until("that is proved", async |rig| rig.backlog().await == 0).await;
        // Somebody moves too: whoever reads the audit sees which rule gave what.
        let mover = (0..people.len()).find(|n| *n != who && people[*n].status == Hired::Active).expect("a second");
        let department = (people[mover].department + 1) % DEPARTMENTS.len();
        rig.edit(mover, |p| p.department = department);
        let group = format!("Department {}", DEPARTMENTS[department]);
        rig.until_okta("they have moved", |okta| {
            okta.user_by_anchor(&people[mover].id).is_some_and(|u| okta.groups_of(&u.id).contains(&group))
        })
        .await;
        let (_, text) = cli(&rig, &["timeline", &people[mover].email]);
        assert!(text.contains(" by mapping.groups"), "{text}");
        let email = people[who].email.clone();
        let (ok, text) = cli(&rig, &["timeline", &email]);
        let position = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(ok && position("user_status") < position("deactivated: applied"), "{text}");
        assert!(position("deactivated: applied") < position("Okta holds what Namely says"), "{text}");
        let (ok, text) = cli(&rig, &["audit", "list", "--person", &email, "--kind", "effect", "--json"]);
        let rows: Value = serde_json::from_str(&text).expect("JSON");
        assert!(ok && rows.as_array().is_some_and(|r| r.len() >= 5), "{text}");
        let (ok, text) = cli(&rig, &["audit", "list", "--run", "7", "--json"]);
        assert!(!ok && text.contains("there is no run 7"), "{text}");
        let (ok, csv) = cli(&rig, &["audit", "export", "--format", "csv", "--kind", "effect"]);
        assert!(ok && csv.lines().next().is_some_and(|l| l.starts_with("seq,at,kind,org,who")), "{csv}");
        let (ok, lines) = cli(&rig, &["audit", "export"]);
        assert!(ok);
        // Whoever has the export can follow the chain without the store.
        let mut before: Vec<u8> = Vec::new();
        for line in lines.lines() {
            let at = line.find(",\"row\":").expect("a row");
            before = chain(&before, &line[at + 7..line.len() - 1]);
            assert_eq!(line[9..at - 1], namely_okta_sync::domain::hex(&before), "{line}");
        }
    });
}

#[test]
fn an_evidence_pack_has_every_leaver_and_verifies_without_the_program() {
    on_a_system(async {
        let rig = sealed().await;
        let people = &rig.setup.people;
        let who = (0..people.len()).find(|n| people[*n].status == Hired::Active).expect("somebody");
        rig.edit(who, |p| p.status = Hired::Inactive);
        let (anchor, email) = (people[who].id.clone(), people[who].email.clone());
        rig.until_okta("they have left", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        rig.until("that is proved", async |rig| rig.backlog().await == 0).await;
        let folder = rig.folder.path().join("pack");
        let pack = folder.display().to_string();
        // The clock of the service is ahead of this machine's.
        let (ok, text) = cli(&rig, &["evidence", "--from", "1d", "--to", "2999-01-01", "-o", &pack]);
        assert!(ok && text.contains("1 leaver: 1 revoked and proved; 1 of 1 revoked"), "{text}");
        let leavers = std::fs::read_to_string(folder.join("leavers.csv")).expect("leavers");
        let line = leavers.lines().find(|line| line.contains(&anchor)).expect("the leaver");
        assert!(line.contains("revoked and proved"), "{line}");
        let changes = std::fs::read_to_string(folder.join("access-changes.csv")).expect("changes");
        assert!(changes.contains("deactivated: applied") && !changes.contains(&email.to_uppercase()));
        let (_, stated) = cli(&rig, &["audit", "verify", "--json"]);
        let key = serde_json::from_str::<Value>(&stated).expect("JSON")["key"].as_str().expect("a key").to_owned();
        let verify_with = |key: &[&str]| {
            let mut python = std::process::Command::new("python3");
            let output = python.arg(folder.join("verify.py")).args(key).output().expect("runs");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let verify = || {
            let (code, text) = verify_with(&[&key]);
            (code == Some(0), text)
        };
        let (ok, text) = verify();
        assert!(ok && text.starts_with("good: "), "{text}");
        let (code, text) = verify_with(&[]);
        assert!(code == Some(3) && text.contains("not vouched"), "nobody has said which key it must be: {text}");
        let (code, text) = verify_with(&[&"ab".repeat(32)]);
        assert!(code == Some(1) && text.contains("not signed by the key"), "{text}");
        let rows = std::fs::read_to_string(folder.join("audit.jsonl")).expect("rows");
        std::fs::write(folder.join("audit.jsonl"), rows.replacen("inactive", "active", 1)).expect("writes");
        let (ok, text) = verify();
        assert!(
            !ok && text.contains("audit.jsonl is not what was written") && text.contains("does not hang"),
            "{text}"
        );
        // Whoever makes the sums anew has no key to sign them with.
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("the manifest");
        std::fs::write(folder.join("manifest.json"), manifest.replace("\"last_row\": ", "\"last_row\": 1"))
            .expect("writes");
        let (ok, text) = verify();
        assert!(!ok && text.contains("manifest.json is not signed"), "{text}");
        let (ok, text) = cli(&rig, &["evidence", "--from", "1d", "-o", &pack]);
        assert!(!ok && text.contains("never written over"), "{text}");
    });
}

#[test]
fn a_receiver_that_was_down_gets_every_row_once_it_is_back() {
    on_a_system(async {
        let receiver = Receiver::default();
        *receiver.down.lock().expect("locks") = true;
        let url = receiver.start();
        let mut rig = Rig::new(Setup::of(12));
        let sink = format!(
            "[[audit.http]]\nname = \"siem\"\nurl = \"{url}\"\nscheme = \"Splunk\"\ntoken = \"env:OKTA_TOKEN\"\nbatch = 7\n"
        );
        rig.extra = sink;
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        change_everybody(&rig);
        let people = active(&rig);
        rig.until("everybody is changed, whatever the receiver does", async |rig| {
            changed(&rig.world.okta.core()) >= people
        })
        .await;
        assert!(receiver.lines.lock().expect("locks").is_empty());
        *receiver.down.lock().expect("locks") = false;
        rig.until("the receiver has every row", async |rig| {
            let last: i64 = rig
                .store()
                .run(|c| Ok(c.query_row("SELECT max(seq) FROM audit", [], |r| r.get(0))?))
                .await
                .expect("reads");
            let lines = receiver.lines.lock().expect("locks");
            lines.last().is_some_and(|line| line.contains(&format!("\"seq\":{last}")))
        })
        .await;
        let lines = receiver.lines.lock().expect("locks").clone();
        let seqs: Vec<i64> = lines
            .iter()
            .map(|l| serde_json::from_str::<Value>(l).expect("JSON")["seq"].as_i64().expect("a number"))
            .collect();
        assert_eq!(seqs, (1..=i64::try_from(seqs.len()).expect("fits")).collect::<Vec<_>>());
        assert!(receiver.authorised.lock().expect("locks")[0].starts_with("Splunk "));
    });
}

#[test]
fn an_audit_folder_that_cannot_be_written_stops_nobody_and_is_caught_up_with() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        // Where the folder should be there is a file.
        let workspace = rig.folder.path().join("elsewhere");
        std::fs::write(&workspace, "").expect("writes");
        rig.audit_file = Some(workspace.join("audit.jsonl"));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let failures = "namely_okta_sync_audit_sink_failures_total{sink=\"file\"}";
        rig.until("the failure is counted", async |rig| metric(rig, failures).is_some_and(|n| n > 0.0)).await;
        change_everybody(&rig);
        let people = active(&rig);
        rig.until("everybody is changed all the same", async |rig| changed(&rig.world.okta.core()) >= people).await;
        std::fs::remove_file(&workspace).expect("removes");
        rig.until("the file has every row", async |rig| {
            let last: i64 = rig
                .store()
                .run(|c| Ok(c.query_row("SELECT max(seq) FROM audit", [], |r| r.get(0))?))
                .await
                .expect("reads");
            let text = std::fs::read_to_string(workspace.join("audit.jsonl")).unwrap_or_default();
            text.lines().count() == usize::try_from(last).expect("fits")
        })
        .await;
    });
}

#[test]
fn nothing_is_done_that_cannot_be_written_down_and_everything_is_once_the_disk_has_room() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        // The store may not grow: as on a full disk. A little is left in its pages, so that some of the work begins.
        let full = |c: &Tx, room: i64| {
            let pages: i64 = c.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            c.query_row(&format!("PRAGMA max_page_count = {}", pages + room), [], |_| Ok(()))?;
            Ok(())
        };
        rig.store().run(move |c| full(c, 2)).await.expect("limits");
        change_everybody(&rig);
        let people = active(&rig);
        let before = || rig.world.namely.core().history().exchanges().len();
        let asked = before();
        rig.until("Namely was looked at again and again", async |_| before() > asked + 20).await;
        // What was done so far is in the audit: every effect has its row or its announcement.
        let (effects, written): (usize, i64) = (
            rig.effects().len(),
            rig.store()
                .run(|c| {
                    let sql =
                        "SELECT (SELECT count(*) FROM audit WHERE kind = 'effect') + (SELECT count(*) FROM intent)";
                    Ok(c.query_row(sql, [], |row| row.get(0))?)
                })
                .await
                .unwrap_or(i64::MAX),
        );
        assert!(i64::try_from(effects).expect("fits") <= written, "{effects} effects, {written} rows");
        assert!(changed(&rig.world.okta.core()) < people, "the disk was never full");
        // It may be written together with something that still finds the disk full.
        rig.until("the disk has room", async |rig| rig.store().run(move |c| full(c, 1_000_000)).await.is_ok()).await;
        rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
        rig.until("nobody is left", async |rig| rig.backlog().await == 0).await;
    });
}
