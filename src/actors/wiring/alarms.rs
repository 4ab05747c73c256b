//! What people are told of by themselves: what is ill now is compared with what they were told of.

use super::readiness::Readiness;
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::domain::guard::alarm::{About, Alarm, News, Sign, news};
use crate::store::{LeaverWithAccess, Unreached, Vitals};
use std::collections::BTreeSet;

/// What is to be written down, of what was just `seen` in the store and of what the actors say.
pub fn due_news(seen: &Vitals, readiness: &Readiness, rules: &Rulebook, now: Moment) -> Vec<News> {
    readiness.are_unreached(seen.unreached.iter().map(Unreached::alarm).collect());
    news(&seen.alarms, &signs(seen, readiness.signs(), rules), now)
}

/// How everything is, where that is known.
fn signs(seen: &Vitals, said: Vec<Sign>, rules: &Rulebook) -> Vec<Sign> {
    let ill: BTreeSet<String> = said.iter().filter_map(place_of_ill).collect();
    let read: BTreeSet<String> = said.iter().filter_map(place_of_well).collect();
    let leavers: Vec<Alarm> = seen.leavers.iter().filter(|leaver| leaver.why.pages()).map(of_leaver).collect();
    let is_well = |alarm: &&Alarm| match &alarm.about {
        // All of them are seen at each look.
        About::Leaver { .. } => leavers.iter().all(|leaver| leaver.place != alarm.place),
        _ if ill.contains(&alarm.place) => false,
        // An org that was read since the start accepts the token and answers; what is not configured any more is over.
        About::Okta { org, .. } => read.contains(&format!("okta {org}")) || rules.org(org).is_none(),
        About::Namely { tenant, .. } => !rules.orgs.iter().any(|org| org.tenants.contains(tenant)),
        About::Channel { .. } => false,
    };
    let well: Vec<Sign> = seen.alarms.iter().filter(is_well).map(|alarm| Sign::Well(alarm.place.clone())).collect();
    // Each place once: whatever is told twice would be written down twice.
    let of_actors = said.into_iter().filter(|sign| !well.contains(sign)).collect::<Vec<_>>();
    of_actors.into_iter().chain(well.iter().cloned()).chain(leavers.into_iter().map(Sign::Ill)).collect()
}

fn place_of_ill(sign: &Sign) -> Option<String> {
    if let Sign::Ill(alarm) = sign { Some(alarm.place.clone()) } else { None }
}

fn place_of_well(sign: &Sign) -> Option<String> {
    if let Sign::Well(place) = sign { Some(place.clone()) } else { None }
}

fn of_leaver(leaver: &LeaverWithAccess) -> Alarm {
    let LeaverWithAccess { org, target, command, since, .. } = leaver;
    Alarm {
        place: format!("leaver {org} {target}"),
        about: About::Leaver { org: org.clone(), target: *target, command: command.clone() },
        said: leaver.reason(),
        since: *since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::guard::alarm::Ailment;
    use crate::domain::plan::rulebook::tests::{org, rulebook};

    #[test]
    fn after_a_start_an_alarm_is_over_once_its_org_was_read_and_not_before() {
        let (mut rules, readiness, now) = (rulebook(), Readiness::default(), Moment::from_secs(1_000));
        rules.orgs = vec![org("main", &["acme"])];
        let known = Alarm::of_okta("main", "okta", Ailment::Refused, "HTTP 401", Moment::from_secs(900));
        let seen = Vitals { alarms: vec![known.clone()], ..Vitals::default() };
        assert!(due_news(&seen, &readiness, &rules, now).is_empty(), "nobody knows yet");
        readiness.missing("okta main", "HTTP 401");
        assert!(due_news(&seen, &readiness, &rules, now).is_empty(), "it lasts");
        readiness.have("okta main");
        assert_eq!(due_news(&seen, &readiness, &rules, now), [News::Cleared(known.clone())]);
        readiness.ill(known.clone());
        assert!(due_news(&seen, &readiness, &rules, now).is_empty(), "it is told already");
        let nothing = Vitals::default();
        assert_eq!(due_news(&nothing, &readiness, &rules, now), [News::Raised(known)]);
    }
}
