//! What retention has removed from the audit is shown before, needs a yes, and is said of for good afterwards.

use super::audit::sealed;
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, on_a_system};
use namely_okta_sync::clock::Moment;
use namely_okta_sync::domain::Decider;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{Store, prunable, prune_audit};
use serde_json::Value;

/// Rows of the audit may be removed however young they are.
pub fn keep_no_rows(config: &std::path::Path) {
    let text =
        std::fs::read_to_string(config).expect("reads").replacen("[audit]\n", "[audit]\nretention = \"0s\"\n", 1);
    std::fs::write(config, text).expect("writes");
}

/// The exit code of a command, and what it said.
fn cli(rig: &Rig, args: &[&str]) -> (i32, String) {
    let config = config_file(&rig.world, rig.folder.path());
    keep_no_rows(&config);
    run(args, &config)
}

fn run(args: &[&str], config: &std::path::Path) -> (i32, String) {
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

async fn count(rig: &Rig, sql: &'static str) -> i64 {
    rig.store().run(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.expect("reads")
}

fn store(rig: &Rig) -> std::path::PathBuf {
    rig.folder.path().join("store.db")
}

/// After everything.
fn never() -> Moment {
    Moment::from_millis(32_472_144_000_000)
}

/// Somebody has left, and every row of it is sealed and delivered.
async fn with_a_leaver() -> Rig {
    let rig = sealed().await;
    let who = rig.setup.people.iter().position(|p| p.status == Hired::Active).expect("somebody");
    rig.edit(who, |p| p.status = Hired::Inactive);
    rig.until("they have left", async |rig| {
        count(rig, "SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%deactivate%'").await > 0
            && rig.backlog().await == 0
    })
    .await;
    let done = count(&rig, "SELECT max(seq) FROM audit WHERE kind = 'done'").await;
    rig.until("that is sealed and delivered", async |rig| {
        let found = prunable(&Store::reader(store(rig)).expect("opens"), never()).expect("reads");
        found.is_some_and(|which| which.to >= done)
    })
    .await;
    rig
}

#[test]
fn rows_are_only_removed_when_they_are_old_enough_and_somebody_has_said_yes() {
    on_a_system(async {
        let rig = sealed().await;
        let before = count(&rig, "SELECT count(*) FROM audit WHERE seq = 1").await;
        let usual = config_file(&rig.world, rig.folder.path());
        for moment in ["2030-01-01", "399d"] {
            let (code, text) = run(&["audit", "prune", "--before", moment, "--by", "Ann", "--yes"], &usual);
            assert!(code == 64 && text.contains("kept for 400 days (audit.retention)"), "{moment}: {text}");
        }
        let (code, text) = run(&["audit", "prune", "--before", "401d", "--by", "Ann"], &usual);
        assert!(code == 0 && text.contains("nothing was removed"), "{text}");
        // Old enough now, but nobody has said yes: it is only shown.
        let shown = rig.until("something may go", async |rig| {
            let (_, text) = cli(rig, &["audit", "prune", "--before", "10ms", "--by", "Ann"]);
            text.contains("--yes") && text.contains(" rows go, 1 to ") && text.contains("0 of them leavers")
        });
        shown.await;
        assert_eq!(count(&rig, "SELECT count(*) FROM audit WHERE seq = 1").await, before, "nothing is gone");
    });
}

#[test]
fn what_was_removed_is_said_wherever_somebody_asks_about_it() {
    on_a_system(async {
        let rig = with_a_leaver().await;
        // The rig's clock is ahead of the one that the command looks at.
        let c = Store::operator(store(&rig)).expect("opens");
        let which = prunable(&c, never()).expect("reads").expect("rows that may go");
        prune_audit(&c, &which, 1, &Decider::of_user(7, "Ann"), rig.world.clock.now()).expect("removes");
        let gap = "were removed (`audit prune`) by Ann at";
        let (code, text) = cli(&rig, &["audit", "verify"]);
        assert!(code == 0 && text.contains(gap) && text.contains("they told of 1 leaver"), "{text}");
        // Evidence for a span of which rows are gone never looks like one in which nobody has left.
        let folder = rig.folder.path().join("pack");
        let (code, text) = cli(&rig, &["evidence", "--from", "1d", "-o", &folder.display().to_string()]);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("0 leavers in the rows that are left; incomplete: ") && text.contains(gap), "{text}");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the pack");
        assert!(read("index.html").contains("Incomplete: ") && read("index.html").contains("leavers seen in the rows"));
        let manifest: Value = serde_json::from_str(&read("manifest.json")).expect("JSON");
        assert!(manifest["pruned"].as_str().is_some_and(|said| said.contains("they told of 1 leaver")), "{manifest}");
        let output = std::process::Command::new("python3").arg(folder.join("verify.py")).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(3) && said.contains(gap), "{said}");
        // Of what is there it says nothing of the kind.
        let later = rig.folder.path().join("later");
        let (_, text) =
            cli(&rig, &["evidence", "--from", "2998-01-01", "--to", "2999-01-01", "-o", &later.display().to_string()]);
        assert!(!text.contains("incomplete"), "{text}");
        for args in [&["audit", "list", "--run", "1"][..], &["undo", "--run", "1"], &["undo", "--row", "2"]] {
            let (code, text) = cli(&rig, args);
            assert!(code == 1 && text.contains(gap), "{args:?}: {text}");
        }
        let email = rig.setup.people[0].email.clone();
        for args in [
            &["timeline", email.as_str()][..],
            &["undo", "--from", "1d"],
            &["audit", "list"],
            &["audit", "export", "--since", "1d"],
        ] {
            let (code, text) = cli(&rig, args);
            assert!(code == 0 && text.contains(gap), "{args:?}: {text}");
        }
        let (_, text) = cli(&rig, &["undo", "--run", "99"]);
        assert!(text.contains("there is no run 99"), "{text}");
    });
}
