//! A document of a profile beside the one that is held: which of them counts, and who else is concerned by what differs.

use crate::clock::Moment;
use crate::domain::record::circle::circle;
use crate::domain::record::employee::{ContentHash, Employee, UserStatus};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

/// A document of a profile that differs from the one that is known.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What it says.
    pub employee: Employee,
    /// The hash of that.
    pub hash: ContentHash,
    /// Namely's `updated_at` of it, in seconds, if it was said.
    pub edited: Option<i64>,
}

impl Changed {
    /// What is remembered of it.
    pub fn held(&self) -> Held {
        Held { hash: self.hash, edited: self.edited }
    }

    /// A document of which nobody said when it was edited.
    pub fn undated(employee: Employee) -> Self {
        Self { hash: employee.hash(), employee, edited: None }
    }
}

/// What is remembered of the document of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The hash of what it says.
    pub hash: ContentHash,
    /// The newest `updated_at` with which it was shown, in seconds, if that was said: an older one, or none, does not take it back.
    pub edited: Option<i64>,
}

/// What a document is beside the one that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// It says what is known.
    Same,
    /// It was under way while the one that is held arrived: it may be older, and is not believed.
    MayBeOlder,
    /// It says something else.
    New,
}

impl Document {
    /// `sent` is when the request for it left, `held_at` when the answer with the one that is held arrived, both on the monotonic
    /// time line of one run; times of another run mean nothing.
    pub fn beside(is_same: bool, is_of_this_run: bool, sent: Moment, held_at: Moment) -> Self {
        match is_same {
            true => Document::Same,
            false if is_of_this_run && sent < held_at => Document::MayBeOlder,
            false => Document::New,
        }
    }
}

/// How long a document that was edited before the one that is held is shown, and no other, until it is believed all the same: what
/// keeps answers of before is younger, and a record that was put back to what it was stays.
const PUT_BACK: Duration = Duration::from_secs(600);

/// Whether a document is one of before: Namely's `updated_at` of it (seconds) lies before the one of the document that is held, and it has
/// been shown since `shown_since` only. `updated_at` is no version of the content (`namely-api.md §5.3`): one that is as new, or that is
/// not known, says nothing. Whether it counts all the same because it ends access is for the caller.
pub fn is_of_before(updated: Option<i64>, held: Option<i64>, shown_since: Moment, now: Moment) -> bool {
    let is_older = updated.zip(held).is_some_and(|(updated, held)| updated < held);
    is_older && now.since(shown_since) < PUT_BACK
}

/// A profile that complete walks had not shown, and that a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAgain {
    /// Its id.
    pub profile: String,
    /// When the first page was asked for that showed it, with no complete walk without it since.
    pub since: Moment,
    /// Namely's `updated_at` of what is shown, in seconds, if it was said.
    pub edited: Option<i64>,
}

/// Whether a profile of which a person has decided that access ends, because it was missing, is there again: its document was edited
/// after the one that was `held` when it went, or it stays. Old answers show it as it was.
pub fn is_there_again(shown: &ShownAgain, held: Option<i64>, now: Moment) -> bool {
    let is_newer = shown.edited.zip(held).is_some_and(|(edited, held)| edited > held);
    is_newer || now.since(shown.since) >= PUT_BACK
}

/// Who else is concerned by a new document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ripples<'a> {
    /// The profile was not known, or had left: whoever reports to it has a manager now.
    pub appears: bool,
    /// It reports to somebody else: circles of managers may have closed or opened.
    pub has_moved: bool,
    /// Profiles of managers of whom it is told who still reports to them, where they have left.
    pub managers: Vec<&'a str>,
}

impl<'a> Ripples<'a> {
    /// Who is concerned by what differs between two documents of a profile.
    pub fn of(before: Option<&'a Employee>, after: &'a Employee) -> Self {
        let manager = |employee: &'a Employee| employee.manager.as_ref().map(|manager| manager.id.as_str());
        let (old, new) = (before.and_then(manager), manager(after));
        let has_moved = old != new;
        let hears = has_moved || before.map(|before| &before.user_status) != Some(&after.user_status);
        let other = new.filter(|_| has_moved);
        let managers = if hears { old.into_iter().chain(other).collect() } else { Vec::new() };
        let had_left = |before: &Employee| before.user_status == UserStatus::Inactive;
        let appears = before.is_none_or(had_left) && (before.is_none() || !had_left(after));
        Self { appears, has_moved, managers }
    }
}

/// Whom documents concern besides those whom they are about: profiles of their tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Profiles that were not known, or had left: whoever reports to them has a manager now.
    pub first: Vec<String>,
    /// Whoever stands in a circle of managers that was closed or broken up, and so has another manager to be told of.
    pub in_circles: Vec<String>,
    /// Managers of whom it is told who still reports to them, where they have left.
    pub managers: Vec<String>,
}

impl Heard {
    /// Whom documents concern that come one after the other, each with what was held before. `above` says whom profiles reported to
    /// before them: at least those that report to somebody else now, whom they report to, and everybody above.
    pub fn of<'a>(
        documents: impl IntoIterator<Item = (Option<&'a Employee>, &'a Employee)>,
        mut above: BTreeMap<String, Option<String>>,
    ) -> Self {
        let mut heard = Heard::default();
        for (before, after) in documents {
            let ripples = Ripples::of(before, after);
            if ripples.appears {
                heard.first.push(after.id.clone());
            }
            if ripples.has_moved {
                let mut circle = circle_in(&above, &after.id);
                above.insert(after.id.clone(), after.manager.as_ref().map(|manager| manager.id.clone()));
                circle.extend(circle_in(&above, &after.id));
                heard.in_circles.extend(circle.into_iter().filter(|other| *other != after.id));
            }
            heard.managers.extend(ripples.managers.into_iter().map(str::to_owned));
        }
        heard
    }
}

fn circle_in(above: &BTreeMap<String, Option<String>>, profile: &str) -> Vec<String> {
    let found = circle(profile, |one| -> Result<_, Infallible> { Ok(above.get(one).cloned().flatten()) });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::Manager;
    use crate::domain::record::employee::tests::an_employee;

    fn under(manager: Option<&str>) -> Employee {
        let manager = manager.map(|id| Manager { id: id.into(), ..an_employee().manager.unwrap_or_default() });
        Employee { manager, ..an_employee() }
    }

    #[test]
    fn an_answer_that_was_under_way_is_not_believed_unless_it_says_the_same() {
        let at = Moment::from_secs;
        assert_eq!(Document::beside(true, true, at(1), at(2)), Document::Same);
        assert_eq!(Document::beside(false, true, at(1), at(2)), Document::MayBeOlder);
        assert_eq!(Document::beside(false, true, at(2), at(2)), Document::New);
        assert_eq!(Document::beside(false, false, at(1), at(2)), Document::New, "times of another run mean nothing");
    }

    #[test]
    fn a_document_edited_before_the_one_that_is_held_is_of_before_until_it_stays() {
        let at = Moment::from_secs;
        assert!(is_of_before(Some(100), Some(200), at(0), at(5)));
        for (updated, held) in [(Some(200), Some(200)), (Some(201), Some(200)), (None, Some(200)), (Some(100), None)] {
            assert!(!is_of_before(updated, held, at(0), at(5)), "{updated:?} beside {held:?}");
        }
        assert!(!is_of_before(Some(100), Some(200), at(0), at(600)), "nothing newer is shown any more");
    }

    #[test]
    fn whoever_was_ended_for_being_missing_is_there_again_by_a_newer_document_or_by_staying() {
        let at = Moment::from_secs;
        let shown = |edited, since| ShownAgain { profile: "p".into(), since: at(since), edited };
        assert!(is_there_again(&shown(Some(201), 0), Some(200), at(1)));
        for (edited, held) in [(Some(200), Some(200)), (Some(199), Some(200)), (None, Some(200)), (None, None)] {
            assert!(!is_there_again(&shown(edited, 0), held, at(599)), "{edited:?} beside {held:?}");
            assert!(is_there_again(&shown(edited, 0), held, at(600)));
        }
    }

    #[test]
    fn both_managers_hear_of_a_move_and_the_one_of_a_status() {
        let (old, new) = (under(Some("a")), under(Some("b")));
        let moved = Ripples::of(Some(&old), &new);
        assert_eq!((moved.has_moved, moved.appears, moved.managers), (true, false, vec!["a", "b"]));
        let left = Employee { user_status: UserStatus::Inactive, ..new.clone() };
        assert_eq!(Ripples::of(Some(&new), &left).managers, ["b"]);
        assert!(!Ripples::of(Some(&new), &left).appears && !Ripples::of(Some(&left), &left).appears);
        assert!(Ripples::of(Some(&left), &new).appears, "whoever reports to them has a manager again");
        assert_eq!(Ripples::of(Some(&new), &new).managers, Vec::<&str>::new());
        let alone = under(None);
        let first = Ripples::of(None, &alone);
        assert!(first.appears && !first.has_moved && first.managers.is_empty());
    }

    #[test]
    fn whoever_is_in_a_circle_that_closes_or_opens_hears_of_it_in_the_order_of_the_documents() {
        let one = |id: &str, manager: Option<&str>| Employee { id: id.into(), ..under(manager) };
        let above = BTreeMap::from([("a".into(), Some("b".into())), ("b".into(), None)]);
        let (was, closes, opens) = (one("b", None), one("b", Some("a")), one("b", None));
        let heard = Heard::of([(Some(&was), &closes), (Some(&closes), &opens)], above);
        assert_eq!(heard.in_circles, ["a", "a"], "when it closes, and when it opens");
        assert_eq!(heard.managers, ["a", "a"]);
        let new = one("c", Some("a"));
        let heard = Heard::of([(None, &new)], BTreeMap::new());
        assert_eq!((heard.first, heard.in_circles), (vec!["c".to_owned()], Vec::new()));
    }
}
