//! What a person has decided about somebody where Namely's record alone would have it otherwise.
//!
//! **Invariant:** whoever says that Okta holds what Namely says has asked here first.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::plan::case::Case;
use crate::domain::plan::pins::Pins;
use crate::domain::plan::resolve::resolve;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::lifecycle::Entitlement;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A decision, and what it makes Okta hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// An undo keeps what it has restored.
    Undo(Vec<String>),
    /// Access was ended before HR has said so.
    EndAccess { by: String, why: String, suspends: bool },
}

impl Decided {
    /// The word for it in counts.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Decided::Undo(_) => "undo",
            Decided::EndAccess { .. } => "end_access",
        }
    }

    /// What lets Namely decide again about this person.
    pub fn command(&self, person: &str) -> String {
        match self {
            Decided::Undo(_) => format!("undo --release --person {person}"),
            Decided::EndAccess { .. } => format!("restore-access {person} --why TEXT"),
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decided::Undo(keeps) => write!(f, "an undo keeps it so: {}", keeps.join(", ")),
            Decided::EndAccess { by, why, suspends: true } => write!(f, "access was suspended by {by}: {why}"),
            Decided::EndAccess { by, why, suspends: false } => write!(f, "access was ended by {by}: {why}"),
        }
    }
}

/// What was decided about the person of `case`, as far as it differs from what the record and the mapping give. An undo that still
/// waits for an approval has decided nothing.
pub fn decided(case: &Case, rulebook: &Rulebook, directory: &Directory, now: Moment) -> Option<Decided> {
    let says = rulebook.recorded(case, now).entitlement;
    if let Some(asked) = case.end_now.as_ref().filter(|asked| asked.has_begun(now)) {
        let (by, why) = (asked.by.clone(), asked.why.clone());
        return (!asked.is_confirmed_by(&says)).then_some(Decided::EndAccess { by, why, suspends: asked.suspends });
    }
    let keeps = differing(case, &says, rulebook, directory, now).message(directory);
    (!keeps.is_empty()).then_some(Decided::Undo(keeps))
}

/// What is pinned and would be otherwise without.
fn differing(case: &Case, says: &Entitlement, rulebook: &Rulebook, directory: &Directory, now: Moment) -> Pins {
    let (pins, holds) = (case.pins.of_now(directory), case.entitlement(says));
    let is_proposal = case.gives_against(says) && !pins.is_decided();
    let access = pins.access.filter(|_| holds != *says && !is_proposal);
    let is_mapped = matches!(holds, Entitlement::Entitled | Entitlement::OnLeave(_) | Entitlement::Prehire { .. });
    if pins.is_empty() || !is_mapped || is_proposal {
        return Pins { access, ..Pins::default() };
    }
    // Where the mapping gives nothing, all that is pinned is somebody's decision.
    let desired = rulebook.desired(case, now).ok();
    let given = desired.as_ref().and_then(|desired| resolve(desired, &rulebook.mapping, directory).ok());
    let given = given.map(|given| given.ids);
    let differs = |name: &str, value: &Value| {
        let wanted = desired.as_ref().map(|desired| desired.attributes.get(name).unwrap_or(&Value::Null));
        rulebook.writes(name) && wanted != Some(value)
    };
    let is_given = |group: &String| given.as_ref().map(|given| given.contains(group));
    let is_ours = |group: &&String| directory.is_ours_to_write(group);
    let is_managed = |group: &&String| directory.find(group).is_some_and(|group| rulebook.mapping.manages(group));
    let chosen = |groups: &BTreeSet<String>, unlike: bool| -> BTreeSet<String> {
        groups.iter().filter(is_ours).filter(|group| is_given(group) != Some(unlike)).cloned().collect()
    };
    Pins {
        access,
        attributes: pins.attributes.iter().filter(|(name, value)| differs(name, value)).map(owned).collect(),
        // What no rule manages, Namely says nothing about.
        member: chosen(&pins.member, true).iter().filter(is_managed).cloned().collect(),
        not_member: chosen(&pins.not_member, false),
        names: pins.names,
        ..Pins::default()
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::end_now::EndNow;
    use crate::domain::plan::pins::Access;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::UserStatus;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::person::{Person, Position};
    use std::collections::BTreeMap;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn case(status: UserStatus) -> Case {
        let employee = crate::domain::record::employee::Employee { user_status: status, ..an_employee() };
        let position = Position { tenant: "acme".into(), employee };
        Case::new("main", Person::new(vec![position]).expect("a person"))
    }

    fn said(case: &Case) -> Option<String> {
        decided(case, &rulebook(), &Directory::default(), NOW).map(|decided| decided.to_string())
    }

    #[test]
    fn an_end_of_access_is_a_decision_until_the_record_says_as_much() {
        let (by, principal, why) = ("Ann".into(), "token:ann".into(), "stolen laptop".into());
        let end_now = Some(EndNow { by, principal, why, at: NOW, begins: NOW, suspends: false });
        let ended = Case { end_now, ..case(UserStatus::Active) };
        assert_eq!(said(&ended).as_deref(), Some("access was ended by Ann: stolen laptop"));
        let followed = Case { end_now: ended.end_now.clone(), ..case(UserStatus::Inactive) };
        assert_eq!(said(&followed), None, "HR has followed");
        assert_eq!(said(&case(UserStatus::Active)), None);
    }

    #[test]
    fn an_undo_is_a_decision_as_far_as_the_mapping_gives_something_else() {
        let active = case(UserStatus::Active);
        let title = rulebook().desired(&active, NOW).expect("maps").attributes["title"].clone();
        let pinned = |title: Value| Case {
            pins: Pins { attributes: BTreeMap::from([("title".to_owned(), title)]), ..Pins::default() },
            ..active.clone()
        };
        assert_eq!(said(&pinned(title)), None, "what Namely says is nobody's decision");
        assert_eq!(said(&pinned("Emperor".into())).as_deref(), Some("an undo keeps it so: title: \"Emperor\""));
        let withheld = Case { pins: Pins { access: Some(Access::Withheld), ..Pins::default() }, ..active };
        assert_eq!(said(&withheld).as_deref(), Some("an undo keeps it so: access is withheld"));
        let given = Pins { access: Some(Access::Given), against_end: Some(true), ..Pins::default() };
        let proposed = Case { pins: given.clone(), ..case(UserStatus::Inactive) };
        assert_eq!(said(&proposed), None, "nobody has approved it");
        let approved = Case { pins: Pins { carried_out: true, ..given }, ..proposed };
        assert_eq!(said(&approved).as_deref(), Some("an undo keeps it so: access is given"));
    }
}
