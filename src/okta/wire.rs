//! Okta's JSON, read leniently: unknown fields and unknown enum values are never errors (`okta-api.md §1.5`).

use crate::domain::account::group_rule::OktaRule;
use crate::domain::account::user::Marks;
use crate::domain::text::is_uuid;
use crate::domain::{Account, AccountStatus, Group};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// A user object, as in every answer that holds one.
#[derive(Debug, Deserialize)]
pub struct User {
    pub id: String,
    pub status: String,
    #[serde(default, rename = "transitioningToStatus")]
    pub transitioning_to: Option<String>,
    #[serde(default, rename = "type")]
    pub user_type: TypeRef,
    #[serde(default)]
    pub created: Value,
    #[serde(default, rename = "statusChanged")]
    pub status_changed: Value,
    #[serde(default)]
    pub credentials: Value,
    pub profile: BTreeMap<String, Value>,
}

/// A user of a list that cannot be read: the others can.
#[derive(Debug, PartialEq, Eq)]
pub struct UnreadUser {
    /// Its id, where that can be read.
    pub id: Option<String>,
    /// What is wrong with it.
    pub why: String,
}

/// The users of a list, each read by itself.
pub fn users(list: &[Box<RawValue>]) -> (Vec<User>, Vec<UnreadUser>) {
    let (mut users, mut unread) = (Vec::with_capacity(list.len()), Vec::new());
    for item in list {
        match serde_json::from_str::<User>(item.get()) {
            Ok(user) => users.push(user),
            Err(e) => {
                let id = serde_json::from_str::<IdOnly>(item.get()).ok().map(|user| user.id);
                unread.push(UnreadUser { id, why: e.to_string() });
            }
        }
    }
    (users, unread)
}

/// The user type of a user: its id.
#[derive(Debug, Default, Deserialize)]
pub struct TypeRef {
    #[serde(default)]
    pub id: String,
}

/// A user type: id and name.
#[derive(Debug, Deserialize)]
pub struct TypeObject {
    pub id: String,
    #[serde(default)]
    pub name: String,
}

/// A linked object definition, by the side that leads to one account (`okta-api.md §3.5`).
#[derive(Debug, Default, Deserialize)]
pub struct LinkedObject {
    #[serde(default)]
    pub primary: RelationName,
    #[serde(default)]
    pub associated: RelationName,
}

/// The name of one side of a linked object.
#[derive(Debug, Default, Deserialize)]
pub struct RelationName {
    #[serde(default)]
    pub name: String,
}

/// One linked account: its id stands at the end of the link to itself.
#[derive(Debug, Deserialize)]
pub struct LinkedUser {
    #[serde(rename = "_links")]
    links: Value,
}

impl LinkedUser {
    /// The link to the account.
    pub fn link(&self) -> Option<&str> {
        self.links["self"]["href"].as_str()
    }
}

impl User {
    /// The login; empty where it cannot be read.
    pub fn login(&self) -> &str {
        self.profile.get("login").and_then(Value::as_str).unwrap_or_default()
    }

    /// The account, keeping only the attributes that are mapped. Groups are not part of a user object.
    pub fn account(self, anchor: &str, mapped: &BTreeSet<String>) -> Account {
        let provider = self.credentials["provider"]["type"].as_str();
        let text = |name: &str| self.profile.get(name).and_then(Value::as_str).map(str::to_owned);
        Account {
            login: text("login").unwrap_or_default(),
            anchor: text(anchor).map(|anchor| as_profile_id(&anchor)).filter(|anchor| !anchor.is_empty()),
            status: AccountStatus::parse(&self.status),
            // A null attribute is usually omitted, but six of them never are (okta-api.md §3.1): missing is null.
            profile: self
                .profile
                .iter()
                .filter(|(k, v)| mapped.contains(*k) && !v.is_null())
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            groups: BTreeSet::new(),
            apps: BTreeMap::new(),
            app_names: BTreeMap::new(),
            user_type: self.user_type.id,
            provider: provider.filter(|kind| *kind != "OKTA").unwrap_or_default().to_owned(),
            created_at: self.created.as_str().and_then(moment),
            status_since: self.status_changed.as_str().and_then(moment),
            marks: Marks::default(),
            id: self.id,
        }
    }
}

/// A moment of Okta's, in milliseconds.
fn moment(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond())
}

/// An anchor as Namely writes the id of the profile: an import may have put blanks around it, or capitals into its UUID.
fn as_profile_id(anchor: &str) -> String {
    let anchor = anchor.trim();
    if is_uuid(anchor) { anchor.to_ascii_lowercase() } else { anchor.to_owned() }
}

/// A group object.
#[derive(Debug, Deserialize)]
pub struct GroupObject {
    pub id: String,
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub profile: GroupProfile,
}

/// The profile of a group object.
#[derive(Debug, Default, Deserialize)]
pub struct GroupProfile {
    #[serde(default)]
    pub name: String,
}

impl From<GroupObject> for Group {
    fn from(g: GroupObject) -> Group {
        Group { writable: g.kind == "OKTA_GROUP", id: g.id, name: g.profile.name }
    }
}

/// Only the id of a listed object: all that is read of the members of a group.
#[derive(Debug, Deserialize)]
pub struct IdOnly {
    pub id: String,
}

/// An app: id and label.
#[derive(Debug, Deserialize)]
pub struct AppObject {
    pub id: String,
    #[serde(default)]
    pub label: String,
}

/// An answer that may name the user whose it is, by a link.
#[derive(Debug, Deserialize)]
pub struct Linked {
    #[serde(default, rename = "_links")]
    links: Value,
}

impl Linked {
    /// The user's id.
    pub fn user(&self) -> Option<String> {
        let href = self.links["user"]["href"].as_str()?;
        let (_, rest) = href.rsplit_once("/users/")?;
        rest.split(['/', '?']).next().filter(|id| !id.is_empty()).map(str::to_owned)
    }
}

/// A user of an app, and what gives them the app; a word that is not known is taken for a group's.
#[derive(Debug, Deserialize)]
pub struct AppUser {
    pub id: String,
    #[serde(default)]
    pub scope: String,
    #[serde(default)]
    credentials: Value,
}

impl AppUser {
    /// What they are called in the app, where Okta says it.
    pub fn user_name(&self) -> Option<&str> {
        self.credentials["userName"].as_str()
    }
}

/// Everybody with an admin role: a page.
#[derive(Debug, Deserialize)]
pub struct Assignees {
    pub value: Vec<IdOnly>,
}

/// An admin role that somebody or a group holds.
#[derive(Debug, Deserialize)]
pub struct RoleObject {
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// A group rule: whom it assigns to which groups.
#[derive(Debug, Default, Deserialize)]
pub struct GroupRule {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub conditions: Option<RuleConditions>,
    #[serde(default)]
    pub actions: RuleActions,
}

#[derive(Debug, Default, Deserialize)]
pub struct RuleConditions {
    #[serde(default)]
    pub expression: Option<RuleExpression>,
    #[serde(default)]
    pub people: Option<RulePeople>,
}

#[derive(Debug, Default, Deserialize)]
pub struct RuleExpression {
    #[serde(default)]
    pub value: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct RulePeople {
    #[serde(default)]
    pub users: Option<RuleUsers>,
}

#[derive(Debug, Default, Deserialize)]
pub struct RuleUsers {
    #[serde(default)]
    pub exclude: Vec<String>,
}

impl From<GroupRule> for OktaRule {
    fn from(rule: GroupRule) -> Self {
        let conditions = rule.conditions.unwrap_or_default();
        let users = conditions.people.unwrap_or_default().users.unwrap_or_default();
        Self {
            name: rule.name,
            active: rule.status == "ACTIVE",
            expression: conditions.expression.unwrap_or_default().value,
            groups: rule.actions.assign.group_ids,
            excluded: users.exclude.into_iter().collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct RuleActions {
    #[serde(default, rename = "assignUserToGroups")]
    pub assign: AssignUserToGroups,
}

#[derive(Debug, Default, Deserialize)]
pub struct AssignUserToGroups {
    #[serde(default, rename = "groupIds")]
    pub group_ids: Vec<String>,
}

/// The error envelope (`okta-api.md §5`).
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    #[serde(default, rename = "errorCode")]
    pub code: String,
    #[serde(default, rename = "errorSummary")]
    pub summary: String,
    #[serde(default, rename = "errorCauses")]
    pub causes: Vec<ErrorCause>,
}

#[derive(Debug, Deserialize)]
pub struct ErrorCause {
    #[serde(default, rename = "errorSummary")]
    pub summary: String,
}

impl ErrorCause {
    /// "An object with this field already exists in the current organization" (`okta-api.md §3.1`).
    fn is_duplicate(&self) -> bool {
        self.summary.contains("already exists in the current organization")
    }

    /// The attribute that it is about: causes are written as "<field>: <message>" (`okta-api.md §3.1`).
    pub fn attribute(&self) -> Option<&str> {
        let (name, _) = self.summary.split_once(':')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then_some(name)
    }
}

impl ErrorBody {
    /// Reads an envelope; anything else (HTML, nothing) is an envelope without a code.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Whether two accounts may not have the same login, and one has it: the one clash that correlation settles. Another attribute
    /// that must be unique is a value like others.
    pub fn is_login_taken(&self) -> bool {
        self.causes.iter().any(|cause| cause.is_duplicate() && cause.attribute() == Some("login"))
    }

    /// Code, summary and causes in one line, cut to a length that fits a log.
    pub fn describe(&self) -> String {
        let causes: Vec<&str> = self.causes.iter().map(|c| c.summary.as_str()).collect();
        let mut text = format!("{} {}", self.code, self.summary);
        if !causes.is_empty() {
            text = format!("{text} ({})", causes.join("; "));
        }
        text.chars().take(400).collect::<String>().trim().to_owned()
    }
}

/// The OAuth error envelope (`okta-api.md §1.2`).
#[derive(Debug, Default, Deserialize)]
pub struct OAuthError {
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub error_description: String,
}

impl OAuthError {
    /// Reads an envelope; anything else is one without an error.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Error and description in one line.
    pub fn describe(&self) -> String {
        format!("{} {}", self.error, self.error_description).chars().take(400).collect::<String>().trim().to_owned()
    }
}

/// An event of the system log, as far as it tells who did what (`okta-api.md §3.7`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEvent {
    pub event_type: String,
    pub published: String,
    #[serde(default)]
    pub actor: Option<LogActor>,
}

/// Who did it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogActor {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub alternate_id: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_keeps_the_mapped_attributes_only_and_null_is_absent() {
        let user: User = serde_json::from_value(serde_json::json!({
            "id": "00u1", "status": "SOMETHING_NEW", "surprise": [1],
            "profile": { "login": "a@example.com", "mobilePhone": null, "title": "X", "city": "Lyon", "namelyId": "u-1" }
        }))
        .expect("a user");
        let mapped = ["login", "title", "mobilePhone", "namelyId"].map(str::to_owned).into();
        let account = user.account("namelyId", &mapped);
        assert_eq!(account.status, AccountStatus::Unknown);
        assert_eq!(account.anchor.as_deref(), Some("u-1"));
        let uuid = "5f0c7a4e-0000-4000-8000-00000000000a";
        for written in [uuid.to_owned(), uuid.to_uppercase(), format!(" {uuid}\n")] {
            assert_eq!(as_profile_id(&written), uuid, "{written:?} is the same profile");
        }
        assert_eq!(as_profile_id(" U-1 "), "U-1", "what is no UUID keeps its case");
        assert_eq!(account.profile.keys().collect::<Vec<_>>(), ["login", "namelyId", "title"]);
    }

    #[test]
    fn an_error_page_that_is_not_json_is_an_error_without_a_code() {
        assert_eq!(ErrorBody::read(b"<html>502 Bad Gateway</html>").code, "");
        assert_eq!(ErrorBody::read(b"").code, "");
    }
}
