//! People are told in digests, without floods, through receivers that are really there.

use crate::common::change::{active, metric};
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use crate::common::skipped::skipped;
use namely_okta_sync::config::Config;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::{OperatorRequest, request};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A rig whose channels are these, with the variables that they refer to.
async fn message(n: usize, extra: &str, variables: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(Setup::of(n));
    rig.extra = extra.to_owned();
    rig.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig
}

fn a_worker(rig: &Rig) -> usize {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len())
        .find(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n))
        .expect("somebody")
}

#[test]
fn a_hire_and_a_leaver_are_told_to_slack_and_teams_by_name_and_without_any_value() {
    on_a_system(async {
        let (slack, teams) = (Receiver::default(), Receiver::default());
        let channels = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"5s\"\n\n\
                        [[notify]]\nname = \"hr\"\nkind = \"teams\"\nurl = \"env:TEAMS\"\nevents = [\"leaver_done\"]\n";
        let rig = message(20, channels, &[("SLACK", &slack.start()), ("TEAMS", &teams.start())]).await;
        let who = a_worker(&rig);
        let mut joiner = Hr::new(7, today(rig.world.clock.now())).joiner(1);
        joiner.email = "joiner7@example.com".into();
        joiner.direct_dial = "+1 555 31415".into();
        rig.hire(joiner.clone());
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("Slack has both", async |_| {
            let all = slack.bodies().join("\n");
            all.contains("New hires ready: 1") && all.contains("Leavers done: 1")
        })
        .await;
        let all = slack.bodies().join("\n");
        assert!(all.contains(&joiner.last_name) && all.contains(&rig.setup.people[who].last_name), "{all}");
        assert!(!all.contains("31415") && !all.contains("joiner7@"), "{all}");
        rig.until("Teams has the leaver", async |_| !teams.bodies().is_empty()).await;
        let card: Value = serde_json::from_str(&teams.bodies()[0]).expect("JSON");
        let body = &card["attachments"][0]["content"]["body"];
        assert_eq!(body[0]["text"], "leavers done: 1");
        assert!(!teams.bodies().join("").contains("New hires"), "not what the channel is for");
    });
}

#[test]
fn a_mass_change_is_one_message_and_a_hold_is_told_at_once() {
    on_a_system(async {
        let webhook = Receiver::default();
        let channels = "[[notify]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"env:HOOK\"\nsecret = \"env:SECRET\"\n\
                        every = \"10m\"\nevents = [\"access_change\", \"hold\"]\n";
        let mut rig = Rig::new(Setup::of(60));
        rig.setup.rewrite = |text| {
            let end = text.find("# Scenarios change most").expect("the raised limits");
            format!("{}\n[[safeguards.limits]]\nchange = \"remove_group\"\npeople = 1000\n", &text[..end])
        };
        rig.extra = channels.to_owned();
        rig.variables = vec![("HOOK".into(), webhook.start()), ("SECRET".into(), "s3cret".into())];
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        (0..60).for_each(|n| rig.edit(n, |p| p.department = (p.department + 1) % 8));
        rig.until("everybody has moved", async |rig| rig.backlog().await == 0 && !rig.effects().is_empty()).await;
        assert!(webhook.bodies().is_empty(), "{:?}", webhook.bodies());
        let now = rig.world.clock.now();
        {
            let mut namely = rig.world.namely.core();
            (0..60).for_each(|n| namely.edit(n, now, |p| p.status = Hired::Inactive));
        }
        rig.until("the hold is told", async |_| !webhook.bodies().is_empty()).await;
        let bodies = webhook.bodies();
        let first: Value = serde_json::from_str(&bodies[0]).expect("JSON");
        let events = first["events"].as_array().expect("events");
        assert_eq!(events[0]["event"], "hold");
        assert!(events[0]["message"][0].as_str().is_some_and(|message| message.contains("deactivate")), "{first:#}");
        assert_eq!(events.len(), 1, "what was gathered does not come with it: {first:#}");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"s3cret");
        let signed = namely_okta_sync::domain::hex(aws_lc_rs::hmac::sign(&key, bodies[0].as_bytes()).as_ref());
        assert_eq!(webhook.signatures.lock().expect("locks")[0], format!("sha256={signed}"));
        rig.until_later("the digest is due", Duration::from_secs(601)).await;
        rig.until("the mass change is told", async |_| webhook.bodies().iter().any(|b| b.contains("access_change")))
            .await;
        let digests = webhook.bodies().into_iter().filter(|body| body.contains("access_change"));
        let digests: Vec<Value> = digests.map(|body| serde_json::from_str(&body).expect("JSON")).collect();
        let moved = &digests[0]["events"][0];
        assert!(
            digests.len() == 1
                && moved["count"].as_u64() > Some(40)
                && moved["people"].as_array().map(Vec::len) <= Some(15),
            "{digests:#?}"
        );
    });
}

#[test]
fn a_receiver_that_is_down_delays_nobody_and_is_told_when_it_is_back() {
    on_a_system(async {
        let slack = Receiver::default();
        let channels = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"1s\"\n";
        let rig = message(20, channels, &[("SLACK", &slack.start())]).await;
        slack.set_down(true);
        let who = a_worker(&rig);
        rig.edit(who, |p| p.status = Hired::Inactive);
        let anchor = rig.setup.people[who].id.clone();
        rig.until_okta("they have left", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        let failed = "namely_okta_sync_notification_failures_total{channel=\"it\"}";
        rig.until("the failure is counted", async |rig| metric(rig, failed).is_some_and(|n| n > 0.0)).await;
        slack.set_down(false);
        rig.until("Slack is told", async |_| slack.bodies().join("").contains("Leavers done")).await;
        assert!(active(&rig) > 0);
    });
}

#[test]
fn a_template_is_checked_before_the_start_and_says_where_it_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bad.txt"), "hello\n{{ nothing.like.that }}\n").expect("writes");
    std::fs::write(folder.path().join("good.txt"), "{% for e in events %}{{ e.title }} {{ e.count }};{% endfor %}")
        .expect("writes");
    let problems = |template: &str| {
        let text = format!(
            "{}\n[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\ntemplate = \"{template}\"\n",
            include_str!("../../config/sandbox.toml")
        );
        let read = Config::parse(&folder.path().join("config.toml"), &text, &|_| Some("http://127.0.0.1:1/".into()));
        read.err().map(|problems| problems.to_string())
    };
    let bad = problems("bad.txt").expect("a problem");
    assert!(bad.contains("notify[1].template: bad.txt: line 2"), "{bad}");
    assert!(problems("none.txt").is_some_and(|why| why.contains("cannot be read")));
    assert_eq!(problems("good.txt"), None);
}

/// A Python with a mail server, installed once under the target folder; `None` where there is no Python or no PyPI.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mail-server");
    let python = folder.join("bin/python");
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operators/mail/requirements.txt");
    let ran = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
    let works = || ran(Command::new(&python).args(["-c", "import aiosmtpd"]));
    if !works() {
        let made = ran(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && ran(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement", requirements]));
        if !made || !works() {
            return None;
        }
    }
    Some(python)
}

/// A mail server that prints what it gets; killed with the test.
struct MailServer {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl MailServer {
    fn start(python: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operators/mail/server.py");
        let mut child = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().expect("starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its port");
        Self { child, out, port: line.trim().parse().expect("a port") }
    }

    /// The next message, as JSON.
    fn message(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a message");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mail_arrives_at_a_real_server_with_an_honest_subject() {
    let Some(python) = python() else {
        skipped("a mail server cannot be installed here; it needs python3 with venv, and PyPI");
        return;
    };
    let server = MailServer::start(&python);
    let url = format!("smtp://127.0.0.1:{}", server.port);
    on_a_system(async move {
        let channels = "[[notify]]\nname = \"hr\"\nkind = \"mail\"\nserver = \"env:SMTP\"\nfrom = \"Okta sync <sync@example.com>\"\n\
                        to = [\"hr@example.com\"]\nprefix = \"[okta] \"\nevery = \"1s\"\n";
        let folder = tempfile::tempdir().expect("a folder");
        let reports = format!("{channels}\n[reconcile]\nfolder = \"{}\"\n", folder.path().display());
        let rig = message(20, &reports, &[("SMTP", &url)]).await;
        let who = a_worker(&rig);
        rig.edit(who, |p| p.status = Hired::Inactive);
        let name = rig.setup.people[who].last_name.clone();
        let next = |mut server: MailServer| async move {
            let read = move || (server.message(), server);
            tokio::task::spawn_blocking(read).await.expect("a message")
        };
        let (message, server) = next(server).await;
        assert_eq!(message["to"][0], "hr@example.com");
        assert!(message["subject"].as_str().is_some_and(|s| s.starts_with("[okta] leavers done: 1")), "{message:#}");
        assert!(message["text"].as_str().is_some_and(|text| text.contains(&name)), "{message:#}");
        let now = rig.world.clock.now();
        rig.store()
            .run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now))
            .await
            .expect("asks");
        let (message, _server) = next(server).await;
        assert!(message["subject"].as_str().is_some_and(|s| s.contains("reconciliation: 1")), "{message:#}");
        assert!(message["attached"][0].as_str().is_some_and(|name| name.ends_with(".html")), "{message:#}");
    });
}
