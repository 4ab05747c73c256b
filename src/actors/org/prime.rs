//! Priming: reads what Okta holds in bulk, so that no person costs a read of their own.
//!
//! Users come 200 at a time, once more for DEPROVISIONED ones, which a plain list omits (`okta-api.md §3.2`); members
//! only of groups, users only of apps that the mapping manages.

use super::administrators::read_administrators;
use crate::actors::writer::Writers;
use crate::clock::Moment;
use crate::domain::account::administrators::Administrators;
use crate::domain::account::group_rule::OktaRule;
use crate::domain::account::user::Scope;
use crate::domain::plan::rulebook::OrgRules;
use crate::domain::{Account, Directory, Group, Mapping, Priority, Rulebook};
use crate::http::links::{Pages, id_in};
use crate::okta::Request;
use crate::okta::outcome::{Answered, Outcome, Reply, classify, lacks_scope};
use crate::okta::wire::{
    AppObject, AppUser, GroupObject, GroupRule, IdOnly, LinkedObject, LinkedUser, LogEvent, TypeObject, UnreadUser,
    User,
};
use crate::retry;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Lists that are read at the same time.
const LISTS_AT_ONCE: usize = 6;
/// Searches end there (`okta-api.md §3.2`).
const MOST_SEARCHED: usize = 50_000;
/// Users who are read one by one because a list lacks them; if it lacks more it was not whole.
const MOST_OVERLOOKED: usize = 200;
/// After so many failures of one page the pass is given up and begun again later.
const ATTEMPTS: i64 = 5;

/// Reads the groups of the org, which of them its rules fill, and what else plans refer to. `priority` says whether people
/// wait for it.
pub async fn read_directory(
    writers: &Writers,
    mapping: &Mapping,
    org: &OrgRules,
    known: &Administrators,
    priority: Priority,
) -> Result<Directory, String> {
    let groups: Vec<GroupObject> = list(writers, "/api/v1/groups?limit=200", priority).await?;
    let rules: Vec<GroupRule> = list(writers, "/api/v1/groups/rules?limit=200", priority).await?;
    let rules: Vec<OktaRule> = rules.into_iter().map(OktaRule::from).collect();
    let rule_owned = rules.iter().flat_map(|rule| rule.groups.clone()).collect();
    let directory = Directory::new(groups.into_iter().map(Group::from), rule_owned).with_rules(rules);
    let apps: Vec<AppObject> = match mapping.app_rules() {
        [] => Vec::new(),
        _ => list(writers, "/api/v1/apps?limit=200", priority).await?,
    };
    let administrators = read_administrators(writers, mapping, &directory, known, priority).await;
    let types: Vec<TypeObject> = match mapping.user_type() {
        None => Vec::new(),
        Some(_) => list(writers, "/api/v1/meta/types/user", priority).await?,
    };
    let relations = match &org.manager_relation {
        None => Vec::new(),
        Some(relation) => read_relations(writers, relation, priority).await,
    };
    Ok(directory
        .with_apps(apps.into_iter().map(|app| (app.id, app.label)))
        .with_administrators(administrators)
        .with_user_types(types.into_iter().map(|kind| (kind.name, kind.id)))
        .with_relations(relations.into_iter().map(|link| link.primary.name)))
}

/// The linked object definitions of the org. Without the one that leads to managers, or the right to see it, no links are
/// written, and everything else goes on.
async fn read_relations(writers: &Writers, relation: &str, priority: Priority) -> Vec<LinkedObject> {
    let found: Result<Vec<LinkedObject>, String> =
        list(writers, "/api/v1/meta/schemas/user/linkedObjects", priority).await;
    match found {
        Ok(found) if found.iter().any(|link| link.primary.name == relation) => found,
        Ok(_) => {
            tracing::warn!(
                relation,
                "the org has no such linked object: no manager links are written; add it, or set manager_link = false"
            );
            Vec::new()
        }
        Err(why) => {
            tracing::warn!(relation, %why, "linked objects cannot be read: no manager links are written");
            Vec::new()
        }
    }
}

/// The user schema of the org.
pub async fn read_schema(writers: &Writers) -> Result<serde_json::Value, String> {
    let mut pages: Vec<serde_json::Value> =
        bodies(writers, "/api/v1/meta/schemas/user/default", Priority::Inspect).await?;
    pages.pop().ok_or_else(|| "no answer".to_owned())
}

/// Who reports to each of `managers`, as Okta's links say: account to manager. One list for each manager is far less than
/// one read for each person.
pub async fn read_links(
    writers: &Writers,
    relation: &str,
    managers: &[String],
) -> Result<BTreeMap<String, String>, String> {
    let all: Vec<LinkedObject> = list(writers, "/api/v1/meta/schemas/user/linkedObjects", Priority::Inspect).await?;
    let Some(kind) = all.into_iter().find(|link| link.primary.name == relation) else { return Ok(BTreeMap::new()) };
    let associated = crate::okta::request::segment(&kind.associated.name);
    let base = Url::parse(writers.org_url()).map_err(|e| format!("the org's URL cannot be read ({e})"))?;
    let path = format!("/api/v1/users/*/linkedObjects/{associated}");
    let mut links = BTreeMap::new();
    for chunk in managers.chunks(LISTS_AT_ONCE) {
        let mut reads = tokio::task::JoinSet::new();
        for manager in chunk.iter().cloned() {
            let (writers, target) = (writers.clone(), format!("/api/v1/users/{manager}/linkedObjects/{associated}"));
            reads.spawn(async move { (manager, list::<LinkedUser>(&writers, &target, Priority::Inspect).await) });
        }
        while let Some(read) = reads.join_next().await {
            let (manager, reports) = read.map_err(|e| e.to_string())?;
            for report in reports? {
                let link = report.link().ok_or_else(|| format!("GET {path}: a linked account without a link to it"))?;
                let id = id_in(link, &base, "/api/v1/users").map_err(|why| format!("GET {path}: {why}"))?;
                links.insert(id, manager.clone());
            }
        }
    }
    Ok(links)
}

/// What the lists of an org show.
pub struct Listed {
    /// Every account that can be read, with its memberships and apps of `read`.
    pub accounts: Vec<Account>,
    /// The managed groups and apps, and the groups that protect.
    pub read: BTreeSet<String>,
    /// Whether some user could not be read: then that somebody is not on the lists proves nothing.
    pub lacks_some: bool,
}

/// Users, and whether there are some more that cannot be read.
#[derive(Default)]
struct Users {
    read: Vec<User>,
    lacks_some: bool,
}

impl Users {
    fn add(&mut self, other: Users) {
        self.read.extend(other.read);
        self.lacks_some |= other.lacks_some;
    }
}

/// Reads every account, with its managed apps, its memberships of managed groups and of those that protect; and which these are.
pub async fn read_accounts(
    writers: &Writers,
    directory: &Directory,
    rulebook: &Rulebook,
    mapped: &BTreeSet<String>,
) -> Result<Listed, String> {
    let (read, mapping, protected) = (Priority::Inspect, &rulebook.mapping, &rulebook.safeguards.protected);
    let mut users = users(writers, "/api/v1/users?limit=200", read).await?;
    if users.read.is_empty() && !users.lacks_some {
        return Err("GET /api/v1/users: nobody is on the list, although every org has an administrator".into());
    }
    let left = "/api/v1/users?filter=status%20eq%20%22DEPROVISIONED%22&limit=200";
    users.add(self::users(writers, left, read).await?);
    users.add(overlooked(writers, &users.read).await?);
    let lacks_some = users.lacks_some;
    let mut accounts: BTreeMap<String, Account> =
        users.read.into_iter().map(|user| user.account(mapping.anchor(), mapped)).map(|a| (a.id.clone(), a)).collect();
    let items = |group: &&Group| (group.writable && mapping.manages(group)) || protected.names(&group.name);
    let groups: Vec<String> = directory.groups().filter(items).map(|g| g.id.clone()).collect();
    for chunk in groups.chunks(LISTS_AT_ONCE) {
        let mut reads = tokio::task::JoinSet::new();
        for group in chunk.iter().cloned() {
            let writers = writers.clone();
            reads.spawn(async move {
                let members = ids(&writers, &format!("/api/v1/groups/{group}/users?limit=200"), read).await;
                (group, members)
            });
        }
        while let Some(read) = reads.join_next().await {
            let (group, members) = read.map_err(|e| e.to_string())?;
            for member in members? {
                if let Some(account) = accounts.get_mut(&member) {
                    account.groups.insert(group.clone());
                }
            }
        }
    }
    let managed = directory.apps().filter(|(id, label)| mapping.manages_app(id, label));
    let apps: Vec<String> = managed.map(|(id, _)| id.to_owned()).collect();
    for app in &apps {
        let users: Vec<AppUser> = list(writers, &format!("/api/v1/apps/{app}/users?limit=500"), read).await?;
        for user in users {
            let scope = if user.scope == "USER" { Scope::User } else { Scope::Group };
            if let Some(account) = accounts.get_mut(&user.id) {
                account.apps.insert(app.clone(), scope);
                let name = user.user_name().filter(|_| scope == Scope::User);
                account.app_names.extend(name.map(|name| (app.clone(), name.to_owned())));
            }
        }
    }
    let read = groups.into_iter().chain(apps).collect();
    Ok(Listed { accounts: accounts.into_values().collect(), read, lacks_some })
}

/// Users that a list lacks and a second walk in another order shows. Okta has no count of users, and a list that ends early looks
/// like a whole one.
async fn overlooked(writers: &Writers, listed: &[User]) -> Result<Users, String> {
    let known: BTreeSet<&str> = listed.iter().map(|user| user.id.as_str()).collect();
    let again = "/api/v1/users?fields=id%2Cstatus&limit=200";
    let newest_first = "/api/v1/users?search=status%20pr&sortBy=created&sortOrder=desc&limit=200";
    let second = match listed.len() < MOST_SEARCHED {
        true => match ids(writers, newest_first, Priority::Inspect).await {
            Ok(found) => found,
            Err(why) => {
                tracing::warn!(%why, "users cannot be searched for: their list is read once more instead");
                ids(writers, again, Priority::Inspect).await?
            }
        },
        false => ids(writers, again, Priority::Inspect).await?,
    };
    let lacking: Vec<String> = second.into_iter().filter(|id| !known.contains(id.as_str())).collect();
    if lacking.len() > MOST_OVERLOOKED {
        return Err(format!(
            "the list of users ended early: it has {} of them, and lacks {} that a second walk shows",
            listed.len(),
            lacking.len()
        ));
    }
    let mut found = Users::default();
    for id in lacking {
        let users: Result<Vec<Box<RawValue>>, String> =
            bodies(writers, &format!("/api/v1/users/{}", crate::okta::request::segment(&id)), Priority::Inspect).await;
        found.add(readable(&users.map_err(|why| format!("a user whom the list lacks: {why}"))?));
    }
    Ok(found)
}

/// The users of a list. Who cannot be read is unknown, and is asked for by their id where they were known.
async fn users(writers: &Writers, target: &str, priority: Priority) -> Result<Users, String> {
    Ok(readable(&list::<Box<RawValue>>(writers, target, priority).await?))
}

/// The ids of the users of a list, as far as they can be read: an account without one is nobody's that is known.
async fn ids(writers: &Writers, target: &str, priority: Priority) -> Result<Vec<String>, String> {
    let items: Vec<Box<RawValue>> = list(writers, target, priority).await?;
    let read = |item: Box<RawValue>| serde_json::from_str::<IdOnly>(item.get()).ok();
    Ok(items.into_iter().filter_map(read).map(|user| user.id).collect())
}

fn readable(list: &[Box<RawValue>]) -> Users {
    let (read, unread) = crate::okta::wire::users(list);
    for UnreadUser { id, why } in &unread {
        let id = id.as_deref().unwrap_or("(no id)");
        tracing::error!(okta_id = id, %why, "a user of Okta cannot be read: nobody gets or loses that account until it can");
    }
    Users { read, lacks_some: !unread.is_empty() }
}

/// The accounts that a search finds, and whether there are some more that cannot be read. It lags, and shows deactivated accounts too
/// (`okta-api.md §3.2`).
pub async fn search_users(
    writers: &Writers,
    expression: &str,
    anchor: &str,
    mapped: &BTreeSet<String>,
    priority: Priority,
) -> Result<(Vec<Account>, bool), String> {
    let target = format!("/api/v1/users?search={}&limit=200", crate::okta::request::segment(expression));
    let users = users(writers, &target, priority).await?;
    Ok((users.read.into_iter().map(|user| user.account(anchor, mapped)).collect(), users.lacks_some))
}

/// What Okta's system log has last about an account since `since`: what happened, and who did it (`okta-api.md §3.7`).
pub async fn read_last_event(writers: &Writers, okta_id: &str, since: Moment) -> Result<Option<String>, String> {
    let filter = format!("target.id eq \"{okta_id}\"");
    let (since, filter) = (crate::okta::request::segment(&since.to_string()), crate::okta::request::segment(&filter));
    let target = format!("/api/v1/logs?since={since}&filter={filter}&sortOrder=DESCENDING&limit=1");
    let (events, _) = page::<Vec<LogEvent>>(writers, &target, Priority::Inspect).await?;
    Ok(events.into_iter().next().map(|event| {
        let actor = event.actor.unwrap_or_default();
        let who = actor.alternate_id.or(actor.display_name).or(actor.id).unwrap_or_else(|| "somebody".into());
        format!("{} by {who} at {}", event.event_type, event.published)
    }))
}

/// All items of a list.
pub(super) async fn list<T: DeserializeOwned>(
    writers: &Writers,
    target: &str,
    priority: Priority,
) -> Result<Vec<T>, String> {
    let pages: Vec<Vec<T>> = all_pages(writers, target, priority, Vec::len).await?;
    Ok(pages.into_iter().flatten().collect())
}

/// The bodies of all pages of a list, following `next` until there is none.
async fn bodies<T: DeserializeOwned>(writers: &Writers, target: &str, priority: Priority) -> Result<Vec<T>, String> {
    all_pages(writers, target, priority, |_| 1).await
}

/// All pages of a list, or none: a list that leads back into itself or never ends was not read.
async fn all_pages<T: DeserializeOwned>(
    writers: &Writers,
    target: &str,
    priority: Priority,
    items: impl Fn(&T) -> usize,
) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    let mut pages = Pages::new(target);
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let (body, following) = page::<T>(writers, &target, priority).await?;
        let path = target.split('?').next().unwrap_or_default();
        next = pages.read(items(&body), following).map_err(|why| format!("GET {path}: {why}"))?;
        all.push(body);
    }
    Ok(all)
}

async fn page<T: DeserializeOwned>(
    writers: &Writers,
    target: &str,
    priority: Priority,
) -> Result<(T, Option<String>), String> {
    let path = target.split('?').next().unwrap_or_default();
    let mut attempt = 0;
    loop {
        let reply = writers.read(Request::get(target), priority).await;
        match (classify(&reply, false), reply) {
            (Outcome::Applied, Reply::Answered(Answered { body, next, .. })) => {
                let page = serde_json::from_slice(&body)
                    .map_err(|e| format!("GET {path}: the answer cannot be read ({e}); is this an Okta org?"))?;
                return Ok((page, next));
            }
            // Who grants it is a person: what needs this waits for the next time, and nothing else waits with it.
            (Outcome::Retry { why, .. }, Reply::Answered(answer)) if lacks_scope(&answer) => {
                return Err(format!("GET {path}: {why}"));
            }
            // What comes twice like this does not pass by itself: whoever runs this is told at once.
            (Outcome::Retry { why, .. }, Reply::Answered(answer)) if attempt > 0 && answer.unusable().is_some() => {
                return Err(format!("GET {path}: {why}"));
            }
            (Outcome::Retry { after, why }, _) if attempt < ATTEMPTS => {
                tracing::debug!(path, attempt, %why, "a page of Okta will be asked for again");
                writers.clock().sleep(after.max(retry::delay(attempt))).await;
                attempt += 1;
            }
            (Outcome::Missing, _) => return Err(format!("GET {path}: not found; is the org's URL right?")),
            (outcome, _) => return Err(format!("GET {path}: {}", outcome.why().unwrap_or("no answer"))),
        }
    }
}
