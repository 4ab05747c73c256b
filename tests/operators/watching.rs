//! Whoever is on call sees it: a real Prometheus scrapes the service, every panel shows something, every alert fires when it
//! should and not otherwise, and each says where to read on.

use crate::common::rig::{Rig, Setup, on_a_system};
use crate::common::skipped::skipped;
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn grafana() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(&format!("no {program} here; `apt-get install prometheus` brings it"));
    }
    found
}

/// Runs `program`; panics with what it says if it fails.
fn run(program: &str, args: &[&str], folder: &Path) {
    let output = Command::new(program).args(args).current_dir(folder).output().expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// Every query of every panel: dashboard, panel, query.
fn panels() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(grafana().join("dashboards")).expect("dashboards") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("reads");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("queries") {
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                found.push((text(&dashboard["title"]), text(&panel["title"]), text(&target["expr"])));
            }
        }
    }
    found
}

/// The lines of the rules that begin with `key`, without it.
fn rules(key: &str) -> Vec<String> {
    let text = read("grafana/rules/alerts.yml") + &read("grafana/rules/recording.yml");
    let key = format!("{key}: ");
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(&key).map(str::to_owned)).collect()
}

struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(folder: &Path, scraped: SocketAddr) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let rules = grafana().join("rules");
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{0}/alerts.yml, {0}/recording.yml]\n\
             scrape_configs: [{{ job_name: namely-okta-sync, static_configs: [{{ targets: ['{scraped}'] }}] }}]\n",
            rules.display()
        );
        std::fs::write(folder.join("prometheus.yml"), config).expect("writes");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("prometheus.log")).expect("a log"))
            .spawn()
            .expect("prometheus starts");
        Self { process, address }
    }

    /// The samples of a query, or what Prometheus says instead.
    async fn query(&self, client: &reqwest::Client, query: &str) -> Result<usize, String> {
        let url = format!("http://{}/api/v1/query", self.address);
        let sent = client.get(url).query(&[("query", query)]).send().await.map_err(|e| e.to_string())?;
        let answer: Value = sent.json().await.map_err(|e| e.to_string())?;
        let samples = answer["data"]["result"].as_array().map(Vec::len);
        samples.ok_or_else(|| answer["error"].as_str().unwrap_or("no answer").to_owned())
    }

    /// Waits until a query has samples.
    async fn shows(&self, client: &reqwest::Client, what: &str, query: &str) {
        let clock = Clock::system();
        let until = clock.monotonic() + Duration::from_secs(90);
        loop {
            let found = self.query(client, query).await;
            match &found {
                Ok(samples) if *samples > 0 => return,
                _ if clock.monotonic() > until => panic!("{what} shows nothing: {query}: {found:?}"),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_panel_shows_something_of_a_real_run_and_every_rule_can_be_asked() {
    if !is_here("prometheus") {
        return;
    }
    on_a_system(async {
        let rig = Rig::settled(Setup::of(40)).await;
        let service = rig.service();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let scraped = admin::serve(listen, Served::of(service)).expect("listens");
        let prometheus = Prometheus::start(rig.folder.path(), scraped);
        let client = reqwest::Client::new();
        prometheus.shows(&client, "the service", "up == 1").await;
        let people = &rig.setup.people;
        for (n, person) in people.iter().enumerate().filter(|(_, p)| p.status == Hired::Active) {
            rig.edit(n, |p| p.department = (person.department + 1) % DEPARTMENTS.len());
        }
        let leaver = people.iter().rposition(|p| p.status == Hired::Active).expect("somebody");
        rig.edit(leaver, |p| p.status = Hired::Inactive);
        prometheus.shows(&client, "the termination", "namely_okta_sync_revoke_seconds_count > 0").await;

        let stand_in = |query: &str| {
            let query = query.replace("$__rate_interval", "15s");
            ["$instance", "$org", "$tenant"].iter().fold(query, |query, name| query.replace(name, ".*"))
        };
        for (dashboard, panel, query) in panels() {
            prometheus.shows(&client, &format!("{dashboard}: {panel}"), &stand_in(&query)).await;
        }
        for query in rules("expr") {
            // An alert that does not fire shows nothing: it is enough that it can be asked.
            prometheus.query(&client, &query).await.unwrap_or_else(|e| panic!("{query}: {e}"));
        }

        // Nothing is measured that nobody looks at.
        let text = client.get(format!("http://{scraped}/metrics")).send().await.expect("answers");
        let text = text.text().await.expect("text");
        let evaluated_people: String = panels().into_iter().map(|(_, _, query)| query).chain(rules("expr")).collect();
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let unseen: Vec<&str> = names.filter(|name| !evaluated_people.contains(name)).collect();
        assert!(unseen.is_empty(), "no panel and no rule looks at {unseen:?}");
    });
}

#[test]
fn every_alert_is_quiet_while_all_is_well_and_fires_when_it_is_not() {
    if !is_here("promtool") {
        return;
    }
    let folder = grafana().join("rules");
    run("promtool", &["check", "rules", "alerts.yml", "recording.yml"], &folder);
    run("promtool", &["test", "rules", "alerts.test.yml"], &folder);
    let tests = read("grafana/rules/alerts.test.yml");
    for alert in rules("alert") {
        let (quiet, fires) =
            (format!("alertname=\"{alert}\",alertstate"), format!("{{alertname=\"{alert}\"}}', value: 1"));
        assert!(tests.matches(&quiet).count() == 2 && tests.contains(&fires), "{alert} has no test");
    }
}

#[test]
fn every_alert_leads_to_a_page_of_the_runbook() {
    let heading = |line: &str| Some(line.strip_prefix("## ")?.to_lowercase().replace(' ', "-"));
    let anchors: BTreeSet<String> = read("docs/runbook.md").lines().filter_map(heading).collect();
    let leads = rules("runbook_url");
    assert_eq!(leads.len(), rules("alert").len());
    for url in &leads {
        let anchor = url.strip_prefix("docs/runbook.md#").expect("a page of the runbook");
        assert!(anchors.contains(anchor), "{url} leads nowhere");
    }
    let unused: Vec<_> = anchors.iter().filter(|a| !leads.iter().any(|url| url.ends_with(&format!("#{a}")))).collect();
    assert!(unused.is_empty(), "no alert leads to {unused:?}");
}

#[test]
fn the_dashboards_are_what_their_script_writes() {
    run("python3", &["generate.py", "--check"], &grafana());
}
