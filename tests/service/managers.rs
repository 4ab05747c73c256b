//! Who reports to whom: the linked object of Okta, managers who come later, and those who cannot be linked.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::history::Exchange;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;

/// The anchor of the manager that an account is linked to.
fn manager_of(okta: &Okta, anchor: &str) -> Option<String> {
    let id = &okta.user_by_anchor(anchor)?.id;
    Some(okta.manager_of(id)?.profile["namelyId"].as_str()?.to_owned())
}

fn hire(rig: &Rig, seed: u64, change: impl FnOnce(&mut Person)) -> (usize, Person) {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("joiner{seed}@example.com");
    change(&mut person);
    rig.hire(person.clone());
    (rig.world.namely.core().people().count() - 1, person)
}

#[test]
fn a_joiner_is_linked_to_their_manager_and_to_the_next_one_and_to_nobody() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let (first, second) = (rig.setup.people[0].clone(), rig.setup.people[10].clone());
        let (index, joiner) = hire(&rig, 7, |p| p.manager = Some(0));
        rig.until_okta("linked to the first", |o| manager_of(o, &joiner.id).as_ref() == Some(&first.id)).await;
        rig.edit(index, |p| p.manager = Some(10));
        rig.until_okta("linked to the second", |o| manager_of(o, &joiner.id).as_ref() == Some(&second.id)).await;
        let profile = rig.world.okta.core().user_by_anchor(&joiner.id).expect("an account").profile.clone();
        assert_eq!(profile["managerId"].as_str(), Some(second.email.as_str()));
        // Namely writes "nobody" as a person called Nobody.
        rig.edit(index, |p| p.manager = None);
        rig.until_okta("linked to nobody", |o| manager_of(o, &joiner.id).is_none()).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert!(
            okta.user_by_anchor(&joiner.id).expect("an account").profile.get("managerId").is_none_or(|v| v.is_null())
        );
        let links = |e: &&namely_okta_sync::sandbox::history::Exchange| e.applied && e.path.contains("/linkedObjects/");
        let links = okta.history().exchanges().iter().filter(links).filter(|e| e.method != "GET").count();
        assert_eq!(links, 3, "one call for each manager, one for none");
    });
}

#[test]
fn whoever_reports_to_somebody_inactive_is_linked_when_they_become_active() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let (index, manager) = hire(&rig, 7, |p| p.status = Hired::Inactive);
        let report = rig.setup.people[5].clone();
        rig.edit(5, |p| p.manager = Some(index));
        let message = "SELECT CAST(target AS TEXT), reason FROM work WHERE reason LIKE '%is inactive in Namely%'";
        rig.until("it is said", async |rig| !rig.pairs(message).await.is_empty()).await;
        rig.edit(index, |p| p.status = Hired::Active);
        rig.until_okta("they are linked", |o| manager_of(o, &report.id).as_ref() == Some(&manager.id)).await;
    });
}

#[test]
fn a_manager_who_is_not_in_okta_yet_is_linked_when_they_appear() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let now = today(rig.world.clock.now());
        let later = now.checked_add(jiff::Span::new().days(90)).expect("a date");
        let (index, manager) = hire(&rig, 7, |p| (p.status, p.start_date) = (Hired::Pending, later));
        let (_, joiner) = hire(&rig, 8, |p| p.manager = Some(index));
        rig.until_okta("the joiner has an account", |o| o.user_by_anchor(&joiner.id).is_some()).await;
        rig.quiet().await;
        assert_eq!(manager_of(&rig.world.okta.core(), &joiner.id), None);
        let remarks = rig.remarks().await;
        assert!(
            remarks.iter().any(|(p, why)| *p == joiner.id && why.contains("linked when it is there")),
            "{remarks:?}"
        );
        rig.edit(index, |p| (p.status, p.start_date) = (Hired::Active, now));
        rig.until_okta("the link follows", |o| manager_of(o, &joiner.id).as_ref() == Some(&manager.id)).await;
        rig.quiet().await;
        assert!(rig.remarks().await.iter().all(|(p, _)| *p != joiner.id));
    });
}

#[test]
fn managers_that_make_no_sense_are_reported_and_hold_nothing_up() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(22)).await;
        let people = &rig.setup.people;
        // One reports to themselves, two to each other; a manager leaves while somebody reports to them.
        rig.edit(3, |p| p.manager = Some(3));
        rig.edit(10, |p| p.manager = Some(20));
        rig.edit(20, |p| p.manager = Some(10));
        rig.edit(5, |p| p.manager = Some(0));
        rig.edit(0, |p| p.status = Hired::Inactive);
        for n in [3, 10, 20] {
            rig.edit(n, |p| p.direct_dial = format!("+1 555 {n}"));
        }
        let says = async |person: usize, word: &str| {
            rig.remarks().await.iter().any(|(p, why)| *p == people[person].id && why.contains(word))
        };
        for (person, word) in [
            (3, "reports to themselves"),
            (10, "in the end"),
            (20, "in the end"),
            (5, "inactive"),
            (0, "still the manager of"),
        ] {
            rig.until(&format!("{person}: {word}"), async |_| says(person, word).await).await;
        }
        rig.until_okta("everything else follows", |okta| {
            [3, 10, 20].iter().all(|n| {
                let user = okta.user_by_anchor(&people[*n].id).expect("an account");
                user.profile["primaryPhone"].as_str() == Some(format!("+1 555 {n}").as_str())
            })
        })
        .await;
        rig.quiet().await;
        assert!(rig.quarantined().await.is_empty());
        // HR finds all of it in one list.
        let config = config_file(&rig.world, rig.folder.path());
        let output = program().args(["attention", "--json", "--config"]).arg(config).output().expect("runs");
        let items: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        let listed = |n: usize, word: &str| {
            let mut rows = items.as_array().expect("rows").iter();
            rows.any(|m| m["profile"] == people[n].id.as_str() && m["why"].as_str().is_some_and(|w| w.contains(word)))
        };
        assert!(listed(0, &people[5].last_name), "the leaver's subordinates: {items:#}");
        assert!(listed(3, "themselves") && listed(10, "in the end") && listed(5, "inactive"), "{items:#}");
        // HR names another one for each: nothing is left to look at.
        for n in 1..22 {
            let manager = if n == 10 || n == 20 { None } else { Some(10) };
            rig.edit(n, |p| p.manager = manager);
        }
        rig.quiet().await;
        assert_eq!(rig.remarks().await, []);
    });
}

#[test]
fn everybody_in_a_circle_of_managers_is_told_and_who_is_below_is_linked() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(14)).await;
        let people = &rig.setup.people;
        for n in 0..9 {
            rig.edit(n, |p| p.manager = Some((n + 1) % 9));
        }
        rig.edit(12, |p| p.manager = Some(5));
        let message = async || {
            let remarks = rig.remarks().await;
            let in_it = |n: &usize| remarks.iter().any(|(p, why)| *p == people[*n].id && why.contains("in the end"));
            (0..14).filter(in_it).collect::<Vec<usize>>()
        };
        rig.until("all nine are told", async |_| message().await == (0..9).collect::<Vec<_>>()).await;
        rig.until_okta("who is below has a manager", |okta| {
            manager_of(okta, &people[12].id).as_ref() == Some(&people[5].id)
        })
        .await;
        // One edit breaks it up: then nobody stands in it any more.
        rig.edit(8, |p| p.manager = None);
        rig.until("nobody is told any more", async |_| message().await.is_empty()).await;
        rig.until_okta("they are linked", |okta| {
            (0..8).all(|n| manager_of(okta, &people[n].id).as_ref() == Some(&people[n + 1].id))
        })
        .await;
    });
}

#[test]
fn manager_links_that_cannot_be_read_are_tried_again_and_said_and_nobody_counts_as_true_to_namely_meanwhile() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        let person = rig.setup.people.iter().position(|p| p.manager == Some(0)).expect("somebody with a manager");
        let anchor = rig.setup.people[person].id.clone();
        let (before, after) = (rig.setup.people[0].id.clone(), rig.setup.people[11].id.clone());
        rig.edit(person, |p| p.manager = Some(11));
        let unreadable = Fault::always("GET", "/linkedObjects/", Kind::refusal(403, "E0000006"));
        rig.world.okta.core().faults.add(unreadable);
        rig.run().await;
        let tries = |rig: &Rig| {
            let okta = rig.world.okta.core();
            let reads = |e: &&Exchange| e.method == "GET" && e.path.ends_with("/schemas/user/linkedObjects");
            okta.history().exchanges().iter().filter(reads).count()
        };
        let said = |rig: &Rig| rig.service().readiness.reasons().get("links sandbox").cloned().unwrap_or_default();
        rig.until("it is said", async |rig| said(rig).contains("not known")).await;
        // Longer than it was ever tried: nobody is taken to have no manager.
        rig.until("it is tried again and again", async |rig| tries(rig) > 8).await;
        assert!(!rig.service().readiness.is_ready() && said(&rig).contains("not known"), "{}", said(&rig));
        assert_eq!(manager_of(&rig.world.okta.core(), &anchor).as_ref(), Some(&before));
        rig.world.okta.core().faults.clear();
        rig.until_okta("who has another manager in Okta is linked as Namely says", |okta| {
            manager_of(okta, &anchor).as_ref() == Some(&after)
        })
        .await;
        rig.until("the service is true to Namely", async |rig| rig.service().readiness.is_ready()).await;
    });
}
