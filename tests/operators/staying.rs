//! A sandbox that stays, as somebody who evaluates the product opens it: its console with Okta's sign-in, and the pages of both simulators.

use crate::common::chromium::Chromium;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::console::active;
use namely_okta_sync::sandbox::okta::users::Status;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A sandbox that stays is stopped when the test ends, however it ends.
struct Staying(std::process::Child);

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one: it, and what it prints about its console.
fn staying() -> (Staying, Vec<String>) {
    let mut command = program();
    command.args(["sandbox", "--employees", "40", "--time-scale", "40", "--stay", "--report", "json"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut sandbox = Staying(child);
    let lines = BufReader::new(sandbox.0.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let printed: Vec<String> = lines.skip_while(|line| !line.starts_with("The console is at")).take(7).collect();
    (sandbox, printed)
}

#[test]
fn whoever_opens_the_console_of_a_sandbox_that_stays_signs_in_as_printed_in_every_role() {
    on_a_system(async {
        let Some(chromium) = Chromium::start(true).await else { return };
        let (_sandbox, printed) = staying();
        assert_eq!(printed.len(), 7, "{printed:?}");
        let url = printed[0].split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        let url = url.trim_end_matches(':').to_owned();
        let roles = ["hr", "auditor", "viewer", "operator", "approver"];
        for (line, role) in printed[1..6].iter().zip(roles) {
            let login = line.split_whitespace().next().expect("a login");
            chromium.open(&url).await;
            chromium.press("Sign in with Okta").await;
            chromium.type_into("//input[@name='login']", login).await;
            chromium.press("Sign in").await;
            chromium.shows("Sign out").await;
            chromium.shows(login).await;
            chromium.shows(if role == "hr" { "Attention" } else { "Tonight" }).await;
            assert!(chromium.text().await.contains(&format!("{login}\n{role}")), "{}", chromium.text().await);
            chromium.press("Sign out").await;
        }
        let token = printed[6].split_whitespace().find(|word| word.starts_with("sandbox-token")).expect("a token");
        chromium.type_into("//input[@name='token']", token.trim_end_matches(',')).await;
        let with_token = chromium.all("//form[@action='/sign-in']//button").await;
        chromium.click_on(&with_token[0]).await;
        chromium.shows("break-glass").await;
    });
}

#[test]
fn a_sandbox_ends_without_a_word_of_trouble() {
    let output = program()
        .args(["sandbox", "--scenario", "layoff", "--employees", "30", "--time-scale", "40", "--report", "json"])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("ERROR"), "{said}");
}

#[test]
fn a_termination_is_clicked_in_namely_and_seen_to_arrive_in_okta() {
    on_a_system(async {
        let Some(chromium) = Chromium::start(false).await else { return };
        let rig = Rig::settled(Setup::of(12)).await;
        rig.world.namely.core().options.ui = true;
        rig.world.okta.core().options.ui = true;
        let person = rig.setup.people[active(&rig, 1)[0]].clone();
        chromium.open(&format!("{}/_ui?text={}", rig.world.namely.url(), person.email)).await;
        chromium.shows("1 person").await;
        let terminate = chromium.all("//button[@value='terminate']").await;
        chromium.click_on(&terminate[0]).await;
        chromium.shows("is terminated").await;
        rig.until("they have left", async |rig| {
            let okta = rig.world.okta.core();
            okta.user_by_anchor(&person.id).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
        chromium.open(&format!("{}/_ui?text={}", rig.world.okta.url(), person.email)).await;
        chromium.shows("DEPROVISIONED").await;
        chromium.shows("lifecycle/deactivate").await;
        assert_eq!(chromium.complaints().await, Vec::<String>::new());
    });
}
