//! Pages of the simulators: HR's clicks change the company, faults are set and taken away, names stay text; and none without `--ui`.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::namely::{self, Namely};
use namely_okta_sync::sandbox::okta::users::Status as Account;
use namely_okta_sync::sandbox::okta::{self, Okta};
use namely_okta_sync::sandbox::population::Status;
use namely_okta_sync::sandbox::world::population;
use std::net::SocketAddr;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn tenant(ui: bool) -> Simulator<Namely> {
    let clock = Clock::system();
    let options = namely::Options { ui, latency: 0.0, ..namely::Options::default() };
    Simulator::start(Namely::new(options, population(60, 1, clock.now()), clock.now()), any_port(), clock)
        .expect("starts")
}

fn org(ui: bool) -> Simulator<Okta> {
    let clock = Clock::system();
    let options = okta::Options { ui, latency: 0.0, ..okta::Options::default() };
    Simulator::start(Okta::new(options, clock.now()), any_port(), clock).expect("starts")
}

async fn get(url: String) -> (u16, String) {
    let answer = reqwest::get(url).await.expect("answers");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn post(url: String, form: &[(&str, &str)]) -> (u16, String) {
    let answer = reqwest::Client::new().post(url).form(form).send().await.expect("answers");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test]
async fn hr_hires_transfers_and_terminates_with_one_click_and_a_name_stays_text() {
    let namely = tenant(true);
    let (status, page) = get(format!("{}/_ui", namely.url())).await;
    assert!(status == 200 && page.contains("60</b><span>people work here") && page.contains("page 1 of 2"), "{page}");
    let person = namely.core().person(3).clone();
    let at = format!("{}/_ui/people/{}", namely.url(), person.id);
    let (_, page) = post(at.clone(), &[("do", "transfer"), ("department", "2")]).await;
    assert!(page.contains("is transferred to Finance"), "{page}");
    let (_, page) = post(at.clone(), &[("do", "terminate")]).await;
    assert!(
        page.contains(&format!("{} {} is terminated", person.first_name, person.last_name.replace('\'', "&#x27;"))),
        "{page}"
    );
    let now = namely.core().person(3).clone();
    assert_eq!((now.department, now.status, now.departure_date.is_some()), (2, Status::Inactive, true));
    post(at, &[("do", "rehire")]).await;
    assert_eq!(namely.core().person(3).status, Status::Active);
    let hostile = "<img src=x onerror=alert(1)>";
    let form = [
        ("first", "Grace"),
        ("last", hostile),
        ("email", "grace@example.com"),
        ("start", "2026-11-30"),
        ("department", "0"),
    ];
    let (_, page) = post(format!("{}/_ui/hire", namely.url()), &form).await;
    assert!(page.contains("is hired and starts on 2026-11-30") && !page.contains("<img"), "{page}");
    let (_, page) = get(format!("{}/_ui?text=grace", namely.url())).await;
    assert!(page.contains("&lt;img src") && !page.contains("<img") && page.contains("1 person"), "{page}");
    assert_eq!(namely.core().people().count(), 61);
    for (form, says) in [
        (vec![("first", "Grace")], "a first name, a last name and an email"),
        (vec![("first", "A"), ("last", "B"), ("email", "c@example.com"), ("start", "soon")], "is no date"),
    ] {
        let (_, page) = post(format!("{}/_ui/hire", namely.url()), &form).await;
        assert!(page.contains(says), "{page}");
    }
    assert_eq!(namely.core().people().count(), 61);
}

#[tokio::test]
async fn a_fault_is_set_by_a_button_seen_among_the_calls_and_taken_away() {
    let namely = tenant(true);
    let (_, page) = post(format!("{}/_ui/faults", namely.url()), &[("set", "away")]).await;
    assert!(page.contains("every call is answered 503"), "{page}");
    let call = || {
        let token = namely.core().options.token.clone();
        reqwest::Client::new().get(format!("{}/api/v1/profiles/me", namely.url())).bearer_auth(token).send()
    };
    assert_eq!(call().await.expect("answers").status().as_u16(), 503);
    let (_, page) = get(format!("{}/_ui", namely.url())).await;
    assert!(page.contains("profiles&#x2f;me") && page.contains("by a fault") && page.contains("Take fault"), "{page}");
    let number =
        page.split("name=\"remove\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a number");
    post(format!("{}/_ui/faults", namely.url()), &[("remove", number)]).await;
    assert_eq!(call().await.expect("answers").status().as_u16(), 200);
}

#[tokio::test]
async fn the_org_shows_people_and_groups_and_another_administrator_suspends_somebody() {
    let okta = org(true);
    let now = Clock::system().now();
    let profile = serde_json::json!({ "login": "ann@example.com", "email": "ann@example.com", "firstName": "Ann", "lastName": "Lee" });
    let user = okta.core().seed_user(profile, Account::Active, &[], now);
    let group = okta.core().seed_group("Chess Club", "OKTA_GROUP", now);
    okta.core().seed_member(&group, &user);
    let (_, page) = get(format!("{}/_ui?text=ann", okta.url())).await;
    assert!(
        page.contains("ann@example.com") && page.contains("Chess Club") && page.contains("Suspend Ann Lee"),
        "{page}"
    );
    let (_, page) = post(format!("{}/_ui/people/{user}", okta.url()), &[("do", "suspend")]).await;
    assert!(page.contains("Ann Lee is suspended by another administrator"), "{page}");
    assert!(okta.core().users().any(|one| one.id == user && one.status == Account::Suspended));
}

#[tokio::test]
async fn without_ui_there_are_no_pages_and_a_form_of_another_site_does_nothing() {
    let (namely, okta) = (tenant(false), org(false));
    for url in [namely.url(), okta.url()] {
        let (status, page) = get(format!("{url}/_ui")).await;
        assert!(status >= 400 && !page.contains("<html"), "{status} {page}");
        let (status, _) = post(format!("{url}/_ui/faults"), &[("set", "away")]).await;
        assert!(status >= 400);
    }
    let namely = tenant(true);
    let id = namely.core().person(3).id.clone();
    let request = reqwest::Client::new().post(format!("{}/_ui/people/{id}", namely.url())).form(&[("do", "terminate")]);
    let status = request.header("sec-fetch-site", "cross-site").send().await.expect("answers").status();
    assert_eq!((status.as_u16(), namely.core().person(3).status), (404, Status::Active));
}
