//! The service is started, stopped, watched by systemd, copied and brought back, and nothing is lost by it.

use crate::common::program::program;
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

fn terminate(service: &Running) {
    assert!(Command::new("kill").arg(service.0.id().to_string()).status().expect("kill").success());
}

/// Okta answers writes late from now on, and somebody changes; returns once their call is under way.
fn slow_call_in_flight(workspace: &Workspace, late: Duration) {
    workspace.world.okta.core().faults.add(Fault::some(1.0, "POST", "/api/v1/users", Kind::Slow(late)));
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    wait_until("a call is under way", &workspace.log, || workspace.count("intent") > 0);
}

#[test]
fn told_to_end_it_waits_for_calls_under_way_and_leaves_the_rest_in_the_store() {
    let workspace = Workspace::new(12);
    let mut service = workspace.settled();
    slow_call_in_flight(&workspace, Duration::from_secs(2));
    terminate(&service);
    assert!(service.0.wait().expect("ends").success());
    assert!(workspace.log().contains("every call has its outcome"), "{}", workspace.log());
    assert_eq!(workspace.count("intent"), 0);
    assert_eq!(workspace.counted("SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%\"applied\"%'"), 1);
}

#[test]
fn told_to_end_in_the_middle_of_many_runs_it_reports_no_defect() {
    let workspace = Workspace::new(40);
    let mut service = workspace.settled();
    let slow = Fault::always("", "/api/v1/users/", Kind::Slow(Duration::from_millis(400)));
    workspace.world.okta.core().faults.add(slow);
    for n in 0..40 {
        workspace.world.namely.core().edit(n, workspace.world.clock.now(), |p| p.direct_dial = format!("+1 555 {n}"));
    }
    wait_until("runs are in flight", &workspace.log, || workspace.count("intent") > 4);
    terminate(&service);
    assert!(service.0.wait().expect("ends").success());
    assert!(!workspace.log().contains("report it"), "{}", workspace.log());
}

#[test]
fn told_twice_it_ends_at_once_and_the_next_start_looks_at_what_was_under_way() {
    let workspace = Workspace::new(12);
    let mut service = workspace.settled();
    slow_call_in_flight(&workspace, Duration::from_secs(600));
    terminate(&service);
    wait_until("it says that it waits", &workspace.log, || workspace.log().contains("calls under way are waited for"));
    assert!(!service.has_ended(), "it waits");
    terminate(&service);
    assert!(service.0.wait().expect("ends").success());
    assert!(workspace.log().contains("stopped at once") && workspace.count("intent") == 1, "{}", workspace.log());
    assert!(!workspace.log().contains("please report it"), "ending is no mistake: {}", workspace.log());
    workspace.world.okta.core().faults.clear();
    let _again = Running::service(&workspace.config, &workspace.log, None);
    wait_until("the change is there", &workspace.log, || {
        workspace.count("intent") == 0 && dirty(&workspace.store()) == Some((0, 0))
    });
}

#[test]
fn a_second_start_is_told_which_process_has_the_store() {
    let workspace = Workspace::new(5);
    let service = workspace.settled();
    let (ok, said) = workspace.cli(&["run"]);
    assert!(!ok && said.contains(&format!("in use by process {}", service.0.id())), "{said}");
    let (ok, said) = workspace.cli(&["restore", &workspace.store().display().to_string()]);
    assert!(!ok && said.contains("in use by process"), "a restore does not pull the store away: {said}");
}

#[test]
fn systemd_is_told_that_it_is_ready_alive_and_stopping() {
    let workspace = Workspace::new(5);
    let path = workspace.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let log = std::fs::File::create(&workspace.log).expect("a log");
    let mut command = program();
    command.args(["run", "--config"]).arg(&workspace.config).stderr(log);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let service = Running(command.spawn().expect("starts"));
    let message = |word: &str| {
        let mut buffer = [0; 256];
        loop {
            let n =
                socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{word} was never told: {e}\n{}", workspace.log()));
            if String::from_utf8_lossy(&buffer[..n]).contains(word) {
                return;
            }
        }
    };
    message("READY=1");
    message("WATCHDOG=1");
    terminate(&service);
    message("STOPPING=1");
}

#[test]
fn a_copy_is_made_while_it_runs_and_brings_the_store_back() {
    let workspace = Workspace::new(12);
    let mut service = workspace.settled();
    let copy = workspace.folder.path().join("copies/store.db").display().to_string();
    let (ok, said) = workspace.cli(&["backup", "-o", &copy]);
    assert!(ok && said.contains("whole"), "{said}");
    let (ok, said) = workspace.cli(&["backup", "-o", &copy]);
    assert!(!ok && said.contains("there already"), "{said}");
    let rows = workspace.count("audit");
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    wait_until("somebody has changed since", &workspace.log, || {
        workspace.count("audit") > rows && dirty(&workspace.store()) == Some((0, 0))
    });
    service.kill();
    let broken = workspace.folder.path().join("broken.db").display().to_string();
    let bytes = std::fs::read(&copy).expect("reads");
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).expect("writes");
    let (ok, said) = workspace.cli(&["restore", &broken]);
    assert!(!ok && said.contains("not a whole copy"), "{said}");
    let (ok, said) = workspace.cli(&["restore", &copy]);
    assert!(ok && said.contains("before-restore"), "{said}");
    assert!(workspace.count("audit") <= rows + 1, "the store is the copy, with the row that says so");
    let writes = || workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count();
    let before = writes();
    let _again = workspace.settled();
    assert_eq!(writes(), before, "what was done since is seen in Okta and not done again");
}

#[test]
fn the_configuration_is_exchanged_while_it_runs_whole_or_not_at_all() {
    let workspace = Workspace::new(20);
    let token = "an-operators-token-0123456789";
    std::fs::write(workspace.folder.path().join("token"), token).expect("writes");
    let text = std::fs::read_to_string(&workspace.config).expect("reads")
        + "\n[[admin.tokens]]\nname = \"Otto\"\nrole = \"operator\"\ntoken = \"file:token\"\n[mapping.attributes]\ntitle = \"employee.job_title\"\n";
    std::fs::write(&workspace.config, &text).expect("writes");
    let service = workspace.settled();
    let hang_up = || {
        let message = Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill");
        assert!(message.success());
    };

    // A mapping that says something else reaches everybody, without a restart.
    assert!(text.contains("\"employee.job_title\""), "{text}");
    let other = text.replace("\"employee.job_title\"", "\"employee.job_title + '!'\"");
    std::fs::write(&workspace.config, &other).expect("writes");
    hang_up();
    wait_until("every title has changed", &workspace.log, || {
        let (okta, namely) = (workspace.world.okta.core(), workspace.world.namely.core());
        let titled = |n: usize| {
            let user = okta.user_by_anchor(&namely.person(n).id);
            user.and_then(|u| u.profile.get("title")?.as_str().map(|t| t.ends_with('!'))).unwrap_or(false)
        };
        (0..20).filter(|n| titled(*n)).count() >= 15
    });
    assert!(workspace.log().contains("the configuration was exchanged"));

    // What has problems, or needs a restart, changes nothing.
    std::fs::write(&workspace.config, other.replace("employee.job_title +", "employee.job_titel +")).expect("writes");
    hang_up();
    wait_until("the problem is told", &workspace.log, || workspace.log().contains("job_titel"));
    std::fs::write(&workspace.config, other.replace("sandbox-namely", "elsewhere").replace("/api/v1\"", "/api/v2\""))
        .expect("writes");
    hang_up();
    wait_until("it asks for a restart", &workspace.log, || {
        workspace.log().contains("a restart is needed for namely[sandbox].url")
    });

    // The same over HTTP, told with what has changed; and the audit says by whom.
    std::fs::write(&workspace.config, other.replace("hot_interval = \"200ms\"", "hot_interval = \"300ms\""))
        .expect("writes");
    let address = workspace.log().lines().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["fields"]["address"].as_str().map(str::to_owned)
    });
    let url = format!("http://{}/api/v1/reload", address.expect("an address"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let message: serde_json::Value = runtime.block_on(async {
        let sent = reqwest::Client::new().post(url).bearer_auth(token).send().await.expect("answers");
        sent.json().await.expect("JSON")
    });
    assert_eq!(message["changes"][0]["key"], "namely[sandbox].poll.hot_interval", "{message}");
    assert_eq!(message["changes"].as_array().map(Vec::len), Some(1), "{message}");
    assert_eq!(workspace.counted("SELECT count(*) FROM audit WHERE kind = 'reconfigured' AND row LIKE '%Otto%'"), 1);
}

#[test]
fn a_mode_that_is_exchanged_holds_at_once_and_a_pace_disturbs_nobody() {
    let workspace = Workspace::new(12);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let service = workspace.settled();
    let reload = |text: String| {
        let before = workspace.count("audit");
        std::fs::write(&workspace.config, text).expect("writes");
        let message = Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill");
        assert!(message.success());
        let exchanged = format!("SELECT count(*) FROM audit WHERE kind = 'reconfigured' AND seq > {before}");
        wait_until("that is exchanged", &workspace.log, || workspace.counted(&exchanged) == 1);
    };
    let held = || workspace.counted("SELECT count(*) FROM work WHERE state = 2");
    let withheld = || workspace.counted("SELECT count(*) FROM audit WHERE kind = 'withheld'");
    let observing = text.replacen("[[safeguards", "[safeguards]\nmode = \"observe\"\n[[safeguards", 1);
    reload(observing.clone());
    let writes = || workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count();
    let before = writes();
    let person = workspace.world.namely.core().person(3).id.clone();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    wait_until("the change is withheld", &workspace.log, || held() == 1);
    let message = withheld();
    reload(observing.replace("hot_interval = \"200ms\"", "hot_interval = \"250ms\""));
    assert_eq!((held(), withheld(), writes()), (1, message, before), "another pace judges nobody anew");
    reload(text);
    wait_until("the change arrives", &workspace.log, || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&person).and_then(|u| u.profile.get("primaryPhone").cloned()) == Some("+1 555 3".into())
    });
}

#[test]
fn logs_follow_a_run_by_a_pseudonym_with_oktas_request_ids_and_name_nobody() {
    let workspace = Workspace::new(12);
    let log = std::fs::File::create(&workspace.log).expect("a log");
    let mut command = program();
    command.args(["run", "--config"]).arg(&workspace.config).env("RUST_LOG", "namely_okta_sync=debug").stderr(log);
    let _service = Running(command.spawn().expect("starts"));
    wait_until("everybody is compared", &workspace.log, || {
        workspace.count("account") > 0 && dirty(&workspace.store()) == Some((0, 0))
    });
    let person = workspace.world.namely.core().person(3).clone();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    let mut spans = Vec::new();
    wait_until("the answer of Okta is logged in its lane", &workspace.log, || {
        let lines = workspace.log();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        spans =
            lines.filter(|line| line["fields"]["request_id"].is_string()).map(|line| line["span"].clone()).collect();
        !spans.is_empty()
    });
    let span = &spans[0];
    assert!(span["name"] == "run" && span["org"] == "sandbox" && span["priority"].is_string(), "{span}");
    assert_eq!(span["person"].as_str().map(str::len), Some(16), "{span}");
    let log = workspace.log();
    for secret in [&person.email, &person.last_name, &person.id, "+1 555 3"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn there_are_completions_and_manual_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let output = program().args(["completions", shell]).output().expect("runs");
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("quarantine"), "{shell}");
    }
    let output = program().arg("man").arg(folder.path()).output().expect("runs");
    assert!(output.status.success());
    let page = std::fs::read_to_string(folder.path().join("namely-okta-sync-holds-approve.1")).expect("a page");
    assert!(page.contains("exactly what was shown"), "{page}");
}
