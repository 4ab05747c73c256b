//! Who changed? Compares what a page shows with what was committed, by content and not by `updated_at`.
//!
//! **Invariant:** remembers 16 bytes per profile, and only of documents that the store has committed.

use super::catalogue::Catalogue;
use super::walk::Shown;
use super::wire::{Reader, unread};
use crate::clock::Moment;
use crate::domain::Employee;
use crate::domain::record::employee::ContentHash;
use crate::domain::record::facts::Facts;
use crate::domain::record::facts::ProfileProblem;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What a page has to say.
#[derive(Debug, Default)]
pub struct Findings {
    /// Profiles whose content differs from what is known, or that are new.
    pub changed: Vec<(Employee, ContentHash)>,
    /// Profiles that could not be read, news only: until `message` says that they are written down, each page shows them again.
    pub problems: Vec<ProfileProblem>,
    /// Profiles that could not be read before and can now.
    pub mended: Vec<String>,
    /// Profiles that complete walks had not shown, and that this page shows.
    pub back: Vec<String>,
    /// Ids of all profiles on the page.
    pub ids: Vec<String>,
    /// `updated_at` (seconds) of changed profiles, where it is newer than anything seen before: how late they were seen.
    pub moved: Vec<i64>,
    /// Some profile names a group the catalogue does not know.
    pub catalogue_is_stale: bool,
}

/// The memory of one tenant's profiles.
#[derive(Debug, Default)]
pub struct Detector {
    known: HashMap<Box<str>, ContentHash>,
    problems: HashMap<Box<str>, (String, Facts)>,
    /// Known profiles that the last complete walk did not show, and when the first one began that did not.
    absent: HashMap<Box<str>, Moment>,
    /// Those of whom it is written down that they are missing.
    missing: HashSet<Box<str>>,
    /// The newest `updated_at` that a page sorted by it has shown. It says nothing about content, but a newer one is an edit of just now.
    newest: Option<i64>,
}

impl Detector {
    /// A detector that knows what the store holds.
    pub fn new(known: impl IntoIterator<Item = (String, ContentHash)>) -> Self {
        let known = known.into_iter().map(|(id, hash)| (id.into_boxed_str(), hash)).collect();
        Self { known, ..Self::default() }
    }

    /// How many profiles are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Looks through a page; `newest_first` says that it is sorted so. Nothing is remembered until `commit` and `message`.
    pub fn examine(
        &mut self,
        profiles: &[Value],
        newest_first: bool,
        reader: &Reader,
        catalogue: &Catalogue,
    ) -> Findings {
        let mut findings = Findings::default();
        let before = self.newest;
        for profile in profiles {
            let updated = profile["updated_at"].as_i64().filter(|_| newest_first);
            self.newest = self.newest.max(updated);
            match reader.read(profile, catalogue) {
                Ok(employee) => {
                    findings.ids.push(employee.id.clone());
                    let was_missing = self.was_missing(&employee.id, &mut findings);
                    if self.problems.remove(employee.id.as_str()).is_some() {
                        findings.mended.push(employee.id.clone());
                    }
                    let hash = employee.hash();
                    if was_missing || self.known.get(employee.id.as_str()) != Some(&hash) {
                        findings.changed.push((employee, hash));
                        findings.moved.extend(updated.filter(|at| before.is_some_and(|before| *at > before)));
                    }
                }
                Err(problem) => {
                    findings.catalogue_is_stale |= problem.unknown_group;
                    let id = problem.profile.clone().unwrap_or_default();
                    if !id.is_empty() {
                        findings.ids.push(id.clone());
                        self.was_missing(&id, &mut findings);
                    }
                    if self
                        .problems
                        .get(id.as_str())
                        .is_none_or(|(why, facts)| *why != problem.why || *facts != problem.facts)
                    {
                        findings.problems.push(problem);
                    }
                }
            }
        }
        findings
    }

    fn was_missing(&self, id: &str, findings: &mut Findings) -> bool {
        let was_missing = self.missing.contains(id);
        if was_missing {
            findings.back.push(id.to_owned());
        }
        was_missing
    }

    /// A complete walk that began at `started` has shown these profiles. Returns those of the known ones that neither it nor the
    /// complete walk before has shown, with when that one began: people who move between pages while a walk goes on may be passed
    /// by one of them. They are returned until `are_missing` says that they are written down.
    pub fn walked(&mut self, shown: &Shown, started: Moment) -> Vec<(String, Moment)> {
        let mut before = std::mem::take(&mut self.absent);
        let mut news = Vec::new();
        for id in self.known.keys().filter(|id| !shown.has(id)) {
            let since = before.remove(id);
            if let Some(since) = since.filter(|_| !self.missing.contains(id)) {
                news.push((id.to_string(), since));
            }
            self.absent.insert(id.clone(), since.unwrap_or(started));
        }
        news
    }

    /// It is written down that these are missing.
    pub fn are_missing(&mut self, profiles: impl IntoIterator<Item = String>) {
        self.missing.extend(profiles.into_iter().map(String::into_boxed_str));
    }

    /// It is written down that these are shown again.
    pub fn are_back<'i>(&mut self, profiles: impl IntoIterator<Item = &'i String>) {
        for profile in profiles {
            self.missing.remove(profile.as_str());
        }
    }

    /// Of a page that shows too little of its profiles to be used: whose access ends all the same.
    pub fn endings(&self, profiles: &[Value]) -> Vec<ProfileProblem> {
        let ends = |problem: &ProfileProblem| problem.facts.may_end() && problem.profile.is_some();
        profiles.iter().map(unread).filter(ends).collect()
    }

    /// These could not be read when the service ended: whoever can be now is mended.
    pub fn could_not_read(&mut self, profiles: impl IntoIterator<Item = String>) {
        let unknown = || (String::new(), Facts::default());
        self.problems.extend(profiles.into_iter().map(|id| (id.into_boxed_str(), unknown())));
    }

    /// The store has written down this problem.
    pub fn message(&mut self, problem: ProfileProblem) {
        let id = problem.profile.unwrap_or_default();
        self.problems.insert(id.into_boxed_str(), (problem.why, problem.facts));
    }

    /// The store has committed this document.
    pub fn commit(&mut self, id: &str, hash: ContentHash) {
        self.known.insert(id.into(), hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::view::Reads;
    use serde_json::json;

    fn profile(id: &str, title: &str) -> Value {
        json!({
            "id": id, "email": format!("{id}@example.com"), "user_status": "active", "job_title": { "title": title },
            "start_date": "2024-01-01", "departure_date": "", "updated_at": 1
        })
    }

    #[test]
    fn only_content_counts_and_only_what_was_committed_is_known() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let first = detector.examine(&[profile("a", "X"), profile("b", "X")], false, &reader, &catalogue);
        assert_eq!(first.changed.len(), 2);
        detector.commit("a", first.changed[0].1);
        let second = detector.examine(&[profile("a", "X"), profile("b", "X")], false, &reader, &catalogue);
        assert_eq!(second.changed.iter().map(|(e, _)| e.id.as_str()).collect::<Vec<_>>(), ["b"]);
        let third = detector.examine(&[profile("a", "Y")], false, &reader, &catalogue);
        assert_eq!(third.changed.len(), 1, "updated_at did not move, the title did");
    }

    #[test]
    fn how_late_an_edit_is_seen_is_told_only_where_it_is_newer_than_anything_before() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let at = |id: &str, updated: i64| {
            let mut profile = profile(id, "X");
            profile["updated_at"] = json!(updated);
            profile
        };
        let mut moved = |page: &[Value], hot: bool| detector.examine(page, hot, &reader, &catalogue).moved;
        assert!(moved(&[at("a", 100), at("b", 90)], true).is_empty(), "nothing is known yet");
        assert!(moved(&[at("c", 500)], false).is_empty(), "a walk shows them in any order");
        assert_eq!(moved(&[at("d", 120), at("e", 95)], true), [120]);
    }

    #[test]
    fn who_is_shown_by_neither_of_two_complete_walks_is_missing_until_a_page_shows_them() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let page = [profile("a", "X"), profile("b", "X")];
        for (employee, hash) in detector.examine(&page, false, &reader, &catalogue).changed {
            detector.commit(&employee.id, hash);
        }
        let at = Moment::from_secs;
        let one = Shown::of(["a"]);
        assert_eq!(detector.walked(&Shown::of(["a", "b"]), at(0)), []);
        assert_eq!(detector.walked(&one, at(60)), [], "one walk may pass somebody by");
        assert_eq!(detector.walked(&Shown::of(["a", "b"]), at(120)), []);
        assert_eq!(detector.walked(&one, at(180)), []);
        let missing = vec![("b".to_owned(), at(180))];
        assert_eq!(detector.walked(&one, at(240)), missing);
        assert_eq!(detector.walked(&one, at(300)), missing, "nobody has written it down");
        detector.are_missing(["b".to_owned()]);
        assert_eq!(detector.walked(&one, at(360)), []);
        let back = detector.examine(&page, false, &reader, &catalogue);
        assert_eq!(back.back, ["b"]);
        assert_eq!(back.changed.len(), 1, "what is known of them may have been decided otherwise meanwhile");
        detector.are_back(&back.back);
        assert_eq!(detector.examine(&page, false, &reader, &catalogue).changed.len(), 0);
    }

    #[test]
    fn a_problem_is_told_once_and_its_end_too() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let mut broken = profile("a", "X");
        broken["email"] = json!(42);
        let message = detector.examine(&[broken.clone()], false, &reader, &catalogue).problems;
        assert_eq!(message.len(), 1);
        assert_eq!(
            detector.examine(&[broken.clone()], false, &reader, &catalogue).problems,
            message,
            "nobody wrote it down"
        );
        detector.message(message[0].clone());
        let mut left = broken.clone();
        left["user_status"] = json!("inactive");
        assert_eq!(detector.examine(&[left], false, &reader, &catalogue).problems.len(), 1, "the status is news");
        assert_eq!(detector.examine(&[broken], false, &reader, &catalogue).problems.len(), 0);
        assert_eq!(detector.examine(&[profile("a", "X")], false, &reader, &catalogue).mended, ["a"]);
    }
}
