//! What Okta did not do, and why.

use super::waits::A_MOMENT;
use crate::domain::{Mapping, Step};
use crate::okta::outcome::{Fixer, Outcome};
use serde_json::Value;
use std::time::Duration;

/// Something that Okta did not do.
#[derive(Debug)]
pub(super) struct Refusal {
    pub step: Step,
    pub why: String,
    /// Whether somebody has to change something before it can be done, as far as Okta says.
    pub lasts: bool,
    /// When it may be tried again, where Okta had no time.
    pub after: Option<Duration>,
}

impl Refusal {
    /// What `outcome` says of a step that was not carried out.
    pub(super) fn of(step: &Step, outcome: &Outcome) -> Self {
        let (why, after) = match outcome {
            Outcome::Refused { why, who } => (format!("{why}; {who}"), None),
            Outcome::Missing => ("Okta says that there is no such thing, and shows it".to_owned(), None),
            Outcome::Retry { after, why } => (why.clone(), Some(*after)),
            Outcome::Unknown { why } => (why.clone(), Some(A_MOMENT)),
            other => {
                let shows = "Okta says that it is so already, and shows something else";
                (other.why().unwrap_or(shows).to_owned(), None)
            }
        };
        Self { step: step.clone(), why, lasts: !is_busy(outcome), after }
    }

    /// 404 to a deactivation of an account that nobody has seen open since it may have been deactivated: no refusal before it
    /// was read.
    pub(super) fn of_closed_perhaps(step: &Step) -> Self {
        let why = "Okta says that there is no such account, which it also says of one that is deactivated already";
        Self { step: step.clone(), why: why.to_owned(), lasts: false, after: Some(A_MOMENT) }
    }

    /// Okta has accepted a step and shows that nothing has changed.
    pub(super) fn of_accepted(step: &Step, lasts: bool) -> Self {
        let why = match step {
            Step::RemoveGroup { .. } if lasts => {
                "wanted no member, shown a member: Okta has accepted the removal and the list has them still"
            }
            Step::RemoveGroup { .. } => {
                "Okta has accepted the removal, and the list, which may lag a little, has them still"
            }
            _ => "Okta accepts it but does not show it",
        };
        Self { step: step.clone(), why: why.to_owned(), lasts, after: None }
    }
}

/// Whether an outcome says nothing about the person: Okta has no time, or nobody knows what it did.
pub(super) fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. })
}

/// What Okta has accepted without effect, with what is shown in place of what was wanted.
pub(super) fn not_shown(step: &Step) -> String {
    let value = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    match step {
        Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. } if !changes.is_empty() => {
            let shown = changes
                .iter()
                .map(|change| format!("{} {} and shows {}", change.field, value(&change.after), value(&change.before)));
            format!("{} with {}", step.name(), shown.collect::<Vec<_>>().join(", "))
        }
        step => format!("{} but does not show it", step.name()),
    }
}

/// The attributes that a step writes.
fn sent(step: &Step) -> Vec<(&str, &Value)> {
    match step {
        Step::CreateUser { profile, .. } => profile.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. } => {
            changes.iter().map(|change| (change.field.as_str(), &change.after)).collect()
        }
        _ => Vec::new(),
    }
}

/// What Okta minds of an attribute, if it is about that one.
fn cause<'a>(why: &'a str, name: &str) -> Option<&'a str> {
    let is_begin = |at: usize| why[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    let (at, found) = why.match_indices(&format!("{name}: ")).find(|(at, _)| is_begin(*at))?;
    why[at + found.len()..].split([';', ')']).next()
}

/// The attribute that must be unique and whose value another account has, with that value, if a step was refused for it.
pub(crate) fn taken(step: &Step, why: &str) -> Option<(String, Value)> {
    let is_taken = |name: &str| cause(why, name).is_some_and(|cause| cause.contains(TAKEN));
    let (name, value) = sent(step).into_iter().find(|(name, _)| is_taken(name))?;
    Some((name.to_owned(), value.clone()))
}

const TAKEN: &str = "already exists in the current organization";

/// Who can mend a refusal of a value, by where the value comes from; and what was sent, where Okta names the attribute.
pub(super) fn fixer(step: &Step, why: &str, who: Fixer, mapping: &Mapping) -> (Fixer, String) {
    let sent = sent(step);
    if who != Fixer::Hr || sent.is_empty() {
        return (who, String::new());
    }
    let named = sent.into_iter().find_map(|(name, value)| Some((name, value, cause(why, name)?)));
    let Some((name, value, cause)) = named else {
        if !names_an_attribute(why) {
            return (who, String::new());
        }
        // Okta minds something that nobody here has sent: its own schema, or its own check.
        return (Fixer::OktaAdmin, "; it is about nothing that was sent".to_owned());
    };
    let about = match cause.contains(TAKEN) {
        true => format!("; {name} is to be {value}, which another account has, and nobody else may have it"),
        false => format!("; what was sent is {name} = {value}"),
    };
    let rule = mapping.attribute_rules().iter().find(|rule| rule.name == name);
    let is_of_namely = rule.is_none_or(|rule| {
        let reads = rule.value.reads();
        reads.whole || !reads.fields.is_empty() || !reads.custom.is_empty()
    });
    (if is_of_namely && !(is_of_type(cause) && rule.is_some()) { Fixer::Hr } else { Fixer::Config }, about)
}

/// Whether a refusal is about the type of a value: the mapping makes it, whatever HR writes.
fn is_of_type(why: &str) -> bool {
    let why = why.to_lowercase();
    let types = ["string", "integer", "number", "boolean", "array", "object"];
    let must_be = |kind: &&str| {
        ["must be a", "must be an", "should be a", "should be an", "is not a", "is not an"]
            .iter()
            .any(|words| why.contains(&format!("{words} {kind}")))
    };
    why.contains("expected type")
        || why.contains("incorrect type")
        || why.contains("invalid type")
        || why.contains("wrong type")
        || why.contains("data type")
        || types.iter().any(must_be)
}

/// Whether a refusal is about an attribute: Okta's causes begin with its name and a colon.
fn names_an_attribute(why: &str) -> bool {
    let cause = why.rsplit_once('(').map(|(_, cause)| cause);
    let name = cause.and_then(|cause| cause.split_once(": ")).map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::{default_attributes, plain};
    use crate::domain::mapping::expr::Engine;
    use std::collections::BTreeMap;

    #[test]
    fn who_can_mend_a_value_is_who_it_comes_from_and_the_value_is_shown() {
        let engine = Engine::default();
        let mut rules = default_attributes(&engine);
        rules.push(plain(&engine, "costCenter", "'12345678901'"));
        let mapping = Mapping::new(engine, "namelyId", rules, Vec::new());
        let profile = [("title", "Emperor"), ("costCenter", "12345678901")];
        let profile: BTreeMap<String, Value> =
            profile.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let create = Step::CreateUser { profile, groups: vec![], activate: true, user_type: None };
        let of = |why: &str| fixer(&create, why, Fixer::Hr, &mapping);
        assert_eq!(
            of("HTTP 400 (title: String is too long)"),
            (Fixer::Hr, "; what was sent is title = \"Emperor\"".into())
        );
        for odd in
            ["(title: Expected type integer)", "(title: Incorrect type. Expected number)", "(title: must be a boolean)"]
        {
            assert_eq!(of(odd).0, Fixer::Config, "no edit in Namely makes another type of it: {odd}");
        }
        assert_eq!(of("(costCenter: is not in the list)").0, Fixer::Config);
        let of_type = of("(title: Incorrect type. Expecting integer)");
        assert_eq!(of_type.0, Fixer::Config, "nobody in HR can make a number of a text");
        let taken = of("(title: An object with this field already exists in the current organization)");
        assert_eq!(taken.0, Fixer::Hr);
        assert!(super::taken(&create, "(shoeSize: is odd)").is_none());
        assert!(taken.1.contains("title is to be \"Emperor\", which another account has"), "{}", taken.1);
        assert_eq!(of("(subtitle: String is too long)").0, Fixer::OktaAdmin, "it was not sent");
        assert_eq!(of("E0000001 Api validation failed"), (Fixer::Hr, String::new()), "it names nothing");
        assert_eq!(fixer(&create, "no role", Fixer::OktaAdmin, &mapping).0, Fixer::OktaAdmin);
    }
}
