//! Reads who is an Okta administrator: the list of everybody with a role, the roles of each of them, and the roles of groups
//! that rules can give.
//!
//! **Invariant:** what cannot be read leaves what was read before as it is, and says so. Nobody waits for a permission that is
//! not there: a refusal is taken as the answer.

use crate::actors::writer::Writers;
use crate::domain::account::administrators::{AdminLevel, Administrators};
use crate::domain::{Directory, Group, Mapping, Priority};
use crate::okta::Request;
use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use crate::okta::request::segment;
use crate::okta::wire::{Assignees, IdOnly, RoleObject};
use crate::retry;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::{BTreeMap, BTreeSet};

const LIST: &str = "/api/v1/iam/assignees/users?limit=100";
const SUPER_ADMIN: &str = "SUPER_ADMIN";
/// Roles that are read at the same time.
const AT_ONCE: usize = 6;
const ATTEMPTS: i64 = 4;
/// Pages of administrators at most: a hundred on each.
const MAX_PAGES: usize = 200;
/// Administrators whose roles are read at most; the others may hold any.
const MAX_LEVELS: usize = 500;
/// Groups without a role whose roles are read once more with each whole read: all of them in turn.
const MAX_READ_AGAIN: usize = 200;

/// Groups that no rule names whose roles are read at most.
const MAX_GROUPS: usize = 2_000;

/// Why something could not be read.
enum Unread {
    /// Okta has answered that there is no such thing.
    Missing(String),
    Failed(String),
}

impl From<Unread> for String {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Missing(path) => format!("GET {path}: not found"),
            Unread::Failed(why) => why,
        }
    }
}

/// Reads all of it; `known` is what was known before, and `directory` has the groups.
pub async fn read_administrators(
    writers: &Writers,
    mapping: &Mapping,
    directory: &Directory,
    known: &Administrators,
    priority: Priority,
) -> Administrators {
    let mut now = known.clone();
    read_list(writers, &mut now, known, priority).await;
    read_groups(writers, mapping, directory, &mut now, priority).await;
    say_what_changed(&now, known);
    now
}

/// Reads only the list, one call for a hundred administrators, and the roles of those who are new on it.
pub async fn read_newcomers(writers: &Writers, known: &Administrators) -> Administrators {
    let mut now = known.clone();
    match list(writers, Priority::Inspect).await {
        // Whoever it lacks stays what they were until all of it is read.
        Ok(mut ids) => {
            ids.extend(known.listed.iter().flatten().map(|(id, _)| id.clone()));
            now.listed = Some(levels(writers, ids, known, Priority::Grant).await);
            now.unread = None;
        }
        Err(why) => now.unread = Some(why),
    }
    say_what_changed(&now, known);
    now
}

async fn read_list(writers: &Writers, now: &mut Administrators, known: &Administrators, priority: Priority) {
    match list(writers, priority).await {
        Ok(ids) => {
            let ids = with_dropped(writers, ids, known, priority).await;
            now.listed = Some(levels(writers, ids, known, priority).await);
            now.unread = None;
        }
        Err(why) => now.unread = Some(why),
    }
}

fn say_what_changed(now: &Administrators, known: &Administrators) {
    if now.missing() != known.missing() {
        match now.missing() {
            Some(why) => tracing::error!(%why, "it cannot be told who is an Okta administrator"),
            None => tracing::info!("it can be told again who is an Okta administrator"),
        }
    }
}

/// Ids of everybody with a role.
async fn list(writers: &Writers, priority: Priority) -> Result<BTreeSet<String>, String> {
    let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut next = Some(LIST.to_owned());
    while let Some(target) = next {
        if seen.len() >= MAX_PAGES || !seen.insert(target.clone()) {
            return Err(format!("GET {LIST}: the list leads back into itself or does not end"));
        }
        let (page, following) = ask::<Assignees>(writers, &target, priority).await?;
        next = following;
        ids.extend(page.value.into_iter().map(|user| user.id));
    }
    if ids.is_empty() {
        return Err(format!("GET {LIST}: nobody is on the list, although every org has an administrator"));
    }
    Ok(ids)
}

/// Whoever was on the list and is not any more is asked for by themselves: that a list lacks them says nothing. They stay an
/// administrator unless Okta says that they hold no role.
async fn with_dropped(
    writers: &Writers,
    mut ids: BTreeSet<String>,
    known: &Administrators,
    priority: Priority,
) -> BTreeSet<String> {
    let dropped: Vec<String> =
        known.listed.iter().flatten().map(|(id, _)| id).filter(|id| !ids.contains(*id)).cloned().collect();
    for (n, id) in dropped.into_iter().enumerate() {
        if n >= MAX_LEVELS || !holds_none(writers, &id, priority).await {
            tracing::warn!(id, "the list of administrators lacks somebody who was on it and may hold a role still");
            ids.insert(id);
        }
    }
    ids
}

/// Whether Okta says that somebody holds no role, or that neither their roles nor their account are there: one answer of 404
/// alone is what anything between us and Okta can say.
async fn holds_none(writers: &Writers, id: &str, priority: Priority) -> bool {
    match ask::<Vec<RoleObject>>(writers, &format!("/api/v1/users/{id}/roles"), priority).await {
        Ok((roles, _)) => roles.is_empty(),
        Err(Unread::Missing(_)) => {
            let account = ask::<IgnoredAny>(writers, &format!("/api/v1/users/{id}"), priority).await;
            matches!(account, Err(Unread::Missing(_)))
        }
        Err(Unread::Failed(_)) => false,
    }
}

/// How much each of them may do. Where somebody waits, only those are asked about who are new.
async fn levels(
    writers: &Writers,
    ids: BTreeSet<String>,
    known: &Administrators,
    priority: Priority,
) -> BTreeMap<String, AdminLevel> {
    let before = |id: &String| known.listed.as_ref().and_then(|listed| listed.get(id)).copied();
    let is_asked =
        |id: &&String| priority == Priority::Inspect || before(id).is_none_or(|level| level == AdminLevel::Unknown);
    let asked: Vec<String> = ids.iter().filter(is_asked).take(MAX_LEVELS).cloned().collect();
    let targets = asked.into_iter().map(|id| (format!("/api/v1/users/{id}/roles"), id)).collect();
    let (roles, why) = roles_of(writers, targets, priority).await;
    if let Some(why) = why {
        tracing::warn!(%why, "roles of administrators cannot be read: any of them may be a super administrator");
    }
    let level = |id: &String| match roles.get(id) {
        Some(roles) if roles.iter().any(|role| role == SUPER_ADMIN) => AdminLevel::Super,
        Some(_) => AdminLevel::Lesser,
        None => before(id).unwrap_or(AdminLevel::Unknown),
    };
    ids.iter().map(|id| (id.clone(), level(id))).collect()
}

/// Which of the groups that rules can give, of the mapping or of Okta, carry a role. Where somebody waits, only groups are asked about that are new.
async fn read_groups(
    writers: &Writers,
    mapping: &Mapping,
    directory: &Directory,
    now: &mut Administrators,
    priority: Priority,
) {
    now.groups.retain(|id, _| directory.find(id).is_some());
    now.unsaid.clear(); // asked about once more when somebody is to get them
    let rules = directory.rules().iter().filter(|rule| rule.active);
    let filled: BTreeSet<&String> = rules.flat_map(|rule| &rule.groups).collect();
    let is_given = |group: &&Group| group.writable && mapping.manages(group) || filled.contains(&group.id);
    let managed = directory.groups().filter(is_given);
    let mut ids: Vec<&String> = managed.map(|group| &group.id).collect();
    ids.sort_unstable();
    let (new, old): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| !now.groups.contains_key(*id));
    let (carrying, others): (Vec<_>, Vec<_>) = old.into_iter().partition(|id| now.groups.get(*id) == Some(&true));
    let again = (priority == Priority::Inspect).then(|| {
        let in_turn = in_turn(others, now.read_up_to.as_deref());
        now.read_up_to = in_turn.last().map(|id| (*id).clone());
        carrying.into_iter().chain(in_turn)
    });
    let asked: Vec<String> = new.into_iter().chain(again.into_iter().flatten()).cloned().collect();
    if asked.is_empty() {
        return;
    }
    let targets = asked.into_iter().map(|id| (format!("/api/v1/groups/{id}/roles"), id)).collect();
    let (roles, why) = roles_of(writers, targets, priority).await;
    now.groups.extend(roles.into_iter().map(|(id, roles)| (id, !roles.is_empty())));
    now.groups_unread = why;
}

/// The groups whose turn it is, of all in order: as many as are read at once, after the last that was. At the first read of a run
/// of the service all of them: nobody has looked while it was down.
fn in_turn<'a>(all: Vec<&'a String>, after: Option<&str>) -> Vec<&'a String> {
    let Some(after) = after else { return all.into_iter().take(MAX_GROUPS).collect() };
    let (before, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|id| id.as_str() <= after);
    rest.into_iter().chain(before).take(MAX_READ_AGAIN).collect()
}

/// Everybody who is a member of a group that no rule names and that carries a role, or whose members decide here. Groups beyond `MAX_GROUPS` are not read.
pub async fn read_by_group(
    writers: &Writers,
    mapping: &Mapping,
    directory: &Directory,
) -> Result<BTreeMap<String, AdminLevel>, String> {
    let others = directory.groups().filter(|group| !(group.writable && mapping.manages(group)));
    let ids: BTreeSet<&String> = others.map(|group| &group.id).collect();
    if ids.len() > MAX_GROUPS {
        tracing::warn!(groups = ids.len(), "the admin roles of {MAX_GROUPS} groups are read, the others may carry any");
    }
    let deciding: Vec<String> =
        ids.iter().skip(MAX_GROUPS).filter(|id| directory.lets_decide(id)).map(|id| (**id).clone()).collect();
    let asked = ids.into_iter().take(MAX_GROUPS).chain(&deciding);
    let targets = asked.map(|id| (format!("/api/v1/groups/{}/roles", segment(id)), id.clone())).collect();
    let (roles, why) = roles_of(writers, targets, Priority::Inspect).await;
    if let Some(why) = why {
        return Err(why);
    }
    let mut found = BTreeMap::new();
    for (group, roles) in roles.into_iter().filter(|(id, roles)| !roles.is_empty() || directory.lets_decide(id)) {
        let is_super = roles.iter().any(|role| role == SUPER_ADMIN);
        for member in members(writers, &group).await? {
            let level = found.entry(member).or_insert(AdminLevel::Lesser);
            if is_super {
                *level = AdminLevel::Super;
            }
        }
    }
    Ok(found)
}

/// Ids of the members of a group.
async fn members(writers: &Writers, group: &str) -> Result<BTreeSet<String>, String> {
    let path = format!("/api/v1/groups/{}/users", segment(group));
    let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut next = Some(format!("{path}?limit=200"));
    while let Some(target) = next {
        if seen.len() >= MAX_PAGES || !seen.insert(target.clone()) {
            return Err(format!("GET {path}: the list leads back into itself or does not end"));
        }
        let (page, following) = ask::<Vec<IdOnly>>(writers, &target, Priority::Inspect).await?;
        next = following;
        ids.extend(page.into_iter().map(|user| user.id));
    }
    Ok(ids)
}

/// The roles behind each target; and why some could not be read. After a refusal nobody else is asked about.
async fn roles_of(
    writers: &Writers,
    targets: Vec<(String, String)>,
    priority: Priority,
) -> (BTreeMap<String, Vec<String>>, Option<String>) {
    let (mut found, mut failed) = (BTreeMap::new(), None);
    for chunk in targets.chunks(AT_ONCE) {
        let mut reads = tokio::task::JoinSet::new();
        for (target, id) in chunk.iter().cloned() {
            let writers = writers.clone();
            reads.spawn(async move { (id, ask::<Vec<RoleObject>>(&writers, &target, priority).await) });
        }
        while let Some(read) = reads.join_next().await {
            match read {
                Ok((id, Ok((roles, _)))) => {
                    found.insert(id, roles.into_iter().map(|role| role.kind).collect());
                }
                Ok((_, Err(why))) => failed = Some(why.into()),
                Err(e) => failed = Some(e.to_string()),
            }
        }
        if failed.is_some() {
            break;
        }
    }
    (found, failed)
}

async fn ask<T: DeserializeOwned>(
    writers: &Writers,
    target: &str,
    priority: Priority,
) -> Result<(T, Option<String>), Unread> {
    let path = target.split('?').next().unwrap_or_default();
    let mut attempt = 0;
    loop {
        let reply = writers.read(Request::get(target), priority).await;
        let is_refused = matches!(&reply, Reply::Answered(answer) if answer.status == 403);
        match (classify(&reply, false), reply) {
            (Outcome::Applied, Reply::Answered(Answered { body, next, .. })) => {
                let read = serde_json::from_slice(&body);
                let read = read.map_err(|e| Unread::Failed(format!("GET {path}: unreadable ({e})")))?;
                return Ok((read, next));
            }
            (Outcome::Retry { after, .. }, _) if !is_refused && attempt < ATTEMPTS => {
                writers.clock().sleep(after.max(retry::delay(attempt))).await;
                attempt += 1;
            }
            (Outcome::Missing, _) => return Err(Unread::Missing(path.to_owned())),
            (outcome, _) => {
                return Err(Unread::Failed(format!("GET {path}: {}", outcome.why().unwrap_or("no answer"))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_every_group_are_read_in_turn_and_of_all_after_a_start() {
        let all: Vec<String> = (0..450).map(|n| format!("00g{n:03}")).collect();
        let turn = |after: Option<&str>| in_turn(all.iter().collect(), after);
        assert_eq!(turn(None).len(), 450, "nobody has looked while the service was down");
        let (mut after, mut seen) = (Some("00g449".to_owned()), BTreeSet::new());
        for _ in 0..3 {
            let read = turn(after.as_deref());
            assert_eq!(read.len(), MAX_READ_AGAIN);
            after = read.last().map(|id| (*id).clone());
            seen.extend(read.into_iter().cloned());
        }
        assert_eq!(seen.len(), 450);
    }
}
