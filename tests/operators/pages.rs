//! The HTML that people are given opens in a browser: nothing is fetched from elsewhere, the search works without a server.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use crate::common::skipped::skipped;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{OperatorRequest, is_done, request};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A Chromium that needs no screen, if there is one.
fn browser() -> Option<&'static str> {
    let names = ["chromium-headless-shell", "chromium", "google-chrome"];
    names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()))
}

/// The document at `url` after its scripts have run, and what the browser complained about.
fn opened(browser: &str, folder: &Path, url: &str) -> (String, String) {
    let profile = format!("--user-data-dir={}", folder.join("browser").display());
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom", &profile, url])
        .output()
        .expect("the browser starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let complaints: Vec<String> =
        text(&output.stderr).lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (text(&output.stdout), complaints.join("\n"))
}

/// How many rows the page says it shows.
fn shown(page: &str) -> usize {
    let (_, rest) = page.split_once("<span id=\"shown\">").unwrap_or_else(|| panic!("no number: {page}"));
    rest.split('<').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no number: {page}"))
}

fn cli(rig: &Rig, args: &[&str]) {
    let output = program().args(args).arg("--config").arg(config_file(&rig.world, rig.folder.path())).output();
    let output = output.expect("runs");
    // A reconciliation that finds something ends with 1.
    assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn reports_open_in_a_browser_and_can_be_searched_without_a_server() {
    let Some(browser) = browser() else {
        skipped("no Chromium here; `apt-get install chromium-headless-shell` brings one");
        return;
    };
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let people = &rig.setup.people;
        let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
        let active = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n);
        let mut chosen = (0..people.len()).filter(active);
        let (edited, removed, left) =
            (chosen.next().expect("one"), chosen.next().expect("another"), chosen.next().expect("a third"));
        {
            let (now, mut okta) = (rig.world.clock.now(), rig.world.okta.core());
            okta.edit_by_hand(&people[edited].id, "title", "Emperor <b>of</b> China", now);
            okta.remove_by_hand(&people[removed].id, "All Employees", now);
        }
        // What was written a moment ago is not evaluated by lists that lag.
        let before = rig.world.clock.now() + Duration::from_secs(61);
        rig.until("lists have caught up", async |rig| rig.world.clock.now() > before).await;
        let now = rig.world.clock.now();
        let id = rig
            .store()
            .run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now))
            .await
            .expect("asks");
        rig.until("the org was read", async |rig| {
            rig.store().run(move |c| is_done(c, id)).await.expect("reads").is_some()
        })
        .await;
        rig.edit(left, |p| p.status = Hired::Inactive);
        rig.until("somebody has left", async |rig| {
            let proved = "SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%read_back%'";
            rig.store().run(move |c| Ok(c.query_row(proved, [], |r| r.get::<i64>(0))?)).await.expect("reads") > 0
        })
        .await;

        let folder = rig.folder.path();
        let reports = folder.join("reports");
        cli(&rig, &["reconcile", "-o", &reports.display().to_string()]);
        let report = std::fs::read_dir(&reports).expect("reports").filter_map(Result::ok).map(|entry| entry.path());
        let report = report.into_iter().find(|path| path.extension().is_some_and(|e| e == "html")).expect("a page");
        let url = format!("file://{}", report.display());
        let (page, complaints) = opened(browser, folder, &url);
        assert_eq!(complaints, "");
        let all = shown(&page);
        assert!(page.contains("Emperor &lt;b&gt;of&lt;/b&gt; China"), "what people typed stays text: {page}");
        assert!(!page.contains(" src=") && !page.contains("<link"), "nothing comes from elsewhere");
        let (page, complaints) = opened(browser, folder, &format!("{url}#emperor"));
        assert_eq!(complaints, "");
        assert!(all > shown(&page) && shown(&page) > 0, "{} of {all}: {page}", shown(&page));

        let pack = folder.join("pack");
        cli(&rig, &["evidence", "--from", "1d", "--to", "2999-01-01", "-o", &pack.display().to_string()]);
        let (page, complaints) = opened(browser, folder, &format!("file://{}/index.html", pack.display()));
        assert_eq!(complaints, "");
        assert!(page.contains("revoked and proved") && page.contains(&people[left].id), "{page}");
        if let Some(keep) = std::env::var_os("KEEP_PAGES") {
            for (name, page) in [("reconciliation", report), ("evidence", pack.join("index.html"))] {
                let _ = std::fs::copy(page, Path::new(&keep).join(name).with_extension("html"));
            }
        }
    });
}
