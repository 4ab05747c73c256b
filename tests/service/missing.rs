//! Who is missing from complete walks: seen since when, ended by nobody but a person, and as before once Namely shows them again.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{
    AttentionItem, MissingPerson, MissingState, OperatorRequest, Opinion, Store, attention, missing_people, opine,
    request, review_outlook, reviews,
};

fn missing(rig: &Rig) -> Vec<MissingPerson> {
    let reader = Store::reader(rig.store().path()).expect("opens");
    missing_people(&reader, &rig.store().rules().load(), true, rig.world.clock.now()).expect("reads")
}

fn listed(rig: &Rig) -> Vec<AttentionItem> {
    let reader = Store::reader(rig.store().path()).expect("opens");
    let items = attention(&reader, &rig.store().rules().load(), rig.world.clock.now()).expect("reads");
    items.into_iter().filter(|item| item.what == "missing").collect()
}

fn status(okta: &Okta, person: &Person) -> Option<Status> {
    okta.users().find(|user| user.profile["login"] == person.email).map(|user| user.status)
}

async fn decide(rig: &Rig, person: &Person, end: bool) {
    let (profile, now) = (person.id.clone(), rig.world.clock.now());
    let asked = OperatorRequest::Missing { tenant: "sandbox".into(), profile, end, why: "HR says so".into() };
    let wrote = rig.store().run(move |c| request(c, "sandbox", &asked, &decider("Ann"), now).map(drop));
    wrote.await.expect("writes");
    rig.service().decided.notify_one();
}

#[test]
fn whom_complete_walks_do_not_show_is_listed_keeps_access_and_is_as_before_when_shown_again() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let gone = rig.setup.people[4].clone();
        rig.world.namely.core().vanish(4);
        rig.until("it is listed", async |rig| listed(rig).len() == 1).await;
        let item = listed(&rig).remove(0);
        assert_eq!((item.profile.as_str(), item.tenant.as_str()), (gone.id.as_str(), "sandbox"));
        assert!(item.why.contains("does not show this profile since"), "{}", item.why);
        rig.until("it is counted", async |rig| {
            rig.service().metrics.namely.missing.with_label_values(&["sandbox"]).get() == 1
        })
        .await;
        rig.quiet().await;
        assert_eq!(rig.effects(), [""; 0], "nobody's access ends by it");
        rig.world.namely.core().appear(4);
        rig.until("nobody is missing", async |rig| missing(rig).is_empty()).await;
        rig.quiet().await;
        assert_eq!(rig.effects(), [""; 0]);
        let audited = rig
            .pairs("SELECT profile, json_extract(row, '$.detail.news') FROM audit WHERE kind = 'missing' ORDER BY seq")
            .await;
        assert_eq!(audited, [(gone.id.clone(), "gone".to_owned()), (gone.id, "back".to_owned())]);
    });
}

#[test]
fn access_of_somebody_missing_ends_by_a_persons_word_and_comes_back_when_namely_shows_them_edited_since() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let (gone, stays) = (rig.setup.people[4].clone(), rig.setup.people[5].clone());
        rig.world.namely.core().vanish(4);
        rig.world.namely.core().vanish(5);
        rig.until("both are listed", async |rig| listed(rig).len() == 2).await;
        decide(&rig, &gone, true).await;
        decide(&rig, &stays, false).await;
        rig.until_okta("they are out", |okta| status(okta, &gone) == Some(Status::Deprovisioned)).await;
        rig.until("nobody is asked about any more", async |rig| listed(rig).is_empty()).await;
        rig.quiet().await;
        let states: Vec<_> = missing(&rig).into_iter().map(|one| (one.profile, one.state, one.by)).collect();
        let mut expected = vec![
            (gone.id.clone(), MissingState::Ended, Some("Ann".to_owned())),
            (stays.id.clone(), MissingState::Kept, Some("Ann".to_owned())),
        ];
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let mut states = states;
        states.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(states, expected);
        rig.until_okta("who was kept works", |okta| status(okta, &stays) == Some(Status::Active)).await;
        // An answer of before shows them as they were then.
        rig.world.namely.core().appear(4);
        rig.quiet().await;
        rig.world.namely.core().vanish(4);
        rig.quiet().await;
        assert_eq!(
            status(&rig.world.okta.core(), &gone),
            Some(Status::Deprovisioned),
            "a person has decided otherwise"
        );
        rig.world.namely.core().appear(4);
        rig.edit(4, |p| p.direct_dial = "+1 555 0100".into());
        rig.until_okta("they are back", |okta| {
            status(okta, &gone).is_some_and(|status| matches!(status, Status::Active | Status::Provisioned))
        })
        .await;
    });
}

#[test]
fn a_profile_made_anew_under_another_uuid_is_brought_to_its_person_by_a_review_and_leaves_with_them() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let gone = rig.setup.people[4].clone();
        rig.world.namely.core().vanish(4);
        rig.until("it is listed", async |rig| listed(rig).len() == 1).await;
        let anew = Person {
            id: "0e9f4a10-0000-4000-8000-000000000077".into(),
            email: "anew@example.com".into(),
            ..gone.clone()
        };
        let index = rig.world.namely.core().hire(anew.clone(), rig.world.clock.now());
        let asked = async |rig: &Rig| {
            let reader = Store::reader(rig.store().path()).expect("opens");
            reviews(&reader, false).expect("reads").into_iter().find(|review| review.profile == anew.id)
        };
        rig.until("it is asked", async |rig| asked(rig).await.is_some()).await;
        let review = asked(&rig).await.expect("a review");
        assert!(review.why.contains("Namely does not show"), "{}", review.why);
        assert_eq!(rig.effects(), [""; 0], "no second account is made");
        for who in ["ada", "ben"] {
            let operator = Store::operator(rig.store().path()).expect("opens");
            let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
            let (_, outlook) = review_outlook(&operator, &rules, review.id, now).expect("reads").expect("there");
            let code = outlook.expect("undecided").code;
            let why = Some("HR has made the profile anew");
            let opinion = Opinion { accept: true, code: &code, same_person: true, why, by: who, principal: who };
            opine(&operator, &rules, review.id, &opinion, now).expect("writes");
            rig.service().decided.notify_one();
        }
        rig.until("the old profile is settled", async |rig| {
            missing(rig).iter().all(|one| one.state == MissingState::Ended)
        })
        .await;
        rig.quiet().await;
        rig.until_okta("the account has the new address", |okta| status(okta, &anew) == Some(Status::Active)).await;
        rig.world.namely.core().edit(index, rig.world.clock.now(), |person| person.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| {
            okta.users().all(|user| user.profile["login"] != anew.email || user.status == Status::Deprovisioned)
        })
        .await;
    });
}
