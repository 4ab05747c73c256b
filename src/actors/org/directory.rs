//! The groups of the org, shared by all runs: read at the start, again when a run finds them out of date, and now and
//! then in between.

use super::administrators::{read_by_group, read_newcomers};
use super::awaited::{Found, read_awaited};
use super::gone::with_gone;
use super::prime::read_directory;
use super::shared::Org;
use crate::actors::wiring::readiness::Readiness;
use crate::actors::wiring::shared::Shared;
use crate::actors::wiring::supervisor::TaskError;
use crate::audit::Author;
use crate::clock::Moment;
use crate::domain::{Directory, Group, Priority};
use crate::store::StoreError;
use arc_swap::ArcSwap;
use dashmap::{DashMap, DashSet};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

const REFRESH: Duration = Duration::from_secs(15 * 60);
/// How old it may be, besides the time of one call, who is an administrator: a leaver's deactivation waits for no read, so this
/// is how long before it a role must have been given to be known.
pub const ADMINISTRATORS_AGE: Duration = Duration::from_secs(60);
/// While it cannot be told who is an administrator.
const REFRESH_UNKNOWN: Duration = Duration::from_secs(60);
/// How old it may be who holds a role by a group that no rule names.
const ROLES_OF_GROUPS: Duration = Duration::from_secs(24 * 60 * 60);
/// When that is tried again which could not be read.
const ROLES_OF_GROUPS_AGAIN: Duration = Duration::from_secs(60 * 60);
const NOT_MORE_OFTEN_THAN: Duration = Duration::from_secs(2);
/// Things that people wait for that are asked for in a minute.
const AWAITED_AT_ONCE: usize = 5;

/// The shared directory.
#[derive(Clone)]
pub struct SharedDirectory {
    current: Arc<ArcSwap<Directory>>,
    stale: Arc<Notify>,
    /// Groups that a run is creating right now: one run creates, the others wait.
    creating: Arc<DashSet<String>>,
    /// Groups that were made and that no reading has shown yet, by id: one that had begun before lacks them.
    made: Arc<DashMap<String, Group>>,
    /// How many things that people wait for were asked for so far.
    sought: Arc<AtomicUsize>,
    /// Whether a group that somebody else deletes is made again without a question.
    correct: bool,
    /// Groups whose members may decide here, by name.
    deciding: Arc<BTreeSet<String>>,
}

/// That a run is making a group.
pub struct Making {
    name: String,
    creating: Arc<DashSet<String>>,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.creating.remove(&self.name);
    }
}

/// Whether a reading says nothing of a group: neither that it is there nor that it is gone.
fn lacks(read: &Directory, group: &Group) -> bool {
    !read.knows(&group.id) && read.gone().iter().all(|one| one.id != group.id)
}

impl SharedDirectory {
    /// Shares `directory`; `correct` says that groups which somebody else deletes are made again without a question, `deciding` the
    /// names of groups whose members may decide here.
    pub fn new(directory: Directory, correct: bool, deciding: BTreeSet<String>) -> Self {
        Self {
            correct,
            current: Arc::new(ArcSwap::from_pointee(directory.with_deciding(deciding.clone()))),
            deciding: Arc::new(deciding),
            stale: Arc::default(),
            creating: Arc::default(),
            made: Arc::default(),
            sought: Arc::default(),
        }
    }

    /// The directory as known now.
    pub fn load(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// The directory was read. Who holds a role by a group that no rule names is read apart, and stays.
    pub fn replace(&self, directory: Directory) {
        self.current.rcu(|old| {
            let by_group = old.administrators().by_group.clone();
            let mut gone = directory.gone().clone();
            gone.keep_decisions(old.gone());
            let mut new = directory.clone();
            for group in self.made.iter().filter(|group| lacks(&directory, group)) {
                gone.is_there(&group.name);
                new.insert(group.clone());
                new.learn_role(&group.id, Some(false));
            }
            new.with_gone(gone).with_roles_by_group(by_group).with_deciding((*self.deciding).clone())
        });
        self.made.retain(|_, group| lacks(&directory, group));
    }

    /// The directory that was read, with groups that somebody else has deleted since it was read last: these are told.
    pub async fn beside(&self, org: &Org, read: Directory) -> Directory {
        // First everybody plans with what is so now.
        beside(org, &self.load(), read, self.correct, |directory| self.replace(directory.clone())).await
    }

    /// It was decided whether a group that is gone is made again; false if no group of this name is gone.
    pub async fn decide(&self, org: &Org, name: &str, again: bool, author: Author) -> Result<bool, StoreError> {
        let (store, now) = (&org.shared.store, org.shared.clock.now());
        let Some(id) = Directory::clone(&self.load()).decide_gone(name, again) else { return Ok(false) };
        self.current.rcu(|old| {
            let mut new = Directory::clone(old);
            new.decide_gone(name, again);
            new
        });
        store.put_directory(&org.name, &self.load(), now).await?;
        store.decided_group(&org.name, (name.to_owned(), id), again, author, now).await?;
        say_what_is_gone(&org.shared.readiness, &org.name, &self.load());
        Ok(true)
    }

    /// A group was made: no role comes with it yet.
    pub fn insert(&self, group: &Group) {
        self.made.insert(group.id.clone(), group.clone());
        self.current.rcu(|old| {
            let mut new = Directory::clone(old);
            new.insert(group.clone());
            new.learn_role(&group.id, Some(false));
            new
        });
    }

    /// It was asked whether an admin role comes with a group; `None` if Okta did not say.
    pub fn learn_role(&self, group: &str, carries: Option<bool>, at: Moment) {
        self.current.rcu(|old| {
            let mut new = Directory::clone(old);
            new.role_asked(group, carries, at);
            new
        });
    }

    /// Somebody is in these groups: those that are not known yet, or under another name, are known from now on. Returns those.
    pub fn learn(&self, groups: &[Group]) -> Vec<Group> {
        let known = self.load();
        let unknown: Vec<Group> = groups.iter().filter(|group| !known.knows_as(group)).cloned().collect();
        if unknown.is_empty() {
            return unknown;
        }
        self.current.rcu(|old| {
            let mut new = Directory::clone(old);
            unknown.iter().for_each(|group| new.learn(group));
            new
        });
        unknown
    }

    /// Reserves the creation of a group until what is returned is dropped; nothing if another run is at it.
    pub fn reserve(&self, name: &str) -> Option<Making> {
        let is_first = self.creating.insert(name.to_owned());
        is_first.then(|| Making { name: name.to_owned(), creating: self.creating.clone() })
    }

    /// Asks for the directory to be read again soon.
    pub fn is_stale(&self) {
        self.stale.notify_one();
    }

    /// Keeps the directory up to date until the task is dropped.
    pub async fn keep(self, org: Org) -> Result<(), TaskError> {
        let Shared { clock, store, readiness, .. } = &org.shared;
        let mut last = Moment::default();
        let mut whole = clock.monotonic();
        loop {
            let known = self.load().administrators().clone();
            let refresh = if known.missing().is_some() { REFRESH_UNKNOWN } else { REFRESH };
            let priority = tokio::select! {
                () = self.stale.notified() => Priority::Grant, // somebody waits for it
                () = clock.sleep(ADMINISTRATORS_AGE.min(refresh)) => Priority::Inspect,
            };
            if priority == Priority::Inspect && clock.monotonic().since(whole) + ADMINISTRATORS_AGE / 2 < refresh {
                self.read_new_administrators(&org).await;
                self.seek_awaited(&org).await;
                continue;
            }
            if clock.monotonic().since(last) < NOT_MORE_OFTEN_THAN {
                clock.sleep(NOT_MORE_OFTEN_THAN).await;
            }
            let rulebook = store.rules().load();
            let Some(rules) = rulebook.org(&org.name) else { return Ok(()) };
            match read_directory(&org.writers, &rulebook.mapping, rules, &known, priority).await {
                Ok(directory) => {
                    let directory = self.beside(&org, directory).await;
                    self.write_down(&org, &directory).await;
                    say_who_is_unknown(readiness, &org.name, &directory);
                    let by_group = self.load().administrators().by_group.clone();
                    let directory = directory.with_roles_by_group(by_group);
                    let differs = *directory.administrators() != known;
                    // Who is unknown because Okta did not answer about them alone is asked about once more.
                    let is_due = refresh == REFRESH && priority == Priority::Inspect;
                    self.replace(directory);
                    if (differs || is_due)
                        && let Err(e) = store.administrators_changed(&org.name, !differs, clock.now()).await
                    {
                        tracing::warn!(error = %e, "who waits as an administrator could not be evaluated anew");
                    }
                }
                Err(why) => tracing::warn!(%why, "the groups of the org could not be read; the ones known are used"),
            }
            last = clock.monotonic();
            whole = last;
        }
    }
}

impl SharedDirectory {
    /// Whoever waited for something of the directory goes on.
    async fn write_down(&self, org: &Org, directory: &Directory) {
        let Shared { clock, store, orgs, .. } = &org.shared;
        match store.put_directory(&org.name, directory, clock.now()).await {
            Ok(0) => {}
            Ok(_) => orgs.ring(),
            Err(e) => tracing::warn!(error = %e, "the groups of the org could not be written down"),
        }
    }

    /// Asks by name for groups that somebody waits for, and for some of the apps and user types: a few calls, whatever the size of
    /// the org.
    async fn seek_awaited(&self, org: &Org) {
        let awaited = match org.shared.store.awaited(&org.name).await {
            Ok(awaited) => awaited,
            Err(e) => return tracing::warn!(error = %e, "it could not be read what people wait for"),
        };
        if awaited.is_empty() {
            return;
        }
        let first = self.sought.fetch_add(AWAITED_AT_ONCE, Ordering::Relaxed);
        let asked = awaited.iter().cycle().skip(first % awaited.len());
        let mut found = Directory::clone(&self.load());
        for one in asked.take(awaited.len().min(AWAITED_AT_ONCE)) {
            match read_awaited(&org.writers, one).await {
                Ok(Some(Found::Group(group))) => found.insert(group),
                Ok(Some(Found::App(id, label))) => found.insert_app(id, label),
                Ok(Some(Found::UserType(name, id))) => found.insert_user_type(name, id),
                Ok(None) => {}
                Err(why) => tracing::warn!(%why, "what people wait for could not be asked for"),
            }
        }
        if awaited.iter().any(|one| one.is_there(&found)) {
            self.current.rcu(|old| {
                let mut new = Directory::clone(old);
                new.insert_from(&found);
                new
            });
            let directory = self.load();
            self.write_down(org, &directory).await;
        }
    }

    /// Keeps up to date who holds a role by a group that no rule names, until the task is dropped.
    pub async fn keep_roles(self, org: Org) -> Result<(), TaskError> {
        let Shared { clock, store, .. } = &org.shared;
        loop {
            let rulebook = store.rules().load();
            let wait = match read_by_group(&org.writers, &rulebook.mapping, &self.load()).await {
                Ok(found) => {
                    if found != self.load().administrators().by_group {
                        self.current.rcu(|old| Directory::clone(old).with_roles_by_group(found.clone()));
                        self.administrators_changed(&org).await;
                    }
                    ROLES_OF_GROUPS
                }
                Err(why) => {
                    tracing::warn!(org = %org.name, %why, "admin roles of groups that no rule names could not be read; those known are used");
                    ROLES_OF_GROUPS_AGAIN
                }
            };
            clock.sleep(wait).await;
        }
    }

    /// Writes down what is known now, and has whoever is evaluated as an administrator evaluated anew.
    async fn administrators_changed(&self, org: &Org) {
        let Shared { clock, store, .. } = &org.shared;
        let directory = self.load();
        self.write_down(org, &directory).await;
        if let Err(e) = store.administrators_changed(&org.name, false, clock.now()).await {
            tracing::warn!(error = %e, "who waits as an administrator could not be evaluated anew");
        }
    }

    /// Reads the list of administrators alone: whoever is new on it is one from now on.
    async fn read_new_administrators(&self, org: &Org) {
        let known = self.load().administrators().clone();
        let found = read_newcomers(&org.writers, &known).await;
        if found == known {
            return;
        }
        self.current.rcu(|old| {
            let by_group = old.administrators().by_group.clone();
            Directory::clone(old).with_administrators(found.clone()).with_roles_by_group(by_group)
        });
        say_who_is_unknown(&org.shared.readiness, &org.name, &self.load());
        self.administrators_changed(org).await;
    }
}

/// The directory that was read, with groups of the mapping that somebody else has deleted: those that are gone since are told.
pub(crate) async fn beside(
    org: &Org,
    before: &Directory,
    read: Directory,
    correct: bool,
    replace: impl FnOnce(&Directory),
) -> Directory {
    let Shared { clock, store, readiness, .. } = &org.shared;
    let (rules, now) = (store.rules().load(), clock.now());
    let (directory, new) = with_gone(&org.writers, &rules.mapping, before, read, correct, now).await;
    if !new.is_empty() {
        replace(&directory);
    }
    if let Err(e) = store.groups_gone(&org.name, new, now).await {
        tracing::error!(org = %org.name, error = %e, "groups that were deleted could not be written down");
    }
    say_what_is_gone(readiness, &org.name, &directory);
    directory
}

/// Says for as long as nobody has decided which groups of the mapping somebody else has deleted.
fn say_what_is_gone(readiness: &Readiness, org: &str, directory: &Directory) {
    let what = format!("groups of {org}");
    let undecided = directory.gone().iter().filter(|group| group.again.is_none());
    let messages: Vec<String> = undecided.map(|group| group.message().replace("ORG", org)).collect();
    match messages.is_empty() {
        true => readiness.settle(&what),
        false => readiness.notice(&what, messages.join("; ")),
    }
}

/// Says for as long as it lasts that it cannot be told who is an administrator of the org.
pub(crate) fn say_who_is_unknown(readiness: &Readiness, org: &str, directory: &Directory) {
    let what = format!("administrators {org}");
    match directory.administrators().missing() {
        Some(why) => readiness.missing(&what, why),
        None => readiness.have(&what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_reading_that_had_begun_before_a_group_was_made_does_not_lose_it() {
        let shared = SharedDirectory::new(Directory::default(), true, BTreeSet::new());
        let made = Group { id: "00g1".into(), name: "Department Sales".into(), writable: true };
        shared.insert(&made);
        shared.replace(Directory::default());
        let now = shared.load();
        assert!(now.knows("00g1") && now.carries_role("00g1") == Some(false), "no reading says that it is gone");
        shared.replace(Directory::new([made], BTreeSet::new()));
        shared.replace(Directory::default());
        assert!(!shared.load().knows("00g1"), "from then on the readings say what there is");
    }
}
