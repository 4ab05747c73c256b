//! What is broken has a defined answer: that one person waits with a reason, everybody else goes on.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::{Value, json};

/// Somebody changes while somebody else is broken: the change must arrive.
async fn others_go_on(rig: &Rig) {
    others_go_on_of(rig, 1).await;
}

async fn others_go_on_of(rig: &Rig, n: usize) {
    let id = rig.setup.people[n].id.clone();
    rig.edit(n, |person| person.direct_dial = "+1 555 777".into());
    rig.until_okta("everybody else goes on", |okta| {
        okta.user_by_anchor(&id).is_some_and(|u| u.profile.get("primaryPhone") == Some(&json!("+1 555 777")))
    })
    .await;
}

/// A world in which person 3 is edited so that it cannot be read.
async fn broken_person(edit: impl FnOnce(&mut Person), word: &str) {
    let rig = Rig::settled(Setup::of(8)).await;
    let id = rig.setup.people[3].id.clone();
    rig.edit(3, edit);
    rig.until("the reason is written down", async |rig| !rig.unreadable().await.is_empty()).await;
    let unreadable = rig.unreadable().await;
    assert_eq!(unreadable[0].0, id);
    assert!(unreadable[0].1.contains(word), "{unreadable:?}");
    others_go_on(&rig).await;
    assert!(
        rig.world.okta.core().user_by_anchor(&id).is_some_and(|u| u.status == Status::Active),
        "nobody's access changed"
    );
    rig.edit(3, |person| person.raw.clear());
    rig.until("it mends by itself", async |rig| rig.unreadable().await.is_empty()).await;
}

fn raw(key: &str, value: Option<Value>) -> impl FnOnce(&mut Person) {
    let key = key.to_owned();
    move |person| {
        person.raw.insert(key, value);
    }
}

#[test]
fn a_field_of_the_wrong_type_quarantines_its_person() {
    on_a_system(broken_person(raw("email", Some(json!(42))), "field email: text was expected, a number was found"));
}

#[test]
fn a_date_that_is_none_quarantines_its_person() {
    on_a_system(broken_person(raw("departure_date", Some(json!("next week"))), "field departure_date"));
}

#[test]
fn a_missing_key_of_one_profile_quarantines_its_person() {
    on_a_system(broken_person(raw("employee_type", None), "field employee_type is missing"));
}

#[test]
fn an_unknown_department_quarantines_its_person() {
    let groups = json!({ "groups": [{ "id": "nowhere", "name": "Nowhere" }] });
    on_a_system(broken_person(raw("links", Some(groups)), "group nowhere"));
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn a_leaver_with_any_field_that_cannot_be_read_loses_access_at_once_and_is_named() {
    on_a_system(async {
        let kinds = [
            ("links", Some(json!({ "groups": [{ "id": "brand-new", "name": "Brand new" }] }))),
            ("links", None),
            ("links", Some(json!("none"))),
            ("start_date", Some(json!("31/10/2026"))),
            ("departure_date", None),
            ("departure_date", Some(json!("next week"))),
            ("reports_to", Some(json!({ "id": 1 }))),
            ("office_phone", Some(json!(true))),
            ("job_title", Some(nested(300))),
        ];
        let rig = Rig::settled(Setup::of(60)).await;
        for (n, (key, value)) in kinds.iter().enumerate() {
            rig.edit(n + 1, |person| {
                person.status = Hired::Inactive;
                person.raw.insert((*key).to_owned(), value.clone());
            });
        }
        let people = &rig.setup.people;
        let status = |okta: &namely_okta_sync::sandbox::okta::Okta, n: usize| {
            okta.user_by_anchor(&people[n].id).map(|user| user.status)
        };
        rig.until_okta("every one of them is out", |okta| {
            (1..=kinds.len()).all(|n| status(okta, n) == Some(Status::Deprovisioned))
        })
        .await;
        rig.until("every one of them is named", async |rig| {
            let message = rig.unreadable().await;
            (1..=kinds.len()).all(|n| {
                let (person, key) = (&people[n], kinds[n - 1].0);
                message.iter().any(|(id, why)| {
                    *id == person.id
                        && why.contains(&person.last_name)
                        && (why.contains(key) || why.contains("brand-new"))
                })
            })
        })
        .await;
        // Back, and still not to be read: nobody gets access by half a profile.
        rig.edit(8, |person| person.status = Hired::Active);
        others_go_on_of(&rig, 40).await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), 8), Some(Status::Deprovisioned));
        rig.edit(8, |person| person.raw.clear());
        rig.until_okta("readable again they are back", |okta| {
            status(okta, 8).is_some_and(|s| s != Status::Deprovisioned)
        })
        .await;
    });
}

#[test]
fn a_last_day_that_has_passed_ends_access_although_the_profile_cannot_be_read() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let id = rig.setup.people[3].id.clone();
        let yesterday = today(rig.world.clock.now()).checked_sub(jiff::Span::new().days(2)).expect("a date");
        rig.edit(3, |person| {
            person.departure_date = Some(yesterday);
            person.raw.insert("job_title".into(), Some(json!([1])));
        });
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&id).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
    });
}

#[test]
fn a_leaver_loses_access_although_the_token_does_not_see_a_key_of_anybody() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let id = rig.setup.people[3].id.clone();
        rig.world.namely.core().options.hidden_keys = vec!["reports_to".into()];
        rig.edit(3, |person| person.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&id).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
        rig.until("it says what is missing", async |rig| {
            rig.service().readiness.reasons().values().any(|why| why.contains("does not see reports_to"))
        })
        .await;
    });
}

#[test]
fn a_namely_that_shows_the_same_page_for_ever_is_told_and_never_complete() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(120)).await;
        rig.world.namely.core().faults.add(Fault::always("GET", "/profiles?page", Kind::IgnorePage));
        rig.until("it is told", async |rig| {
            rig.service().readiness.reasons().values().any(|why| why.contains("ignores `page`"))
        })
        .await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        rig.world.namely.core().faults.clear();
        rig.until("it is ready again", async |rig| rig.service().readiness.is_ready()).await;
    });
}

#[test]
fn an_unknown_status_changes_no_access_and_is_reported() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let id = rig.setup.people[3].id.clone();
        rig.edit(3, raw("user_status", Some(json!("sabbatical"))));
        rig.until("it is reported", async |rig| !rig.quarantined().await.is_empty()).await;
        assert!(rig.quarantined().await[0].1.contains("sabbatical"));
        others_go_on(&rig).await;
        assert!(rig.world.okta.core().user_by_anchor(&id).is_some_and(|u| u.status == Status::Active));
    });
}

#[test]
fn a_profile_without_email_waits_for_one() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let joiner = Person { email: String::new(), ..Hr::new(5, today(rig.world.clock.now())).joiner(1) };
        rig.hire(joiner.clone());
        rig.until("it is reported", async |rig| !rig.quarantined().await.is_empty()).await;
        assert!(rig.quarantined().await[0].1.contains("login is empty"));
        others_go_on(&rig).await;
        rig.edit(8, |person| person.email = "late@example.com".into());
        rig.until_okta("they join", |okta| okta.user_by_anchor(&joiner.id).is_some()).await;
    });
}

#[test]
fn malformed_json_and_broken_connections_lose_nothing() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(60)).await;
        for kind in [
            Kind::BrokenJson,
            Kind::Reset,
            Kind::Answer { status: 504, body: "<html>Gateway Time-out</html>".into() },
            Kind::Answer { status: 200, body: "[]".into() },
            Kind::Answer { status: 200, body: String::new() },
        ] {
            rig.world.namely.core().faults.add(Fault::first(4, "GET", "/profiles?", kind));
        }
        others_go_on(&rig).await;
        rig.until("all faults have struck", async |rig| rig.world.namely.core().faults.are_spent()).await;
        rig.until("it is ready again", async |rig| rig.service().readiness.is_ready()).await;
        others_go_on(&rig).await;
    });
}

#[test]
fn a_page_that_ends_early_takes_nobodys_access() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(120)).await;
        rig.world.namely.core().faults.add(Fault::some(1.0, "GET", "?page=2&", Kind::CutPage(0)));
        rig.until("the walk proves nothing", async |rig| !rig.service().readiness.is_ready()).await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        rig.world.namely.core().faults.clear();
        rig.until("it is ready again", async |rig| rig.service().readiness.is_ready()).await;
        assert_eq!(rig.effects(), Vec::<String>::new());
    });
}

#[test]
fn a_key_that_the_token_does_not_see_any_more_clears_nothing() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        rig.world.namely.core().options.hidden_keys = vec!["reports_to".into()];
        rig.until("it says so", async |rig| {
            rig.service().readiness.reasons().values().any(|why| why.contains("does not see reports_to"))
        })
        .await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "nobody's manager was cleared");
        rig.world.namely.core().options.hidden_keys.clear();
        rig.until("it is ready again", async |rig| rig.service().readiness.is_ready()).await;
        others_go_on(&rig).await;
    });
}

async fn refused(status: u16, code: &str, word: &str) {
    let rig = Rig::settled(Setup::of(8)).await;
    let id = rig.world.okta.core().user_by_anchor(&rig.setup.people[3].id).expect("there").id.clone();
    let body =
        json!({ "errorCode": code, "errorSummary": "no", "errorCauses": [{ "errorSummary": "title: too long" }] });
    let answer = Kind::Answer { status, body: body.to_string() };
    rig.world.okta.core().faults.add(Fault::some(1.0, "POST", &format!("/users/{id}"), answer));
    rig.edit(3, |person| person.direct_dial = "+1 555 000".into());
    rig.until("it is quarantined", async |rig| !rig.quarantined().await.is_empty()).await;
    assert!(rig.quarantined().await[0].1.contains(word), "{:?}", rig.quarantined().await);
    others_go_on(&rig).await;
    rig.world.okta.core().faults.clear();
    rig.edit(3, |person| person.direct_dial = "+1 555 001".into());
    rig.until("the next change tries again", async |rig| {
        rig.quarantined().await.is_empty() && rig.backlog().await == 0
    })
    .await;
}

#[test]
fn an_okta_400_for_one_person_quarantines_that_person() {
    on_a_system(refused(400, "E0000001", "title: too long"));
}

#[test]
fn an_okta_403_for_one_person_quarantines_that_person() {
    on_a_system(refused(403, "E0000006", "Okta administrator"));
}

#[test]
fn lost_answers_server_errors_and_429s_lose_nothing_and_repeat_nothing_blindly() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(40)).await;
        {
            let mut okta = rig.world.okta.core();
            let error = |status: u16, body: &str| Kind::Answer { status, body: body.into() };
            okta.faults.add(Fault::some(0.10, "", "/api/v1/", Kind::LoseReply));
            okta.faults.add(Fault::some(0.05, "", "/api/v1/", Kind::Reset));
            okta.faults.add(Fault::some(0.05, "", "/api/v1/", error(502, "<html>Bad Gateway</html>")));
            okta.faults.add(Fault::some(0.05, "", "/api/v1/", error(500, r#"{"errorCode":"E0000009"}"#)));
            okta.faults.add(Fault::some(0.05, "", "/api/v1/", error(429, r#"{"errorCode":"E0000047"}"#)));
        }
        let mut hr = Hr::new(77, today(rig.world.clock.now()));
        let joiners: Vec<Person> =
            (0..20).map(|n| Person { email: format!("j{n}@example.com"), ..hr.joiner(1) }).collect();
        joiners.iter().for_each(|person| rig.hire(person.clone()));
        for n in 1..10 {
            rig.edit(n, |person| person.status = Hired::Inactive);
        }
        for n in 10..30 {
            rig.edit(n, |person| person.department = (person.department + 1) % 8);
        }
        let department = |n: usize| format!("Department {}", rig.world.namely.core().person(n).department());
        let moved: Vec<String> = (10..30).map(department).collect();
        rig.until_okta("everybody is as HR says", |okta| {
            let user = |n: usize| okta.user_by_anchor(&rig.setup.people[n].id);
            joiners.iter().all(|p| okta.user_by_anchor(&p.id).is_some())
                && (1..10).all(|n| user(n).is_some_and(|u| u.status == Status::Deprovisioned))
                && (10..30).zip(&moved).all(|(n, group)| user(n).is_some_and(|u| okta.groups_of(&u.id).contains(group)))
        })
        .await;
        rig.until("nothing is dirty", async |rig| rig.backlog().await == 0).await;
        assert_eq!(rig.quarantined().await, []);
        let okta = rig.world.okta.core();
        let people = okta.users().filter(|u| u.profile.contains_key("namelyId")).count();
        assert_eq!(people, 60, "nobody is there twice");
    });
}

#[test]
fn nothing_sensitive_is_kept_or_written_to_the_audit() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(10)).await;
        others_go_on(&rig).await;
        rig.until("the audit file is there", async |rig| {
            std::fs::read_to_string(rig.folder.path().join("audit.jsonl"))
                .is_ok_and(|text| text.contains("update_user"))
        })
        .await;
        for entry in std::fs::read_dir(rig.folder.path()).expect("lists") {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("reads");
            let text = String::from_utf8_lossy(&bytes);
            for secret in
                ["000-00-0000", "1980-01-01", "12345.0", "Side Street", "someone@example.org", "sandbox-token"]
            {
                assert!(!text.contains(secret), "{secret} stands in {}", path.display());
            }
        }
    });
}
