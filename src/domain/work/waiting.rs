//! What people read of a hold: one sentence, wherever it is said.

use super::cause::Cause;
use crate::domain::ChangeKind;

/// A hold, as far as the sentence about it needs it.
#[derive(Clone, Copy, Debug)]
pub struct HoldText<'a> {
    pub change: ChangeKind,
    /// How many wait in it.
    pub people: u64,
    /// Whom it is about.
    pub scope: &'a str,
    /// The limit or rule.
    pub rule: &'a str,
    /// What has made them change.
    pub cause: Option<&'a str>,
    /// Live accounts of the scope, where they are counted.
    pub population: Option<u64>,
    /// Holds of this kind and scope in the days before it.
    pub earlier: u64,
}

/// Days in which holds of the same kind are counted.
pub const EARLIER_DAYS: i64 = 90;

impl HoldText<'_> {
    /// The sentence: who, what, after what, by which rule, and how unusual it is.
    pub fn sentence(&self) -> String {
        let Self { people, scope, rule, .. } = self;
        let who = if *people == 1 { "1 person is".to_owned() } else { format!("{people} people are") };
        let cause = self.cause.map(|cause| format!(", after {}", read(self.change, cause))).unwrap_or_default();
        format!("{who} {} ({scope}){cause}: {rule}; {}", awaits(self.change), self.unusual())
    }

    /// How much of all there is, and how often it happens.
    fn unusual(&self) -> String {
        let share = match self.population {
            Some(all) if all > 0 => {
                format!("{} % of {all} live accounts, ", (self.people * 100).div_ceil(all).min(100))
            }
            _ => String::new(),
        };
        match self.earlier {
            0 => format!("{share}the first such hold in {EARLIER_DAYS} days"),
            n => format!("{share}after {n} such hold{} in {EARLIER_DAYS} days", if n == 1 { "" } else { "s" }),
        }
    }
}

/// A cause as it may be said of this kind: who is to get an account was read, and nobody need have edited anything.
fn read(change: ChangeKind, cause: &str) -> String {
    match change {
        ChangeKind::Create | ChangeKind::Adopt => cause
            .replace("1 edit in Namely", "1 profile was read in Namely")
            .replace("edits in Namely", "profiles were read in Namely"),
        _ => cause.to_owned(),
    }
}

/// What would be done to people.
const fn awaits(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::Deactivate => "to be deactivated",
        ChangeKind::Suspend => "to be suspended",
        ChangeKind::RemoveGroup => "to lose groups or apps",
        ChangeKind::GrantAdmin => "to get an admin role",
        ChangeKind::Adopt => "to get an account that is there already",
        ChangeKind::ChangeLogin => "to get another login",
        ChangeKind::ChangeContact => "to get another email or phone",
        ChangeKind::Activate => "to be let in",
        ChangeKind::Create => "to get an account",
        ChangeKind::AddGroup => "to get groups or apps",
        ChangeKind::ChangeAttributes => "to get other attributes",
        ChangeKind::LinkManager => "to get another manager",
    }
}

/// How many people something has made change, and over what time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The stored word of the cause.
    pub cause: String,
    pub people: u64,
    /// Between the first and the last, in seconds.
    pub seconds: u64,
}

/// What has made people change, the most common first; `rules` is how the configuration came to be another one.
pub fn cause_of(shares: &[Share], rules: &str) -> Option<String> {
    let mut shares: Vec<&Share> = shares.iter().collect();
    shares.sort_by(|a, b| b.people.cmp(&a.people).then_with(|| a.cause.cmp(&b.cause)));
    let words = |share: &&Share| match share.cause.as_str() {
        "profile" => {
            let edits = if share.people == 1 { "1 edit".to_owned() } else { format!("{} edits", share.people) };
            match share.people {
                1 => format!("{edits} in Namely"),
                _ => format!("{edits} in Namely within {}", span(share.seconds)),
            }
        }
        "rules" => rules.to_owned(),
        "date" => "a date (a start, a last day, the end of a grace period)".to_owned(),
        other => because(other),
    };
    let said: Vec<String> = shares.iter().take(2).map(words).collect();
    let more = if shares.len() > 2 { " and more" } else { "" };
    (!said.is_empty()).then(|| format!("{}{more}", said.join(" and ")))
}

/// The causes that are no edit, no date and no configuration.
fn because(word: &str) -> String {
    let all = [
        (Cause::Manager, "an edit of the manager"),
        (Cause::Review(0), "a decision about a match"),
        (Cause::OrgRead, "a reading of the org"),
        (Cause::TenantRead, "a reading of the tenant"),
        (Cause::Drift, "a change in Okta by somebody else"),
        (Cause::Undo, "an undo"),
        (Cause::Request, "a request of an operator"),
        (Cause::Unanswered, "a call without an answer"),
    ];
    let found = all.iter().find(|(cause, _)| cause.as_str() == word);
    found.map_or_else(|| "a start of the service".to_owned(), |(_, words)| (*words).to_owned())
}

fn span(seconds: u64) -> String {
    match seconds {
        0 | 1 => "1 s".to_owned(),
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s.div_ceil(60)),
        s if s < 172_800 => format!("{} h", s.div_ceil(3600)),
        s => format!("{} days", s.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_one_sentence_with_cause_count_rule_and_how_unusual_it_is() {
        let text = HoldText {
            change: ChangeKind::Deactivate,
            people: 30,
            scope: "acme",
            rule: "at most 10 an hour, of whom 0 were let through or held before",
            cause: Some("30 edits in Namely within 1 s"),
            population: Some(120),
            earlier: 0,
        };
        assert_eq!(
            text.sentence(),
            "30 people are to be deactivated (acme), after 30 edits in Namely within 1 s: at most 10 an hour, of whom 0 were let \
             through or held before; 25 % of 120 live accounts, the first such hold in 90 days"
        );
        let first = HoldText { change: ChangeKind::Create, cause: Some("10 edits in Namely within 1 s"), ..text };
        assert!(
            first.sentence().contains("after 10 profiles were read in Namely within 1 s: "),
            "{}",
            first.sentence()
        );
        let alone =
            HoldText { people: 1, cause: None, population: None, earlier: 1, rule: "two people must agree", ..text };
        assert_eq!(
            alone.sentence(),
            "1 person is to be deactivated (acme): two people must agree; after 1 such hold in 90 days"
        );
    }

    #[test]
    fn what_has_made_people_change_is_said_with_the_most_common_first() {
        let share = |cause: &str, people, seconds| Share { cause: cause.into(), people, seconds };
        let reload = "the reload by Ann at 12:00";
        assert_eq!(cause_of(&[share("rules", 9, 0)], reload).as_deref(), Some(reload));
        assert_eq!(cause_of(&[share("profile", 1, 0)], "").as_deref(), Some("1 edit in Namely"));
        let both = [share("date", 2, 0), share("profile", 28, 200)];
        let wanted = "28 edits in Namely within 4 min and a date (a start, a last day, the end of a grace period)";
        assert_eq!(cause_of(&both, "").as_deref(), Some(wanted));
        assert_eq!(cause_of(&[], ""), None);
    }
}
