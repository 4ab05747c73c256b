//! Somebody who moves is in the old place or in the new one, never in both and never in neither.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::audit::Author;
use namely_okta_sync::audit::details::Reconfigured;
use namely_okta_sync::config::Config;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use namely_okta_sync::store::{Ballot, holds, vote};
use std::path::Path;

const EVERY_REMOVAL: &str = "[[safeguards.limits]]\nchange = \"remove_group\"\npeople = 0\nper = \"hour\"\n";
const ASKS: &str = "[safeguards]\nmode = \"approve\"\n";

/// A world, and somebody in it who is about to move: who, from where, to where.
async fn mover(extra: &str) -> (Rig, usize, [String; 2]) {
    let mut rig = Rig::new(Setup::of(30));
    rig.extra = extra.into();
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    let works = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n);
    let who = (0..people.len()).find(works).expect("somebody");
    let group = |department: usize| format!("Department {}", DEPARTMENTS[department % DEPARTMENTS.len()]);
    let from = people[who].department;
    let groups = [group(from), group(from + 1)];
    rig.edit(who, |p| p.department = (from + 1) % DEPARTMENTS.len());
    (rig, who, groups)
}

fn is_in(rig: &Rig, who: usize, groups: &[String; 2]) -> [bool; 2] {
    let okta = rig.world.okta.core();
    let user = okta.user_by_anchor(&rig.setup.people[who].id).expect("an account");
    groups.each_ref().map(|group| okta.groups_of(&user.id).contains(group))
}

async fn held(rig: &Rig) -> i64 {
    rig.store().backlog().await.expect("reads").held
}

#[test]
fn a_move_of_which_the_removal_waits_is_not_begun_and_is_carried_out_whole_when_that_is_approved() {
    on_a_system(async {
        let (rig, who, groups) = mover(EVERY_REMOVAL).await;
        rig.until("the move is held", async |rig| held(rig).await == 1).await;
        rig.quiet().await;
        assert_eq!(is_in(&rig, who, &groups), [true, false]);
        assert!(!rig.effects().iter().any(|call| call.starts_with("POST /api/v1/users/")), "{:?}", rig.effects());
        let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
        let voted = rig.store().run(move |c| {
            let (hold, by) = (holds(c, false)?.remove(0), decider("Ann"));
            vote(c, &rules, &Ballot { hold: hold.id, approve: true, seen: &hold.code, only: None, by: &by }, now)
        });
        voted.await.expect("votes");
        rig.until("they have moved", async |rig| is_in(rig, who, &groups) == [false, true]).await;
    });
}

#[test]
fn what_waits_because_the_service_asked_first_goes_on_when_it_does_not_ask_any_more() {
    on_a_system(async {
        let (rig, who, groups) = mover(ASKS).await;
        rig.until("the move is held", async |rig| held(rig).await == 1).await;
        assert_eq!(is_in(&rig, who, &groups), [true, false]);
        let text = include_str!("../../config/sandbox.toml");
        let config = Config::parse(Path::new("test.toml"), text, &|_| Some("a-secret-of-enough-characters".into()));
        let (config, now) = (config.unwrap_or_else(|e| panic!("{e}")), rig.world.clock.now());
        let audited = Reconfigured { changes: Vec::new(), author: Author::new("Ann", "uid:1") };
        let exchanged = rig.store().exchange_rules(config.rulebook, config.rules.clone(), audited, now).await;
        if exchanged.expect("writes") {
            rig.store().relink_everybody(&config.rules, now).await.expect("writes");
        }
        rig.until("they have moved", async |rig| is_in(rig, who, &groups) == [false, true]).await;
        rig.until("nobody waits", async |rig| held(rig).await == 0).await;
        assert!(rig.store().run(|c| holds(c, false)).await.expect("reads").is_empty());
    });
}
