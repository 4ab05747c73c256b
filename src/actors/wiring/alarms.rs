//! What people are told of by themselves: what is ill now is compared with what they were told of.

use super::readiness::Readiness;
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::domain::guard::alarm::{About, Alarm, News, news, signs};
use crate::store::{LeaverWithAccess, Unreached, Vitals};

/// What is to be written down, of what was just `seen` in the store and of what the actors say.
pub fn due_news(seen: &Vitals, readiness: &Readiness, rules: &Rulebook, now: Moment) -> Vec<News> {
    readiness.are_unreached(seen.unreached.iter().map(Unreached::alarm).collect());
    let leavers = seen.leavers.iter().filter(|leaver| leaver.why.pages()).map(of_leaver).collect();
    news(&seen.alarms, &signs(&seen.alarms, readiness.signs(), leavers, rules), now)
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
