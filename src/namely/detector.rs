//! Who changed? Compares what a page shows with what was committed, by content and not by `updated_at`.
//!
//! **Invariant:** remembers 32 bytes per profile beside its id, of the content only what the store has committed.

use super::catalogue::Catalogue;
use super::fields::named_groups;
use super::walk::Shown;
use super::wire::{Reader, unread};
use crate::clock::Moment;
use crate::domain::UserStatus;
use crate::domain::record::document::{Changed, Held, ShownAgain, is_of_before};
use crate::domain::record::employee::ContentHash;
use crate::domain::record::facts::Facts;
use crate::domain::record::facts::ProfileProblem;
use crate::domain::text::trimmed;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What is wrong with a profile of which Namely shows two documents.
const IN_TURN: &str = "Namely shows it in two ways, in turn: nothing but an end of access follows from either; is it there twice, or does \
                       something between keep old answers?";
/// How often a document comes back before both are in doubt: somebody may correct a mistake, and then correct that.
const RETURNS: u32 = 3;
/// How long one of them is shown alone until it is believed.
const SETTLED: Duration = Duration::from_secs(600);

/// What a page has to say.
#[derive(Debug, Default)]
pub struct Findings {
    /// Profiles whose content differs from what is known, or that are new.
    pub changed: Vec<Changed>,
    /// Profiles that could not be read, news only: until `message` says that they are written down, each page shows them again.
    pub problems: Vec<ProfileProblem>,
    /// Profiles that could not be read before and can now.
    pub mended: Vec<String>,
    /// Profiles that complete walks had not shown, and that this page shows.
    pub back: Vec<ShownAgain>,
    /// Profiles that the page shows as they were before what is held: something between keeps old answers.
    pub of_before: Vec<String>,
    /// Ids of all profiles on the page.
    pub ids: Vec<String>,
    /// `updated_at` (seconds) of changed profiles, where it is newer than anything seen before: how late they were seen.
    pub moved: Vec<i64>,
    /// Some profile names a group that the catalogue does not know, also after it was read for that.
    pub catalogue_is_stale: bool,
}

/// Two documents of one profile, as they are shown in turn.
#[derive(Clone, Copy, Debug)]
struct Turns {
    last: ContentHash,
    other: ContentHash,
    /// How often the one before has come back, each time soon after the other.
    returns: u32,
    /// When the last one was asked for.
    since: Moment,
}

/// The memory of one tenant's profiles.
#[derive(Debug, Default)]
pub struct Detector {
    known: HashMap<Box<str>, Held>,
    /// Documents that were edited before the one that is held, and since when they are shown instead of it.
    of_before: HashMap<Box<str>, Moment>,
    /// Profiles that were shown otherwise than before, lately.
    turns: HashMap<Box<str>, Turns>,
    problems: HashMap<Box<str>, (String, Facts)>,
    /// Known profiles that the last complete walk did not show, and when the first one began that did not.
    absent: HashMap<Box<str>, Moment>,
    /// Those of whom it is written down that they are missing.
    missing: HashSet<Box<str>>,
    /// Those of them that pages show, and since when.
    shown_again: HashMap<Box<str>, Moment>,
    /// Groups, by id, under names that profiles have for them and the catalogue does not: each is a reason to read that once.
    renamed: HashSet<(Box<str>, Box<str>)>,
    /// The newest `updated_at` that a page sorted by it has shown. It says nothing about content, but a newer one is an edit of just now.
    newest: Option<i64>,
}

impl Detector {
    /// A detector that knows what the store holds.
    pub fn new(known: impl IntoIterator<Item = (String, Held)>) -> Self {
        let known = known.into_iter().map(|(id, held)| (id.into_boxed_str(), held)).collect();
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

    /// Whether a profile of a page names a group that the catalogue does not have, or has under another name, as no profile did
    /// before: the groups are read once for it, before the page is looked through.
    pub fn names_new_groups(&mut self, profiles: &[Value], catalogue: &Catalogue) -> bool {
        let mut is_new = false;
        for (id, name) in profiles.iter().flat_map(named_groups) {
            let pair = || (Box::from(&*id), Box::from(name));
            if catalogue.group(&id).is_none_or(|known| !name.is_empty() && known.title != trimmed(name)) {
                is_new |= self.renamed.insert(pair());
            } else if !self.renamed.is_empty() {
                self.renamed.remove(&pair());
            }
        }
        is_new
    }

    /// Looks through a page that was asked for at `sent`; `newest_first` says that it is sorted so. Nothing is remembered of its
    /// content until `commit` and `message`.
    pub fn examine(
        &mut self,
        profiles: &[Value],
        newest_first: bool,
        sent: Moment,
        reader: &Reader,
        catalogue: &Catalogue,
    ) -> Findings {
        let mut findings = Findings::default();
        let mut on_page: HashMap<&str, ContentHash> = HashMap::with_capacity(profiles.len());
        let before = self.newest;
        for profile in profiles {
            let edited = profile["updated_at"].as_i64();
            let updated = edited.filter(|_| newest_first);
            self.newest = self.newest.max(updated);
            match reader.read(profile, catalogue) {
                Ok(employee) => {
                    findings.ids.push(employee.id.clone());
                    // Whoever has left by it has left.
                    if self.is_of_before(&employee.id, edited, sent) && employee.user_status != UserStatus::Inactive {
                        findings.of_before.push(employee.id);
                        continue;
                    }
                    let was_missing = self.was_missing(&employee.id, edited, sent, &mut findings);
                    let hash = employee.hash();
                    let id = profile["id"].as_str().unwrap_or_default();
                    let is_twice = on_page.insert(id, hash).is_some_and(|before| before != hash);
                    let in_turn = self.is_shown_in_turn(&employee.id, hash, is_twice, sent);
                    // Whoever has left by one of them has left.
                    if in_turn && employee.user_status != UserStatus::Inactive {
                        let edited = self.edited(&employee.id, edited);
                        let problem = ProfileProblem { why: IN_TURN.into(), edited, ..unread(profile) };
                        if self.is_news(&problem) {
                            findings.problems.push(problem);
                        }
                        continue;
                    }
                    if !in_turn && self.problems.remove(employee.id.as_str()).is_some() {
                        findings.mended.push(employee.id.clone());
                    }
                    if was_missing || self.known.get(employee.id.as_str()).map(|known| known.hash) != Some(hash) {
                        let edited = self.edited(&employee.id, edited);
                        findings.changed.push(Changed { employee, hash, edited });
                        findings.moved.extend(updated.filter(|at| before.is_some_and(|before| *at > before)));
                    }
                }
                Err(mut problem) => {
                    findings.catalogue_is_stale |= problem.unknown_group;
                    let id = problem.profile.clone().unwrap_or_default();
                    if !id.is_empty() {
                        findings.ids.push(id.clone());
                        if self.is_of_before(&id, edited, sent) && !problem.facts.may_end() {
                            findings.of_before.push(id);
                            continue;
                        }
                        self.was_missing(&id, edited, sent, &mut findings);
                        problem.edited = self.edited(&id, edited);
                    }
                    if self.is_news(&problem) {
                        findings.problems.push(problem);
                    }
                }
            }
        }
        findings
    }

    /// Whether this is a document of before; of one that is not, when it was edited is remembered.
    fn is_of_before(&mut self, id: &str, edited: Option<i64>, sent: Moment) -> bool {
        let Some(known) = self.known.get_mut(id) else { return false };
        let since = self.of_before.get(id).copied().unwrap_or(sent);
        if is_of_before(edited, known.edited, since, sent) {
            self.of_before.insert(id.into(), since);
            return true;
        }
        if edited.is_some() {
            self.of_before.remove(id);
            known.edited = edited;
        }
        false
    }

    /// When a document was edited that is followed: of one of before that ends access, and of one that does not say it, what was known
    /// stays.
    fn edited(&self, id: &str, edited: Option<i64>) -> Option<i64> {
        self.known.get(id).map_or(edited, |known| known.edited)
    }

    /// Whether a problem says something else than what is written down.
    fn is_news(&self, problem: &ProfileProblem) -> bool {
        let known = self.problems.get(problem.profile.as_deref().unwrap_or_default());
        known.is_none_or(|(why, facts)| *why != problem.why || *facts != problem.facts)
    }

    /// Whether Namely shows two documents of this profile in turn: on one page, or one after the other again and again.
    fn is_shown_in_turn(&mut self, id: &str, hash: ContentHash, is_twice: bool, sent: Moment) -> bool {
        let known = self.known.get(id).map(|known| known.hash);
        let Some(turns) = self.turns.get_mut(id) else {
            let other = known.filter(|known| *known != hash);
            if is_twice || other.is_some() {
                let returns = if is_twice { RETURNS } else { 0 };
                let turns = Turns { last: hash, other: other.unwrap_or(hash), returns, since: sent };
                self.turns.insert(id.into(), turns);
            }
            return is_twice;
        };
        let is_over = sent.since(turns.since) >= SETTLED;
        if is_over && !is_twice && hash == turns.last {
            self.turns.remove(id);
            return false;
        }
        if hash != turns.last || is_twice {
            let is_back = hash == turns.other && !is_over;
            let returns = if is_back { turns.returns + 1 } else { 0 };
            let returns = if is_twice { returns.max(RETURNS) } else { returns };
            *turns = Turns { last: hash, other: turns.last, returns, since: sent };
        }
        turns.returns >= RETURNS
    }

    fn was_missing(&mut self, id: &str, edited: Option<i64>, sent: Moment, findings: &mut Findings) -> bool {
        let was_missing = self.missing.contains(id);
        if was_missing {
            let since = *self.shown_again.entry(id.into()).or_insert(sent);
            findings.back.push(ShownAgain { profile: id.to_owned(), since, edited });
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
            self.shown_again.remove(id);
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
            self.shown_again.remove(profile.as_str());
        }
    }

    /// Of a page that shows too little of its profiles to be used: whose access ends all the same.
    pub fn endings(&self, profiles: &[Value]) -> Vec<ProfileProblem> {
        let ends = |problem: &ProfileProblem| problem.facts.may_end() && problem.profile.is_some();
        let mut endings: Vec<_> = profiles.iter().map(unread).filter(ends).collect();
        for problem in &mut endings {
            let id = problem.profile.as_deref().unwrap_or_default();
            problem.edited = problem.edited.max(self.edited(id, problem.edited));
        }
        endings
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
    pub fn commit(&mut self, id: &str, held: Held) {
        self.known.insert(id.into(), held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::view::Reads;
    use serde_json::json;

    const SENT: Moment = Moment::from_secs(0);

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
        let first = detector.examine(&[profile("a", "X"), profile("b", "X")], false, SENT, &reader, &catalogue);
        assert_eq!(first.changed.len(), 2);
        detector.commit("a", first.changed[0].held());
        let second = detector.examine(&[profile("a", "X"), profile("b", "X")], false, SENT, &reader, &catalogue);
        assert_eq!(second.changed.iter().map(|changed| changed.employee.id.as_str()).collect::<Vec<_>>(), ["b"]);
        let third = detector.examine(&[profile("a", "Y")], false, SENT, &reader, &catalogue);
        assert_eq!(third.changed.len(), 1, "updated_at did not move, the title did");
    }

    #[test]
    fn a_group_that_profiles_call_otherwise_is_a_reason_to_read_the_groups_once() {
        let catalogue = crate::namely::catalogue::tests::small();
        let mut detector = Detector::default();
        let mut is_new = |id: &str, name: &str| {
            let mut page = [profile("a", "X"), profile("b", "X")];
            page.iter_mut().for_each(|one| one["links"] = json!({ "groups": [{ "id": id, "name": name }] }));
            detector.names_new_groups(&page, &catalogue)
        };
        let mut is_stale = |name: &str| is_new("g1", name);
        assert!(!is_stale("Finance"));
        assert!(is_stale("Finance and Control"));
        assert!(!is_stale("Finance and Control"), "it was read since, and says the same");
        assert!(!is_stale("Finance") && is_stale("Control"));
        assert!(is_new("g77", "Data") && !is_new("g77", "Data"), "a new department is one read");
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
        let mut moved = |page: &[Value], hot: bool| detector.examine(page, hot, SENT, &reader, &catalogue).moved;
        assert!(moved(&[at("a", 100), at("b", 90)], true).is_empty(), "nothing is known yet");
        assert!(moved(&[at("c", 500)], false).is_empty(), "a walk shows them in any order");
        assert_eq!(moved(&[at("d", 120), at("e", 95)], true), [120]);
    }

    #[test]
    fn who_is_shown_by_neither_of_two_complete_walks_is_missing_until_a_page_shows_them() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let page = [profile("a", "X"), profile("b", "X")];
        for changed in detector.examine(&page, false, SENT, &reader, &catalogue).changed {
            detector.commit(&changed.employee.id, changed.held());
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
        let back = detector.examine(&page, false, SENT, &reader, &catalogue);
        let shown: Vec<String> = back.back.into_iter().map(|shown| shown.profile).collect();
        assert_eq!(shown, ["b"]);
        assert_eq!(back.changed.len(), 1, "what is known of them may have been decided otherwise meanwhile");
        detector.are_back(&shown);
        assert_eq!(detector.examine(&page, false, SENT, &reader, &catalogue).changed.len(), 0);
    }

    #[test]
    fn a_page_of_before_brings_nobody_back_and_counts_when_nothing_newer_comes() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let edited = |status: &str, updated: i64| {
            let mut profile = profile("a", "X");
            profile["user_status"] = json!(status);
            profile["updated_at"] = json!(updated);
            [profile]
        };
        let mut shown = |page: &[Value], at: u64| {
            let found = detector.examine(page, false, Moment::from_secs(at.cast_signed()), &reader, &catalogue);
            for changed in &found.changed {
                detector.commit(&changed.employee.id, changed.held());
            }
            (found.changed.len(), found.of_before.len())
        };
        let (active, left) = (edited("active", 100), edited("inactive", 200));
        assert_eq!(shown(&active, 0), (1, 0));
        assert_eq!(shown(&active, 5), (0, 0), "when it was edited is known from now on");
        assert_eq!(shown(&left, 10), (1, 0));
        assert_eq!(shown(&left, 15), (0, 0));
        assert_eq!((shown(&active, 20), shown(&left, 25)), ((0, 1), (0, 0)));
        assert_eq!((shown(&active, 30), shown(&active, 629)), ((0, 1), (0, 1)));
        assert_eq!(shown(&active, 630), (1, 0), "the record was put back");
        assert_eq!(shown(&active, 635), (0, 0), "and is what is known");
    }

    #[test]
    fn a_page_of_before_brings_nobody_back_right_after_a_start_either() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let edited = |status: &str, updated: i64| {
            let mut profile = profile("a", "X");
            profile["user_status"] = json!(status);
            profile["updated_at"] = json!(updated);
            [profile]
        };
        let left =
            Detector::default().examine(&edited("inactive", 200), false, SENT, &reader, &catalogue).changed.remove(0);
        let mut started = Detector::new([(left.employee.id.clone(), left.held())]);
        let found = started.examine(&edited("active", 100), false, SENT, &reader, &catalogue);
        assert_eq!((found.changed.len(), found.of_before), (0, vec!["a".to_owned()]));
        let back = started.examine(&edited("active", 201), false, SENT, &reader, &catalogue);
        assert_eq!(back.changed.len(), 1, "HR has taken them back");
    }

    #[test]
    fn no_document_without_its_time_and_no_older_end_makes_an_older_page_new() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let edited = |status: &str, updated: Value| {
            let mut profile = profile("a", "X");
            profile["user_status"] = json!(status);
            profile["updated_at"] = updated;
            [profile]
        };
        for between in [json!(null), json!("soon"), json!(200)] {
            let mut detector = Detector::default();
            let mut shown = |page: &[Value], at: i64| {
                let found = detector.examine(page, false, Moment::from_secs(at), &reader, &catalogue);
                for changed in &found.changed {
                    detector.commit(&changed.employee.id, changed.held());
                }
                (found.changed.len(), found.of_before.len())
            };
            let left = edited("inactive", json!(300));
            assert_eq!((shown(&left, 0), shown(&left, 1)), ((1, 0), (0, 0)));
            assert_eq!(shown(&edited("inactive", between.clone()), 2).0, 0);
            assert_eq!(shown(&edited("active", json!(250)), 3), (0, 1), "after {between}");
            let mut unreadable = edited("active", json!(250));
            unreadable[0]["email"] = json!(7);
            assert_eq!(shown(&unreadable, 4), (0, 1), "after {between}");
        }
    }

    #[test]
    fn two_documents_of_a_profile_in_turn_end_access_and_give_none() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let with = |status: &str| {
            let mut profile = profile("a", "X");
            profile["user_status"] = json!(status);
            profile
        };
        let (active, left) = (with("active"), with("inactive"));
        let mut detector = Detector::default();
        let mut shown = |page: &[&Value], at: i64| {
            let page: Vec<Value> = page.iter().map(|profile| (*profile).clone()).collect();
            let found = detector.examine(&page, false, Moment::from_secs(at), &reader, &catalogue);
            for changed in &found.changed {
                detector.commit(&changed.employee.id, changed.held());
            }
            let news = found.problems.len() + found.mended.len();
            for problem in found.problems {
                detector.message(problem);
            }
            (
                found
                    .changed
                    .iter()
                    .map(|changed| changed.employee.user_status.to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
                news,
            )
        };
        let is = |status: &str, news: usize| (status.to_owned(), news);
        // One after the other: mistakes are corrected, and then both are in doubt.
        assert_eq!(shown(&[&active], 0), is("active", 0));
        assert_eq!(shown(&[&left], 5), is("inactive", 0));
        assert_eq!(shown(&[&active], 10), is("active", 0));
        assert_eq!(shown(&[&left], 15), is("inactive", 0));
        assert_eq!(shown(&[&active], 20), is("", 1), "told, and not believed");
        assert_eq!(shown(&[&left], 25), is("", 0));
        assert_eq!(shown(&[&active], 30), is("", 0), "once");
        assert_eq!(shown(&[&active], 629), is("", 0));
        assert_eq!(shown(&[&active], 631), is("active", 1), "it has settled, and is mended");
        // Both on one page: at once.
        assert_eq!(shown(&[&active, &left], 2000), is("inactive", 0));
        assert_eq!(shown(&[&active, &left], 2005), is("", 1));
        assert_eq!(shown(&[&left, &active], 2010), is("", 0));
        assert_eq!(shown(&[&active], 3000).0, "active");
    }

    #[test]
    fn a_problem_is_told_once_and_its_end_too() {
        let (reader, catalogue) = (Reader::new(&Reads::default()), Catalogue::default());
        let mut detector = Detector::default();
        let mut broken = profile("a", "X");
        broken["email"] = json!(42);
        let message = detector.examine(&[broken.clone()], false, SENT, &reader, &catalogue).problems;
        assert_eq!(message.len(), 1);
        assert_eq!(
            detector.examine(&[broken.clone()], false, SENT, &reader, &catalogue).problems,
            message,
            "nobody wrote it down"
        );
        detector.message(message[0].clone());
        let mut left = broken.clone();
        left["user_status"] = json!("inactive");
        assert_eq!(detector.examine(&[left], false, SENT, &reader, &catalogue).problems.len(), 1, "the status is news");
        assert_eq!(detector.examine(&[broken], false, SENT, &reader, &catalogue).problems.len(), 0);
        assert_eq!(detector.examine(&[profile("a", "X")], false, SENT, &reader, &catalogue).mended, ["a"]);
    }
}
