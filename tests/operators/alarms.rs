//! Whoever is on call is told that something keeps the service from its work: once when it begins, once when it is over, with since
//! when, who mends it, and the command; and every place that says how things are says the same.

use super::admin::Api;
use super::receivers::rig;
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, on_a_system};
use namely_okta_sync::config::Role;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::population::Status as Hired;
use serde_json::Value;

const SLACK: &str = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"1s\"\n";

/// The messages that say this.
fn with(slack: &Receiver, words: &str) -> Vec<String> {
    slack.bodies().into_iter().filter(|body| body.contains(words)).collect()
}

/// What `attention` says over the API and, of the store alone, on the command line.
async fn attention(rig: &Rig, api: &Api) -> (String, String) {
    let (status, seen) = api.ask(Some(Role::Operator), "GET", "/attention", "").await;
    assert_eq!(status, 200, "{seen}");
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(["attention", "--config"]).arg(config).output().expect("runs");
    (seen["items"].to_string(), String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn status(api: &Api) -> Value {
    api.ask(Some(Role::Operator), "GET", "/status", "").await.1
}

/// Every place says that something is so, since when, who mends it, and the command.
async fn is_everywhere(rig: &Rig, api: &Api, words: &[&str]) {
    let ready = api.ready().await;
    let alarms = ready["alarms"].as_array().expect("alarms").clone();
    let found = alarms.iter().find(|alarm| words.iter().all(|word| alarm.to_string().contains(word)));
    let found = found.unwrap_or_else(|| panic!("{words:?} in {ready:#}"));
    assert!(["since_at", "who", "command", "message"].iter().all(|key| found[key].is_string()), "{found:#}");
    let (over_api, on_command_line) = attention(rig, api).await;
    for word in words {
        assert!(over_api.contains(word), "{word} in {over_api}");
        let whole: String = on_command_line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!whole.contains("nothing waits for anybody"), "{whole}");
    }
    let state = status(api).await;
    assert!(state["alarms"].to_string().contains(words[1]), "{state:#}");
}

#[test]
fn whoever_is_on_call_is_told_once_that_namely_cannot_be_read_and_once_that_it_answers_again() {
    on_a_system(async {
        let slack = Receiver::default();
        let rig = rig(SLACK, &[("SLACK", &slack.start())]).await;
        let api = Api::of(&rig);
        assert!(attention(&rig, &api).await.1.contains("nothing waits for anybody"));
        for (status, is, kind) in
            [(500, "sandbox cannot be read", "source"), (401, "sandbox refuses the token", "credential")]
        {
            let fault = Fault::always("GET", "", Kind::refusal(status, "E"));
            let fault = rig.world.namely.core().faults.add(fault);
            rig.until("it is told", async |_| !with(&slack, is).is_empty()).await;
            let said = with(&slack, is).swap_remove(0);
            assert!(
                said.contains(&format!("HTTP {status}")) && said.contains("since") && said.contains("check"),
                "{said}"
            );
            is_everywhere(&rig, &api, &[kind, &format!("HTTP {status}")]).await;
            rig.world.namely.core().faults.remove(fault);
            let over = if status == 401 { "accepts the token again, after" } else { "answers again, after" };
            rig.until("it is told that it is over", async |_| !with(&slack, over).is_empty()).await;
            assert_eq!((with(&slack, is).len(), with(&slack, over).len()), (1, 1), "once each: {:?}", slack.bodies());
            rig.until("nothing is ill", async |_| api.ready().await["alarms"] == Value::Array(Vec::new())).await;
            assert!(attention(&rig, &api).await.1.contains("nothing waits for anybody"));
        }
    });
}

#[test]
fn a_dead_token_of_okta_and_the_leaver_behind_it_are_told_with_who_mends_it_and_nobody_is_sent_for_a_role() {
    on_a_system(async {
        let slack = Receiver::default();
        let rig = rig(SLACK, &[("SLACK", &slack.start())]).await;
        let api = Api::of(&rig);
        rig.world.okta.core().revoke_tokens();
        let people = &rig.setup.people;
        let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
        let stays = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n);
        let who = (0..people.len()).filter(stays).find(|n| people[*n].last_name.is_ascii()).expect("somebody");
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the token is told", async |_| !with(&slack, "refuses the token").is_empty()).await;
        let said = with(&slack, "refuses the token").swap_remove(0);
        assert!(said.contains("an Okta administrator makes a new token") && !said.contains("role"), "{said}");
        rig.until("the leaver is told", async |_| !with(&slack, "has still access").is_empty()).await;
        let said = with(&slack, "has still access").swap_remove(0);
        assert!(said.contains(&people[who].last_name) && said.contains("since"), "{said}");
        is_everywhere(&rig, &api, &["credential", "HTTP 401"]).await;
        let said = api.ready().await.to_string() + &status(&api).await.to_string();
        assert!(!said.contains("okta.iam.read"), "a dead token is no missing permission: {said}");
        rig.world.okta.core().restore_tokens();
        for over in ["accepts the token again, after", "has no access in sandbox any more"] {
            rig.until("it is told that it is over", async |_| !with(&slack, over).is_empty()).await;
            assert_eq!(with(&slack, over).len(), 1, "{:?}", slack.bodies());
        }
        assert_eq!(with(&slack, "has still access").len(), 1, "{:?}", slack.bodies());
    });
}

#[test]
fn a_channel_that_takes_nothing_is_named_everywhere_with_what_it_answered_since_when_and_what_to_do() {
    on_a_system(async {
        let slack = Receiver::default();
        let hr = "[[notify]]\nname = \"hr\"\nkind = \"mail\"\nserver = \"env:SMTP\"\nfrom = \"sync@example.com\"\n\
                  to = [\"ann@example.com\"]\nevery = \"1s\"\nevents = [\"leaver_done\"]\n";
        let gone = "smtp://127.0.0.1:9"; // nobody listens
        let rig = rig(&format!("{SLACK}\n{hr}"), &[("SLACK", &slack.start()), ("SMTP", gone)]).await;
        let api = Api::of(&rig);
        slack.set_down(true);
        let people = &rig.setup.people;
        let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
        let who = (0..people.len()).find(|n| people[*n].status == Hired::Active && !manages(*n)).expect("somebody");
        rig.edit(who, |p| p.status = Hired::Inactive);
        let named = async |seen: Value| seen["alarms"].as_array().map(Vec::len);
        rig.until("both are named", async |_| named(status(&api).await).await == Some(2)).await;
        rig.until("here too", async |_| named(api.ready().await).await == Some(2)).await;
        is_everywhere(&rig, &api, &["channel", "it answered 503"]).await;
        let (over_api, on_command_line) = attention(&rig, &api).await;
        for said in [over_api, on_command_line.split_whitespace().collect::<Vec<_>>().join(" ")] {
            assert!(said.contains("ann@example.com") && said.contains("mail server"), "{said}");
        }
        let ready = api.ready().await.to_string();
        assert!(!ready.contains("ann@example.com"), "whoever may not ask learns of nobody: {ready}");
        slack.set_down(false);
        rig.until("one of them is over", async |_| named(status(&api).await).await == Some(1)).await;
    });
}
