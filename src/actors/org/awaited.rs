//! Asks Okta by name for what people wait for: a group, an app or a user type that somebody is about to make.

use super::prime::list;
use crate::actors::writer::Writers;
use crate::domain::plan::awaited::Awaited;
use crate::domain::text::login_key;
use crate::domain::{Group, Priority};
use crate::okta::request::segment;
use crate::okta::wire::{AppObject, GroupObject, TypeObject};

/// What is there by now.
pub enum Found {
    Group(Group),
    /// Id and label.
    App(String, String),
    /// Name and id.
    UserType(String, String),
}

/// One thing that is waited for, if it is there.
pub async fn read_awaited(writers: &Writers, awaited: &Awaited) -> Result<Option<Found>, String> {
    let read = Priority::Inspect;
    match awaited {
        Awaited::Group(name) => {
            let target = format!("/api/v1/groups?q={}&limit=200", segment(name));
            let found: Vec<GroupObject> = list(writers, &target, read).await?;
            let groups: Vec<Group> = found.into_iter().map(Group::from).collect();
            let alike = || groups.iter().find(|group| login_key(&group.name) == login_key(name));
            let exact = groups.iter().find(|group| group.name == *name);
            Ok(exact.or_else(alike).cloned().map(Found::Group))
        }
        Awaited::App(name) => {
            let found: Vec<AppObject> =
                list(writers, &format!("/api/v1/apps?q={}&limit=200", segment(name)), read).await?;
            let mut apps = found.into_iter();
            Ok(apps.find(|app| app.label == *name).map(|app| Found::App(app.id, app.label)))
        }
        Awaited::UserType(name) => {
            let found: Vec<TypeObject> = list(writers, "/api/v1/meta/types/user", read).await?;
            let mut types = found.into_iter();
            Ok(types.find(|kind| kind.name == *name).map(|kind| Found::UserType(kind.name, kind.id)))
        }
        Awaited::Login(_) | Awaited::AppName(_) | Awaited::Permission(_) | Awaited::Walk(_) => Ok(None),
    }
}
