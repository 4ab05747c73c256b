//! The org on a page: people, groups, and what another administrator does with one click.

use super::super::http::{Request, Response};
use super::super::ui::{Shown, answer, change_faults, common, paged};
use super::objects::{Status, User};
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

impl Okta {
    /// What is asked of its pages; nothing if it is something else.
    pub(super) fn shown(&mut self, request: &Request, now: Moment) -> Option<Response> {
        let is_on = self.options.ui;
        let changed = change_faults(is_on, &mut self.faults, request);
        answer(is_on, request, changed, |path, form| match (path, form) {
            ([], None) => Shown::Page("okta.html", self.page(request, now)),
            (["people", id], Some(form)) => Shown::Done(self.changes_one(id, form, now).unwrap_or_else(|why| why)),
            _ => Shown::Nothing,
        })
    }

    fn page(&self, request: &Request, now: Moment) -> Value {
        let mut context = common(request, &self.faults, self.history.exchanges(), now);
        let wanted = request.param("text").unwrap_or_default().to_lowercase();
        let fits = |user: &&User| {
            wanted.is_empty() || format!("{}\n{}", name(user), login(user)).to_lowercase().contains(&wanted)
        };
        let mut found: Vec<&User> = self.users().filter(fits).collect();
        found.sort_by_key(|user| (std::cmp::Reverse(user.status_changed), login(user)));
        paged(request, found.into_iter().map(|user| self.line(user)).collect(), &mut context);
        let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
        self.users().for_each(|user| *statuses.entry(user.status.as_str()).or_default() += 1);
        context["statuses"] =
            statuses.into_iter().map(|(status, count)| json!({ "status": status, "count": count })).collect();
        let mut groups: Vec<Value> = self
            .groups
            .values()
            .map(|group| {
                let members = self.members.of(&group.id).map_or(0, BTreeMap::len);
                json!({ "name": group.name, "kind": group.kind, "members": members })
            })
            .collect();
        groups.sort_by_key(|group| group["name"].as_str().map(str::to_lowercase));
        context["groups"] = json!(groups);
        context
    }

    fn line(&self, user: &User) -> Value {
        let tone = match user.status {
            Status::Active => "good",
            Status::Suspended => "warn",
            Status::Deprovisioned => "bad",
            _ => "",
        };
        json!({
            "id": user.id, "name": name(user), "login": login(user), "status": user.status.as_str(), "tone": tone,
            "since": user.status_changed.timestamp().strftime("%-d %b, %H:%M:%S").to_string(), "groups": self.groups_of(&user.id),
        })
    }

    fn changes_one(&mut self, id: &str, form: &HashMap<String, String>, now: Moment) -> Result<String, String> {
        let user = self.users.get_mut(id).ok_or("there is nobody of that id any more")?;
        let (from, to, said) = match form.get("do").map(String::as_str).unwrap_or_default() {
            "suspend" => (Status::Active, Status::Suspended, "is suspended by another administrator"),
            "unsuspend" => (Status::Suspended, Status::Active, "is unsuspended by another administrator"),
            _ => return Err("say what is done: suspend or unsuspend".into()),
        };
        if user.status != from {
            return Err(format!("{} is {} now", name(user), user.status.as_str()));
        }
        (user.status, user.status_changed, user.updated) = (to, now, now);
        Ok(format!("{} {said}", name(user)))
    }
}

fn text<'u>(user: &'u User, key: &str) -> &'u str {
    user.profile.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn login(user: &User) -> &str {
    text(user, "login")
}

fn name(user: &User) -> String {
    format!("{} {}", text(user, "firstName"), text(user, "lastName"))
}
