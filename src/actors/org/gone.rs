//! Groups of the mapping that a directory does not show any more: asked for by their id, and gone only if Okta has them no more.

use super::prime::read_last_event;
use crate::actors::writer::Writers;
use crate::clock::Moment;
use crate::domain::account::gone::GoneGroup;
use crate::domain::{Directory, Group, Mapping, Priority};
use crate::okta::Request;
use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use crate::okta::request::segment;
use crate::okta::wire::GroupObject;
use std::time::Duration;

/// Groups that are asked for after one reading: an org that lacks more is not read as a whole.
const MOST_ASKED: usize = 50;
/// How far back the system log is asked who has deleted a group.
const LOG_SPAN: Duration = Duration::from_secs(7 * 86_400);

/// What has become of a group that a list lacks.
enum Fate {
    There(Group),
    Deleted,
}

/// The directory that was read, with what is known of groups that are gone, as the one before had them; and which of these are gone
/// since. `correct` says that they are made again without a question.
pub async fn with_gone(
    writers: &Writers,
    mapping: &Mapping,
    before: &Directory,
    read: Directory,
    correct: bool,
    now: Moment,
) -> (Directory, Vec<GoneGroup>) {
    let mut gone = before.gone().clone();
    let of_rules =
        |one: &GoneGroup| mapping.manages(&Group { id: one.id.clone(), name: one.name.clone(), writable: true });
    for group in before.gone().iter().filter(|group| named(&read, &group.name) || !of_rules(group)) {
        gone.is_there(&group.name);
    }
    let is_lacking = |group: &&Group| {
        group.writable && mapping.manages(group) && !read.knows(&group.id) && !named(&read, &group.name)
    };
    let lacking: Vec<Group> = before.groups().filter(is_lacking).cloned().collect();
    let (mut read, mut new) = (read, Vec::new());
    for (asked, group) in lacking.into_iter().enumerate() {
        let fate = if asked < MOST_ASKED { fate(writers, &group).await } else { Err("too many are lacking".into()) };
        match fate {
            Ok(Fate::There(found)) => read.insert(found),
            Ok(Fate::Deleted) => {
                let actor = read_last_event(writers, &group.id, now - LOG_SPAN).await.unwrap_or_else(|why| {
                    tracing::warn!(group = group.name, %why, "it cannot be told who has deleted a group; does the token see the system log?");
                    None
                });
                let one = GoneGroup { id: group.id, name: group.name, actor, again: correct.then_some(true) };
                gone.insert(one.clone());
                new.push(one);
            }
            // Unknown is not gone.
            Err(why) => {
                tracing::warn!(group = group.name, %why, "a list lacks this group, and it could not be asked for: it is kept as it was known");
                read.insert(group);
            }
        }
    }
    (read.with_gone(gone), new)
}

fn named(directory: &Directory, name: &str) -> bool {
    directory.find(name).or_else(|| directory.find_alike(name)).is_some()
}

async fn fate(writers: &Writers, group: &Group) -> Result<Fate, String> {
    let reply = writers.read(Request::get(format!("/api/v1/groups/{}", segment(&group.id))), Priority::Inspect).await;
    match (classify(&reply, false), reply) {
        (Outcome::Applied, Reply::Answered(Answered { body, .. })) => {
            let found: GroupObject = serde_json::from_slice(&body).map_err(|e| format!("it cannot be read ({e})"))?;
            Ok(Fate::There(Group::from(found)))
        }
        (Outcome::Missing, _) => Ok(Fate::Deleted),
        (outcome, _) => Err(outcome.why().unwrap_or("no answer").to_owned()),
    }
}
