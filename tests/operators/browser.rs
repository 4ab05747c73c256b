//! The console in a real browser, as a person walks through it.

use crate::common::chromium::Chromium;
use crate::common::rig::{Rig, Setup, comes_true, on_a_system};
use crate::console::{NOBODY_LEAVES, Pages, active, held, secret};
use namely_okta_sync::config::Role;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use serde_json::json;

impl Chromium {
    async fn page(&self, pages: &Pages, path: &str) {
        self.open(&format!("http://{}{path}", pages.address)).await;
    }

    pub async fn sign_in(&self, pages: &Pages, role: Role) {
        self.page(pages, "/").await;
        self.type_into("//input[@name='token']", &secret(role)).await;
        self.press("Sign in").await;
        self.shows("Sign out").await;
    }

    pub async fn shows(&self, text: &str) {
        let shown = comes_true(async || self.text().await.contains(text)).await;
        assert!(shown, "{text:?} is not there: {}", self.text().await);
    }
}

#[test]
fn in_a_browser_somebody_approves_three_of_a_layoff_and_a_viewer_finds_no_button() {
    on_a_system(async {
        let Some(chromium) = Chromium::start(true).await else { return };
        let (rig, who) = held(60, 8).await;
        let pages = Pages::of(&rig);
        chromium.sign_in(&pages, Role::Approver).await;
        chromium.shows("Tonight").await;
        chromium.page(&pages, "/holds").await;
        chromium.press("hold 1").await;
        chromium.shows("Approve the ticked").await;
        assert_eq!(chromium.all("//input[@name='target']").await.len(), 8);
        for n in 1..=3 {
            chromium.click_first(&format!("(//input[@name='target'])[{n}]")).await;
        }
        chromium.shows("3 ticked").await;
        chromium.press("Approve the ticked").await;
        chromium.shows("5 people of this hold stay held").await;
        chromium.press("Approve 3 people").await;
        chromium.shows("Approved").await;
        rig.until("three have left", async |rig| {
            let okta = rig.world.okta.core();
            let gone = |n: &&usize| {
                okta.user_by_anchor(&rig.setup.people[**n].id).is_some_and(|u| u.status == Status::Deprovisioned)
            };
            who.iter().filter(gone).count() == 3
        })
        .await;
        chromium.page(&pages, "/holds/1").await;
        chromium.shows("of 5 people").await;
        assert!(!chromium.all("//time[@title]").await.is_empty(), "times are in the zone of the reader");
        let fetched = chromium.run("return performance.getEntriesByType('resource').map(e => e.name)").await;
        let fetched: Vec<String> = serde_json::from_value(fetched).expect("a list");
        let own = format!("http://{}/", pages.address);
        assert!(!fetched.is_empty() && fetched.iter().all(|url| url.starts_with(&own)), "{fetched:?}");
        assert_eq!(json!(chromium.complaints().await), json!([]), "no violation of the policy, no error of the script");
        chromium.press("Sign out").await;
        chromium.shows("Sign in").await;
        chromium.sign_in(&pages, Role::Viewer).await;
        chromium.page(&pages, "/holds/1").await;
        chromium.shows("An approver decides").await;
        assert!(chromium.all("//input[@name='target']").await.is_empty());
    });
}

#[test]
fn without_script_decisions_work_and_a_hostile_name_stays_text() {
    on_a_system(async {
        let Some(chromium) = Chromium::start(false).await else { return };
        let hostile = "<img src=x onerror=alert(1)>\u{202e}txet 🦀";
        let mut rig = Rig::new(Setup::of(40));
        rig.extra = NOBODY_LEAVES.into();
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let who = active(&rig, 1)[0];
        rig.edit(who, |p| {
            p.last_name = hostile.into();
            p.status = Hired::Inactive;
        });
        let pages = Pages::of(&rig);
        chromium.sign_in(&pages, Role::Approver).await;
        rig.until("they are held", async |rig| {
            !rig.pairs("SELECT CAST(id AS TEXT), change FROM hold WHERE verdict IS NULL").await.is_empty()
        })
        .await;
        chromium.page(&pages, "/holds").await;
        chromium.press("hold 1").await;
        chromium.shows("<img src=x onerror=alert(1)>").await;
        assert!(chromium.all("//img").await.is_empty());
        chromium.press("Reject all 1").await;
        chromium.press("Reject 1 person").await;
        chromium.shows("Rejected: it is not done until Namely says something else").await;
    });
}
