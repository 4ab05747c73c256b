//! Plans in the console and over the API: numbers first, then people, then exactly what was shown is approved, once, by whoever may.

use crate::admin::Api;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::console::{Answer, Browser, Pages, active};
use namely_okta_sync::config::Role;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use serde_json::{Value, json};

/// A name that would be more than a text, if anybody let it.
const HOSTILE: &str = "<script>alert(1)</script>";

fn observing(n: usize) -> Setup {
    let cut: fn(String) -> String = |text| {
        let end = text.find("# Scenarios change most").expect("the raised limits");
        format!("{}\n[safeguards]\nmode = \"observe\"\n", &text[..end])
    };
    Setup { rewrite: cut, ..Setup::of(n) }
}

/// A leaver, a mover and somebody with another number, seen by a service that only observes.
async fn three_changes() -> (Rig, Vec<usize>) {
    let mut rig = Rig::new(observing(40));
    rig.run().await;
    rig.until("both sides were read", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    let who = active(&rig, 3);
    rig.edit(who[0], |p| {
        p.status = Hired::Inactive;
        p.last_name = HOSTILE.into();
    });
    rig.edit(who[1], |p| p.department = (p.department + 1) % 8);
    rig.edit(who[2], |p| p.direct_dial = "+1 555 123".into());
    rig.until("all three are seen", async |rig| {
        rig.store().backlog().await.expect("reads").held == 3 && rig.backlog().await == 0
    })
    .await;
    (rig, who)
}

/// Makes a plan as somebody does in a browser, and waits until it is there.
pub async fn made(browser: &Browser<'_>, rig: &Rig) -> (String, Answer) {
    let page = browser.post("/plans", "/plans", &[("org", ""), ("everybody", "")]).await;
    let id =
        page.text.split("/plans/").nth(1).and_then(|rest| rest.split(['"', '/']).next()).expect("a plan").to_owned();
    let path = format!("/plans/{id}");
    rig.until("the plan is there", async |_| browser.get(&path).await.has("Code of what is shown")).await;
    let page = browser.get(&path).await;
    (path, page)
}

fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().expect("a value").to_owned()
}

fn targets(page: &str) -> Vec<String> {
    let ticks = page.split("name=\"target\" value=\"").skip(1);
    ticks.map(|rest| rest.split('"').next().expect("a number").to_owned()).collect()
}

fn status(rig: &Rig, person: usize) -> Status {
    rig.world.okta.core().user_by_anchor(&rig.setup.people[person].id).expect("an account").status
}

#[test]
fn a_plan_shows_numbers_first_and_one_part_of_one_person_is_approved_and_nothing_else_is_done() {
    on_a_system(async {
        let (rig, who) = three_changes().await;
        let pages = Pages::of(&rig);
        let anna = pages.signed_in(Role::Approver).await;
        let (path, page) = made(&anna, &rig).await;
        let at = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("no {text}: {}", page.text));
        assert!(at("What is taken, and from whom") < at("What else is done") && at("By kind") < at("Who, and what"));
        assert!(page.has("access ends") && page.has("3 people") | page.has("<b>3</b>"), "{}", page.text);
        assert!(!page.has("undefined") && !page.has("<script>alert"), "{}", page.text);
        // What is taken stands on top: the leaver is the first in the list.
        let first = page.text.split("<tbody>").last().expect("a list");
        let (row, _) = first.split_once("</tr>").expect("a row");
        assert!(row.contains("&lt;script&gt;") && row.contains(">takes<"), "{row}");
        let all = targets(&page.text);
        assert_eq!(all.len(), 3);
        let taken = anna.get(&format!("{path}?change=deactivate")).await;
        let leaver = targets(&taken.text);
        assert!(leaver.len() == 1 && taken.has("the filter hides 2 of 3"), "{}", taken.text);

        // The mover loses a group and gets one: only the new one is approved.
        let moved = anna.get(&format!("{path}?change=add_group")).await;
        let mover = targets(&moved.text).remove(0);
        let one = anna.get(&format!("{path}/people/{mover}")).await;
        assert!(one.has("remove group") && one.has("add group") && one.has("takes"), "{}", one.text);
        let code = field(&page.text, "code");
        let form = [
            ("code", code.as_str()),
            ("do", "ticked"),
            ("parts", "true"),
            ("target", &mover),
            ("changes", "add_group"),
        ];
        let shown = anna.post(&path, &format!("{path}/decide"), &form).await;
        assert!(shown.has("Only these parts are") && !shown.has("out of group"), "{}", shown.text);
        assert!(rig.effects().is_empty(), "nothing counts yet");
        let form = [("code", code.as_str()), ("people", "1"), ("target", mover.as_str()), ("changes", "add_group")];
        let said = anna.post(&path, &format!("{path}/approve"), &form).await;
        assert!(said.has("Approved for 1 person") && said.has("Anna has approved 1 person"), "{}", said.text);
        rig.until("they are in the new group", async |rig| rig.effects().iter().any(|call| call.starts_with("PUT")))
            .await;
        rig.quiet().await;
        let effects = rig.effects();
        assert!(effects.iter().all(|call| call.starts_with("PUT") && call.contains("/groups/")), "{effects:?}");
        assert_eq!(status(&rig, who[0]), Status::Active);
    });
}

#[test]
fn of_two_who_approve_at_once_each_decides_about_what_was_shown_and_nothing_is_done_twice() {
    on_a_system(async {
        let (rig, who) = three_changes().await;
        let pages = Pages::of(&rig);
        let anna = pages.signed_in(Role::Approver).await;
        let (path, page) = made(&anna, &rig).await;
        let code = field(&page.text, "code");
        let leaver = targets(&anna.get(&format!("{path}?change=deactivate")).await.text).remove(0);
        let approve = format!("{path}/approve");
        // What was not shown is not decided.
        let said = anna.post(&path, &approve, &[("code", "other"), ("people", "1"), ("target", &leaver)]).await;
        assert!(said.has("flash refused") && said.has("look at it again"), "{}", said.text);
        let said = anna.post(&path, &approve, &[("code", &code), ("people", "1")]).await;
        assert!(said.has("flash refused") && said.has("this means 3 people"), "{}", said.text);
        let said = anna.post(&path, &format!("{path}/decide"), &[("code", &code), ("do", "ticked")]).await;
        assert!(said.has("nobody is ticked"), "{}", said.text);
        // Both approve the leaver; HR has changed the third one meanwhile.
        rig.edit(who[2], |p| p.direct_dial = "+1 555 456".into());
        rig.until("it is seen", async |rig| {
            let rows = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'observed'").await;
            rows.iter().any(|(_, row)| row.contains("555 456"))
        })
        .await;
        let form = [("code", code.as_str()), ("people", "1"), ("target", leaver.as_str())];
        let again = pages.signed_in(Role::Approver).await;
        let (one, other) = tokio::join!(anna.post(&path, &approve, &form), again.post(&path, &approve, &form));
        assert!(one.has("Approved for 1 person") || other.has("Approved for 1 person"), "{} {}", one.text, other.text);
        rig.until("the leaver is out", async |rig| status(rig, who[0]) == Status::Deprovisioned).await;
        let said = anna.post(&path, &approve, &[("code", &code), ("people", "3")]).await;
        assert!(said.has("2 people left out") && said.has("555 456"), "{}", said.text);
        rig.until("the mover is approved, and nobody else", async |rig| {
            rig.effects().iter().any(|call| call.contains("/groups/") && call.starts_with("PUT"))
        })
        .await;
        rig.quiet().await;
        let deactivated = rig.effects().iter().filter(|call| call.ends_with("/deactivate")).count();
        assert_eq!(deactivated, 1);
        assert!(!rig.effects().iter().any(|call| call == "POST /api/v1/users"), "{:?}", rig.effects());
    });
}

#[test]
fn a_plan_is_made_paged_and_read_over_the_api_and_is_the_one_that_apply_takes() {
    on_a_system(async {
        let (rig, _) = three_changes().await;
        let api = Api::of(&rig);
        let ask =
            async |role: Role, method: &str, path: &str, body: &str| api.ask(Some(role), method, path, body).await;
        let (status, said) = ask(Role::Auditor, "POST", "/plans", "{}").await;
        assert_eq!(status, 200, "{said}");
        let path = format!("/plans/{}", said["plan"].as_str().expect("a name"));
        rig.until("it is made", async |_| ask(Role::Viewer, "GET", &path, "").await.1["plan"]["state"] == "made").await;
        let (_, plan) = ask(Role::Viewer, "GET", &format!("{path}?size=2&page=2"), "").await;
        assert_eq!((&plan["total"], plan["people"].as_array().map(Vec::len)), (&json!(3), Some(1)), "{plan}");
        assert_eq!(plan["summary"]["kinds"]["deactivate"], 1);
        assert_eq!(plan["summary"]["what"][0]["takes"], true, "what is taken stands first: {plan}");
        assert!(plan["waits"][0].as_str().is_some_and(|line| line.contains("only observes")), "{plan}");
        let (_, file) = ask(Role::Viewer, "GET", &format!("{path}/file"), "").await;
        let code = plan["plan"]["code"].as_str().expect("a code");
        assert!(file["checksum"].as_str().is_some_and(|sum| sum.starts_with(code)), "{file}");
        let target = &plan["people"][0]["target"];
        let (_, one) = ask(Role::Viewer, "GET", &format!("{path}/people/{target}"), "").await;
        assert_eq!((&one["person"]["target"], &one["moved"]), (target, &Value::Null));
        for (path, status, words) in [
            ("/plans/1".to_owned(), 404, "make it anew"),
            (format!("{path}?sort=salary"), 400, "there are name, login"),
            (format!("{path}?change=everything"), 400, "not a kind of change"),
            (format!("{path}?page=0"), 400, "begin with 1"),
            (format!("{path}/people/999999"), 404, "is not in plan"),
        ] {
            let (found, said) = ask(Role::Viewer, "GET", &path, "").await;
            assert!(found == status && said["error"].as_str().is_some_and(|why| why.contains(words)), "{path}: {said}");
        }
        let (status, said) = ask(Role::Approver, "POST", &format!("{path}/approve"), r#"{"code":"x"}"#).await;
        assert!(status == 409 && said["error"].as_str().is_some_and(|why| why.contains(code)), "{said}");
        let body = json!({ "code": code, "targets": [999_999] }).to_string();
        assert_eq!(ask(Role::Approver, "POST", &format!("{path}/approve"), &body).await.0, 404);
        rig.quiet().await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn an_edited_mapping_is_tried_with_one_person_and_compared_for_all_and_nothing_is_written() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let pages = Pages::of(&rig);
        let vera = pages.signed_in(Role::Viewer).await;
        rig.until("the rules are counted", async |_| vera.get("/mapping").await.has("Counted ")).await;
        let page = vera.get("/mapping").await;
        assert!(page.has("[[mapping.groups]]") && page.has("managers") && page.has("Department"), "{}", page.text);
        let (_, source) = page.text.split_once("class=\"code\">").expect("the mapping");
        let source = source.split("</textarea>").next().expect("its end");
        let source = source
            .replace("&#x27;", "'")
            .replace("&quot;", "\"")
            .replace("&gt;", ">")
            .replace("&lt;", "<")
            .replace("&amp;", "&");
        let edited = source.replace("'Department ' + d", "'Dept ' + d").replace("Department *", "Dept *");
        assert_ne!(source, edited);
        let email = rig.setup.people[active(&rig, 1)[0]].email.clone();
        let form = [("person", email.as_str()), ("mapping", edited.as_str())];
        let tried = vera.post("/mapping", "/mapping/test", &form).await;
        assert!(
            tried.has("differs") && tried.has("Dept ") && tried.has("Would be done by the edited one"),
            "{}",
            tried.text
        );
        let mistaken = [("person", email.as_str()), ("mapping", "[mapping.attributes]\ntitle = \"employee.titel\"")];
        let wrong = vera.post("/mapping", "/mapping/test", &mistaken).await;
        assert!(wrong.has("mapping:2:") && wrong.has("no field"), "{}", wrong.text);
        let page = vera.post("/mapping", "/mapping/diffs", &form[1..]).await;
        let id = page.text.split("/mapping/diffs/").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        let page = match id {
            // It was there at once.
            None => page,
            Some(id) => {
                let path = format!("/mapping/diffs/{id}");
                rig.until("it is compared", async |_| vera.get(&path).await.has("of 30 people would change")).await;
                vera.get(&path).await
            }
        };
        assert!(page.has("Dept ") && page.has("Would get it") && page.has("<pre"), "{}", page.text);
        rig.quiet().await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}
