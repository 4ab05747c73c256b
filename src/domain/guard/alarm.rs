//! Alarms: what keeps the service from its work until somebody mends it, since when, who can, and with which command. The one place
//! from which `status`, `/readyz`, `attention`, the console and messages have it.
//!
//! **Invariant:** an alarm is raised once and cleared once. What nobody knows raises none, and clears none.

use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What passes by itself within this is nobody's business: a page that is refused once, a connection that breaks.
const PASSING: Duration = Duration::from_secs(60);
/// Nobody believes a single refusal of a token; after this it is not a single one any more.
const REFUSING: Duration = Duration::from_secs(15);

/// What an alarm is about: by this people choose what they are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A token is not accepted, by Namely or by Okta.
    Credential,
    /// A tenant of Namely cannot be read.
    Source,
    /// An org of Okta takes no calls, or not all.
    Org,
    /// Somebody who has left has access for too long.
    LeaverAccess,
    /// Messages are not taken.
    Channel,
}

impl AlarmKind {
    /// The word in configuration, documents and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlarmKind::Credential => "credential",
            AlarmKind::Source => "source",
            AlarmKind::Org => "org",
            AlarmKind::LeaverAccess => "leaver_access",
            AlarmKind::Channel => "channel",
        }
    }
}

/// What is wrong with the other side, as far as it decides who mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ailment {
    /// It does not accept the token.
    Refused,
    /// It accepts the token, and does not allow it what is needed.
    Forbidden,
    /// No connection comes about, or no answer.
    Away,
    /// It answers that it cannot.
    Fails,
    /// It asks for less.
    Throttles,
    /// Somebody else answers in its place, or what is answered cannot be read.
    Strange,
}

impl Ailment {
    /// What a failure to read Namely shows, by its words: those of `namely::page` and of the reader of groups.
    pub fn of_namely(why: &str) -> Self {
        let answer = why.rsplit_once("HTTP ").map(|(_, status)| status);
        match answer.and_then(|status| status.get(..3)?.parse::<u16>().ok()) {
            Some(401) => Ailment::Refused,
            Some(403) => Ailment::Forbidden,
            Some(406 | 429) => Ailment::Throttles,
            Some(300..=399 | 404) => Ailment::Strange,
            Some(_) => Ailment::Fails,
            None if why.contains("the token does not see") => Ailment::Forbidden,
            None if why.contains("JSON") || why.contains(" at line ") => Ailment::Strange,
            None => Ailment::Away,
        }
    }
}

/// Whom or what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "side", rename_all = "snake_case")]
pub enum About {
    /// A tenant of Namely.
    Namely {
        /// By its name in the configuration.
        tenant: String,
        /// What is wrong with it.
        ailment: Ailment,
    },
    /// An org of Okta.
    Okta {
        /// By its name in the configuration.
        org: String,
        /// What is wrong with it.
        ailment: Ailment,
    },
    /// Somebody who has left.
    Leaver {
        /// The org, by its name in the configuration.
        org: String,
        /// The person in the org, by the store's id.
        target: i64,
        /// What shows more.
        command: String,
    },
    /// Whoever is told of news.
    Channel {
        /// By its name in the configuration.
        channel: String,
        /// Of mail: the address.
        recipient: Option<String>,
        /// Whether it takes nothing before somebody mends it; otherwise it may pass.
        is_dead: bool,
    },
}

/// Something that keeps the service from its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Names what is ill, whatever is wrong with it: one alarm for each.
    pub place: String,
    /// Whom or what it is about.
    pub about: About,
    /// What was answered, or is so.
    pub said: String,
    /// In milliseconds.
    pub since: i64,
}

impl Alarm {
    /// A tenant of Namely is ill.
    pub fn of_namely(tenant: &str, said: &str, now: Moment) -> Self {
        let about = About::Namely { tenant: tenant.to_owned(), ailment: Ailment::of_namely(said) };
        Self { place: format!("namely {tenant}"), about, said: said.to_owned(), since: now.millis() }
    }

    /// An org is ill, as a whole or in one `scope` of its calls.
    pub fn of_okta(org: &str, scope: &str, ailment: Ailment, said: &str, now: Moment) -> Self {
        let about = About::Okta { org: org.to_owned(), ailment };
        Self { place: format!("{scope} ({org})"), about, said: said.to_owned(), since: now.millis() }
    }

    /// What it is about.
    pub const fn kind(&self) -> AlarmKind {
        match &self.about {
            About::Namely { ailment: Ailment::Refused, .. } | About::Okta { ailment: Ailment::Refused, .. } => {
                AlarmKind::Credential
            }
            About::Namely { .. } => AlarmKind::Source,
            About::Okta { .. } => AlarmKind::Org,
            About::Leaver { .. } => AlarmKind::LeaverAccess,
            About::Channel { .. } => AlarmKind::Channel,
        }
    }

    /// The org that it is about, by its name in the configuration.
    pub fn org(&self) -> Option<&str> {
        match &self.about {
            About::Okta { org, .. } | About::Leaver { org, .. } => Some(org),
            About::Namely { .. } | About::Channel { .. } => None,
        }
    }

    /// The tenant that it is about, by its name in the configuration.
    pub fn tenant(&self) -> Option<&str> {
        match &self.about {
            About::Namely { tenant, .. } => Some(tenant),
            About::Okta { .. } | About::Leaver { .. } | About::Channel { .. } => None,
        }
    }

    /// The person in an org that it is about, by the store's id.
    pub const fn target(&self) -> Option<i64> {
        match &self.about {
            About::Leaver { target, .. } => Some(*target),
            About::Namely { .. } | About::Okta { .. } | About::Channel { .. } => None,
        }
    }

    /// Whether a person has to mend it: it does not pass by itself.
    pub const fn needs_a_person(&self) -> bool {
        match &self.about {
            About::Namely { ailment, .. } | About::Okta { ailment, .. } => {
                matches!(ailment, Ailment::Refused | Ailment::Forbidden)
            }
            About::Leaver { .. } | About::Channel { .. } => true,
        }
    }

    /// What is so, in one sentence.
    pub fn is(&self) -> String {
        match &self.about {
            About::Namely { tenant, ailment } => match ailment {
                Ailment::Refused => format!("Namely {tenant} refuses the token"),
                Ailment::Forbidden => format!("Namely {tenant} does not let the token read what is needed"),
                Ailment::Away => format!("Namely {tenant} cannot be reached"),
                Ailment::Fails => format!("Namely {tenant} cannot be read"),
                Ailment::Throttles => format!("Namely {tenant} asks for less"),
                Ailment::Strange => format!("Namely {tenant} is not what answers, or its answers cannot be read"),
            },
            About::Okta { org, ailment } => match ailment {
                Ailment::Refused => format!("Okta {org} refuses the token"),
                Ailment::Forbidden => format!("Okta {org} does not let the token do what is needed"),
                Ailment::Away => format!("Okta {org} does not answer"),
                Ailment::Fails | Ailment::Throttles => format!("Okta {org} takes no changes"),
                Ailment::Strange => format!("what answers is not Okta {org}, or not about whom it was asked"),
            },
            About::Leaver { org, .. } => format!("has left and has still access in {org}"),
            About::Channel { channel, recipient, .. } => match recipient {
                Some(recipient) => format!("{recipient}, who gets mail of the channel {channel:?}, takes no messages"),
                None => format!("the channel {channel:?} takes no messages"),
            },
        }
    }

    /// Who can mend it.
    pub const fn who(&self) -> &'static str {
        match &self.about {
            About::Namely { ailment, .. } => match ailment {
                Ailment::Refused | Ailment::Forbidden => "a Namely administrator",
                Ailment::Away | Ailment::Strange => "whoever looks after the network",
                Ailment::Fails | Ailment::Throttles => "Namely",
            },
            About::Okta { ailment, .. } => match ailment {
                Ailment::Refused | Ailment::Forbidden => "an Okta administrator",
                Ailment::Away | Ailment::Strange => "whoever looks after the network",
                Ailment::Fails | Ailment::Throttles => "Okta",
            },
            About::Leaver { .. } => "whoever is on call",
            About::Channel { .. } => "whoever looks after the channel",
        }
    }

    /// Who does what about it.
    pub const fn mend(&self) -> &'static str {
        let (is_dead, is_mail) = match &self.about {
            About::Leaver { .. } => return "somebody has to look why",
            About::Channel { is_dead, recipient, .. } => (*is_dead, recipient.is_some()),
            About::Namely { ailment, .. } => {
                return match ailment {
                    Ailment::Refused => {
                        "a Namely administrator makes a new token; put it in the place of the old one and reload (restart where it \
                         comes from the environment)"
                    }
                    Ailment::Forbidden => {
                        "a Namely administrator gives the owner of the token the permission; it goes on by itself"
                    }
                    Ailment::Away => {
                        "whoever looks after the network sees what stands in between, or url is not right; it is tried again by itself"
                    }
                    Ailment::Fails | Ailment::Throttles => "Namely has to mend it; it is tried again by itself",
                    Ailment::Strange => "look at url, and at what stands in between; it is tried again by itself",
                };
            }
            About::Okta { ailment, .. } => {
                return match ailment {
                    Ailment::Refused => {
                        "an Okta administrator makes a new token, or a new key of the service app; put it in the place of the old one \
                         and reload (restart where it comes from the environment)"
                    }
                    Ailment::Forbidden => {
                        "an Okta administrator gives the owner of the token the role back, or the service app its scope; it goes on by \
                         itself"
                    }
                    Ailment::Away => {
                        "whoever looks after the network sees what stands in between, or url is not right; it is tried again by itself"
                    }
                    Ailment::Fails | Ailment::Throttles => "Okta has to mend it; it is tried again by itself",
                    Ailment::Strange => "look at url, and at what stands in between; it is tried again by itself",
                };
            }
        };
        match (is_dead, is_mail) {
            (true, true) => "correct the address in `to`, or have the mailbox mended",
            (true, false) => "make a new address for it and reload",
            (false, true) => {
                "whoever looks after the mail server sees whether it runs, and lets this machine send; it is tried again by itself"
            }
            (false, false) => {
                "whoever looks after the channel sees whether it runs, and can be reached from here; it is tried again by itself"
            }
        }
    }

    /// The command that shows more.
    pub fn command(&self) -> &str {
        match &self.about {
            About::Leaver { command, .. } => command,
            About::Namely { .. } | About::Okta { .. } | About::Channel { .. } => "check",
        }
    }

    /// For how long it has lasted.
    pub fn lasts(&self, now: Moment) -> Duration {
        now.since(Moment::from_millis(self.since))
    }

    /// What is so, since when as of `now`, why, who mends it how, and which command shows more.
    pub fn message(&self, now: Moment) -> String {
        let (is, said, mend, command) = (self.is(), &self.said, self.mend(), self.command());
        format!("{is}, since {} ago: {said}; {mend}; see `{command}`", span(self.lasts(now)))
    }

    /// The same, with since when, for whoever reads it later.
    pub fn raised(&self) -> String {
        let since = Moment::from_millis(self.since);
        let (is, said, mend, command) = (self.is(), &self.said, self.mend(), self.command());
        format!("{is}, since {since}: {said}; {mend}; see `{command}`")
    }

    /// What is said once it is over, after it has lasted so long.
    pub fn cleared(&self, lasted: Duration) -> String {
        let what = match &self.about {
            About::Namely { tenant, ailment: Ailment::Refused } => format!("Namely {tenant} accepts the token again"),
            About::Namely { tenant, .. } => format!("Namely {tenant} answers again"),
            About::Okta { org, ailment: Ailment::Refused } => format!("Okta {org} accepts the token again"),
            About::Okta { org, ailment: Ailment::Forbidden } => {
                // After a restart nobody has tried yet.
                format!("Okta {org} is not known to refuse the token anything any more")
            }
            About::Okta { org, .. } => format!("Okta {org} answers again"),
            About::Leaver { org, .. } => format!("has no access in {org} any more, or it is theirs by decision"),
            About::Channel { channel, .. } => format!("the channel {channel:?} takes messages again"),
        };
        format!("{what}, after {}", span(lasted))
    }

    /// Whether it has lasted for so long that people are told.
    fn is_raised(&self, now: Moment) -> bool {
        let passing = match self.kind() {
            AlarmKind::Source | AlarmKind::Org => PASSING,
            AlarmKind::Credential => REFUSING,
            AlarmKind::LeaverAccess | AlarmKind::Channel => Duration::ZERO,
        };
        self.lasts(now) >= passing
    }

    /// Whether somebody who knows the one needs to be told of the other.
    fn is_news_beside(&self, known: &Alarm) -> bool {
        match (&self.about, &known.about) {
            (About::Namely { ailment: a, .. }, About::Namely { ailment: b, .. })
            | (About::Okta { ailment: a, .. }, About::Okta { ailment: b, .. }) => a != b,
            _ => false,
        }
    }
}

/// How something is that can be ill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It does not do its work.
    Ill(Alarm),
    /// By its place: it was seen to do its work.
    Well(String),
}

/// Something to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is so.
    Raised(Alarm),
    /// It is over.
    Cleared(Alarm),
}

/// How everything is, where that is known: as the actors have `said`, with those who have left and have access now, and with what follows
/// for what is `known` to have been told.
pub fn signs(known: &[Alarm], said: Vec<Sign>, leavers: Vec<Alarm>, rules: &Rulebook) -> Vec<Sign> {
    let is_ill = |place: &str| said.iter().any(|sign| matches!(sign, Sign::Ill(alarm) if alarm.place == place));
    let is_read = |place: &str| said.iter().any(|sign| matches!(sign, Sign::Well(well) if well == place));
    let is_well = |alarm: &&Alarm| match &alarm.about {
        // All of them are seen at each look.
        About::Leaver { .. } => leavers.iter().all(|leaver| leaver.place != alarm.place),
        _ if is_ill(&alarm.place) => false,
        // An org that was read since the start accepts the token and answers; what is not configured any more is over.
        About::Okta { org, .. } => is_read(&format!("okta {org}")) || rules.org(org).is_none(),
        About::Namely { tenant, .. } => !rules.orgs.iter().any(|org| org.tenants.contains(tenant)),
        About::Channel { .. } => false,
    };
    let well: Vec<Sign> = known.iter().filter(is_well).map(|alarm| Sign::Well(alarm.place.clone())).collect();
    // Each place once: whatever is told twice would be written down twice.
    let of_actors: Vec<Sign> = said.into_iter().filter(|sign| !well.contains(sign)).collect();
    of_actors.into_iter().chain(well).chain(leavers.into_iter().map(Sign::Ill)).collect()
}

/// What is to be told, of what is `known` to have been told and is not over, and of how everything is now. Whatever there is no sign
/// of stays as it is known.
pub fn news(known: &[Alarm], signs: &[Sign], now: Moment) -> Vec<News> {
    let mut found = Vec::new();
    for sign in signs {
        match sign {
            Sign::Ill(alarm) => match known.iter().find(|one| one.place == alarm.place) {
                None if alarm.is_raised(now) => found.push(News::Raised(alarm.clone())),
                Some(before) if alarm.is_news_beside(before) && alarm.is_raised(now) => {
                    found.push(News::Raised(Alarm { since: before.since, ..alarm.clone() }));
                }
                Some(_) | None => {}
            },
            Sign::Well(place) => {
                found.extend(known.iter().filter(|one| one.place == *place).cloned().map(News::Cleared));
            }
        }
    }
    found
}

/// A length of time as people say it.
fn span(length: Duration) -> String {
    match length.as_secs() {
        s if s < 90 => format!("{s} s"),
        s if s < 90 * 60 => format!("{} min", (s + 30) / 60),
        s if s < 48 * 3600 => format!("{} h", (s + 1800) / 3600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_secs(1_795_665_600 + seconds)
    }

    fn namely(said: &str) -> Alarm {
        Alarm::of_namely("acme", said, at(0))
    }

    #[test]
    fn a_source_that_fails_is_told_once_when_it_lasts_and_once_when_it_is_over() {
        let away = namely("HTTP 500");
        let ill = [Sign::Ill(away.clone())];
        assert!(news(&[], &ill, at(59)).is_empty(), "what passes is nobody's business");
        assert_eq!(news(&[], &ill, at(60)), [News::Raised(away.clone())]);
        let known = [away.clone()];
        assert!(news(&known, &ill, at(3600)).is_empty(), "once");
        assert!(news(&known, &[], at(3600)).is_empty(), "what nobody knows is not over");
        let other = [Sign::Well("namely other".into())];
        assert!(news(&known, &other, at(3600)).is_empty());
        let well = [Sign::Well("namely acme".into())];
        assert_eq!(news(&known, &well, at(360)), [News::Cleared(away.clone())]);
        assert!(news(&[], &well, at(360)).is_empty(), "once");
        assert_eq!(away.cleared(Duration::from_secs(360)), "Namely acme answers again, after 6 min");
    }

    #[test]
    fn a_source_that_fails_otherwise_than_before_is_told_again_since_the_same_time() {
        let (away, refused) = (namely("HTTP 500"), Alarm { since: at(300).millis(), ..namely("HTTP 401: refused") });
        let found = news(std::slice::from_ref(&away), &[Sign::Ill(refused.clone())], at(400));
        assert_eq!(found, [News::Raised(Alarm { since: away.since, ..refused })]);
        let slower = namely("HTTP 504");
        assert!(news(&[away], &[Sign::Ill(slower)], at(400)).is_empty(), "nobody mends it otherwise");
    }

    #[test]
    fn every_alarm_says_since_when_who_mends_it_and_the_command() {
        let okta = |ailment| Alarm::of_okta("main", "okta", ailment, "HTTP 401", at(0));
        let leaver = About::Leaver { org: "main".into(), target: 7, command: "holds show 1".into() };
        let channel = |is_dead, recipient: Option<&str>| {
            let about = About::Channel { channel: "hr".into(), recipient: recipient.map(str::to_owned), is_dead };
            Alarm { place: "channel hr".into(), about, said: "it answered 404".into(), since: at(0).millis() }
        };
        let all =
            [Ailment::Refused, Ailment::Forbidden, Ailment::Away, Ailment::Fails, Ailment::Throttles, Ailment::Strange];
        let mut alarms: Vec<Alarm> = all.into_iter().map(okta).collect();
        alarms.extend(
            all.into_iter()
                .map(|ailment| Alarm { about: About::Namely { tenant: "acme".into(), ailment }, ..namely("HTTP 401") }),
        );
        alarms.push(Alarm { about: leaver, ..namely("held") });
        alarms.extend([
            channel(true, None),
            channel(false, None),
            channel(true, Some("a@b.c")),
            channel(false, Some("a@b.c")),
        ]);
        for alarm in alarms {
            let message = alarm.message(at(400));
            assert!(message.contains(", since 7 min ago: ") && message.contains("; see `"), "{message}");
            assert!(message.contains(&alarm.said) && !alarm.mend().is_empty() && !alarm.who().is_empty(), "{message}");
            let cleared = alarm.cleared(Duration::from_secs(30));
            assert!(cleared.ends_with(", after 30 s"), "{cleared}");
        }
    }

    #[test]
    fn a_dead_token_is_told_as_that_and_never_as_a_missing_role() {
        for alarm in [
            namely("HTTP 401: Namely refuses the token"),
            Alarm::of_okta("main", "okta", Ailment::Refused, "HTTP 401", at(0)),
        ] {
            let message = alarm.message(at(20));
            assert!(alarm.kind() == AlarmKind::Credential && alarm.needs_a_person(), "{message}");
            assert!(message.contains("makes a new token") && !message.contains("role"), "{message}");
        }
        let ailments = [
            ("GET /groups: HTTP 401", Ailment::Refused),
            ("HTTP 403: the token may not do this", Ailment::Forbidden),
            ("the token does not see email on any profile of a page", Ailment::Forbidden),
            ("HTTP 503", Ailment::Fails),
            ("HTTP 302", Ailment::Strange),
            ("the answer is not JSON (expected value)", Ailment::Strange),
            ("Connection refused", Ailment::Away),
        ];
        for (why, ailment) in ailments {
            assert_eq!(Ailment::of_namely(why), ailment, "{why}");
        }
    }
}
