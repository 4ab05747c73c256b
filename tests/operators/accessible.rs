//! Every screen of the console as axe-core sees it, in both themes: contrast, names, structure. With SCREENSHOTS=FOLDER each is also
//! kept as a picture, for whoever wants to look.

use crate::admin::STAFF;
use crate::common::chromium::Chromium;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::common::skipped::skipped;
use crate::console::{Pages, active, held};
use namely_okta_sync::config::Role;
use namely_okta_sync::sandbox::population::Person;
use std::path::Path;

/// What `.ci/axe` brings.
fn axe() -> Option<String> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let found = std::fs::read_dir(tools).into_iter().flatten().flatten();
    let mut files = found.filter(|file| file.file_name().to_string_lossy().starts_with("axe-core-"));
    let text = files.next().and_then(|file| std::fs::read_to_string(file.path()).ok());
    if text.is_none() {
        skipped("axe-core is not here; `bash .ci/axe` brings it");
    }
    text
}

/// Looks at pages.
pub struct Eye {
    pub chromium: Chromium,
    axe: String,
    /// What was found on all pages.
    found: Vec<String>,
}

impl Eye {
    /// With script; nothing, and a remark, where something is missing.
    pub async fn open() -> Option<Self> {
        let axe = axe()?;
        Some(Self { chromium: Chromium::start(true).await?, axe, found: Vec::new() })
    }

    /// The page that is open, in both themes.
    pub async fn inspect(&mut self, name: &str) {
        for theme in ["light", "dark"] {
            self.chromium.theme(theme).await;
            if let Some(folder) = std::env::var_os("SCREENSHOTS") {
                let path = Path::new(&folder).join(format!("{name}-{theme}.png"));
                std::fs::write(path, self.chromium.screenshot().await).expect("writes");
            }
            let script = format!(
                "{}; return axe.run(document, {{ resultTypes: ['violations'] }}).then(seen => seen.violations.map(v => v.id + ': ' + \
                 v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + n.failureSummary).join(' | ')))",
                self.axe
            );
            let seen = self.chromium.run(&script).await;
            let seen: Vec<String> =
                serde_json::from_value(seen.clone()).unwrap_or_else(|e| panic!("{name}: {e}: {seen}"));
            self.found.extend(seen.into_iter().map(|one| format!("{name}, {theme}: {one}")));
        }
    }

    /// That nothing was found on any page.
    pub fn found_nothing(&self) {
        assert!(self.found.is_empty(), "{}", self.found.join("\n"));
    }
}

/// A match that somebody must decide about.
async fn undecided(rig: &Rig) {
    let first = rig.setup.people[active(rig, 20)[19]].clone();
    // HR makes the profile of somebody a second time, under another name: whether it is the same person is asked.
    rig.hire(Person {
        id: "0e9f4a10-0000-4000-8000-000000000031".into(),
        first_name: "Quite".into(),
        last_name: "Different".into(),
        manager: None,
        ..first
    });
    rig.until("it is asked whether they are one person", async |rig| {
        !rig.pairs("SELECT CAST(id AS TEXT), '' FROM review").await.is_empty()
    })
    .await;
}

#[test]
fn axe_finds_nothing_on_any_screen_in_either_theme() {
    on_a_system(async {
        let Some(mut eye) = Eye::open().await else { return };
        let (rig, who) = held(60, 8).await;
        undecided(&rig).await;
        let pages = Pages::of(&rig);
        let anna = pages.signed_in(Role::Approver).await;
        let paused = anna.post("/", "/pause", &[("why", "payroll is being moved"), ("change", "change_login")]).await;
        assert_eq!(paused.status, 200);
        let sql = "SELECT CAST(target AS TEXT), '' FROM risk WHERE hold IS NOT NULL";
        let target = rig.pairs(sql).await.remove(0).0;
        let url = |path: &str| format!("http://{}{path}", pages.address);
        eye.chromium.open(&url("/sign-in")).await;
        eye.inspect("sign-in").await;
        eye.chromium.sign_in(&pages, Role::Approver).await;
        let person = format!("/people/{target}");
        let plan = crate::planning::made(&anna, &rig).await.0;
        let (one, paper) = (format!("{plan}/people/{target}"), format!("{plan}/print"));
        let screens = [
            ("tonight", "/"),
            ("attention", "/attention"),
            ("plans", "/plans"),
            ("plan", &plan),
            ("plan-person", &one),
            ("plan-paper", &paper),
            ("mapping", "/mapping"),
            ("holds", "/holds?all=true"),
            ("hold", "/holds/1"),
            ("people", "/people"),
            ("person", &person),
            ("nobody", "/people?text=nobody+at+all"),
            ("undo", &format!("{person}/undo")),
            ("end-access", &format!("{person}/end")),
            ("quarantine", "/quarantine"),
            ("starters", "/starters?days=90"),
            ("leavers", "/leavers"),
            ("matches", "/matches"),
            ("match", "/matches/1"),
            ("audit", "/audit?routine=true"),
            ("orgs", "/orgs"),
            ("access", "/access"),
            ("help", "/help"),
            ("not-here", "/holds/4711"),
        ];
        for (name, path) in screens {
            eye.chromium.open(&url(path)).await;
            eye.inspect(name).await;
        }
        eye.chromium.open(&url(&plan)).await;
        eye.chromium.press("Approve all").await;
        eye.inspect("plan-decide").await;
        let email = rig.setup.people[who[0]].email.clone();
        eye.chromium.open(&url(&format!("/mapping?person={email}"))).await;
        eye.chromium.press("Try it with this person").await;
        eye.inspect("mapping-test").await;
        eye.chromium.press("Compare for everybody").await;
        eye.chromium.shows("The mapping that was compared").await;
        eye.chromium.shows("who are quarantined now could be worked on").await;
        eye.inspect("mapping-diff").await;
        eye.chromium.open(&url("/holds/1")).await;
        eye.chromium.press(&format!("Reject all {}", who.len())).await;
        eye.inspect("decide").await;
        eye.chromium.press("Sign out").await;
        eye.chromium.sign_in(&pages, Role::Hr).await;
        let (hr, _) = STAFF[0];
        eye.chromium.shows(hr).await;
        for (name, path) in [("hr-attention", "/attention"), ("hr-person", person.as_str()), ("hr-holds", "/holds")] {
            eye.chromium.open(&url(path)).await;
            eye.inspect(name).await;
        }
        eye.found_nothing();
        // That two of the pages are not there, or not for HR, is meant.
        let meant = |line: &String| line.contains("status of 404") || line.contains("status of 403");
        let complaints: Vec<String> = eye.chromium.complaints().await.into_iter().filter(|line| !meant(line)).collect();
        assert_eq!(complaints, Vec::<String>::new());
    });
}

#[test]
fn axe_finds_nothing_on_the_pages_of_the_simulators() {
    on_a_system(async {
        let Some(mut eye) = Eye::open().await else { return };
        let rig = Rig::settled(Setup::of(12)).await;
        rig.world.namely.core().options.ui = true;
        rig.world.okta.core().options.ui = true;
        let who = active(&rig, 1)[0];
        rig.edit(who, |person| person.on_leave = true);
        for (name, url) in [("simulated-namely", rig.world.namely.url()), ("simulated-okta", rig.world.okta.url())] {
            eye.chromium.open(&format!("{url}/_ui")).await;
            let preset = eye.chromium.all("//button[@value='lost']").await;
            eye.chromium.click_on(&preset[0]).await;
            eye.chromium.shows("Take fault 1 away").await;
            eye.inspect(name).await;
        }
        eye.found_nothing();
        assert_eq!(eye.chromium.complaints().await, Vec::<String>::new());
    });
}
