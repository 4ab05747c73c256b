//! The state of the org, and how it is put up without a call.

use super::super::faults::{Fault, Faults};
use super::super::history::History;
use super::attributes::{UserType, default_type};
use super::limits::Limits;
use super::memberships::Memberships;
use super::objects::{App, Assigned, DEFAULT_TYPE, Event, Group, LinkedObject, OWNER, Rule, Status, User, login_key};
use super::options::Options;
use super::tokens::{SignIns, Tokens};
use crate::clock::Moment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// The org.
pub struct Okta {
    /// How it behaves.
    pub options: Options,
    pub(super) users: BTreeMap<String, User>,
    /// Attributes of those who were put into the org without a call, as they were then.
    pub(super) seeded: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) by_login: HashMap<String, String>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) members: Memberships,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) apps: BTreeMap<String, App>,
    /// User types by id.
    pub(super) types: BTreeMap<String, UserType>,
    /// When the org was made, and when the share of its token was changed last.
    pub(super) began: Moment,
    pub(super) share_changed: Moment,
    /// When the last request came.
    pub(super) seen: Moment,
    pub(super) linked: Vec<LinkedObject>,
    pub(super) log: Vec<Event>,
    /// Admin roles by the user or the group that holds them.
    pub(super) roles: BTreeMap<String, Assigned>,
    /// Custom roles and resource sets, each by its id.
    pub(super) iam: Value,
    /// Asynchronous changes under way, by when they end.
    pub(super) transitions: BTreeSet<(Moment, String)>,
    pub(super) tokens: Tokens,
    pub(super) sign_ins: SignIns,
    pub(super) revoked: bool,
    /// Okta's maintenance mode: reads are answered, writes are not.
    pub read_only: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// What is to become of requests under way, by ticket.
    pub(super) struck: HashMap<usize, Fault>,
    pub(super) limits: Limits,
    pub(super) history: History,
    pub(super) random: ChaCha8Rng,
    pub(super) made: u64,
}

impl Okta {
    /// An org that holds the group Everyone and one administrator, and whose schema has the attribute `namelyId`.
    pub fn new(options: Options, now: Moment) -> Self {
        let mut okta = Self {
            users: BTreeMap::new(),
            seeded: BTreeMap::new(),
            by_login: HashMap::new(),
            groups: BTreeMap::new(),
            members: Memberships::default(),
            rules: BTreeMap::new(),
            apps: BTreeMap::new(),
            types: BTreeMap::from([(DEFAULT_TYPE.to_owned(), default_type(now))]),
            began: now,
            share_changed: now,
            seen: now,
            linked: options.manager_links.then(LinkedObject::manager).into_iter().collect(),
            log: Vec::new(),
            roles: BTreeMap::new(),
            iam: json!({ "roles": {}, "resource-sets": {} }),
            transitions: BTreeSet::new(),
            tokens: Tokens::default(),
            sign_ins: SignIns::default(),
            revoked: false,
            read_only: false,
            faults: Faults::new(options.seed),
            struck: HashMap::new(),
            limits: Limits::new(&options),
            history: History::default(),
            random: ChaCha8Rng::seed_from_u64(options.seed),
            made: 0,
            options,
        };
        okta.seed_group("Everyone", "BUILT_IN", now);
        let administrator = json!({ "login": OWNER, "email": OWNER, "firstName": "Org", "lastName": "Admin" });
        okta.seed_user(administrator, Status::Active, &[], now);
        okta
    }

    /// Puts a group into the org without a call.
    pub fn seed_group(&mut self, name: &str, kind: &'static str, now: Moment) -> String {
        let id = self.id("00g");
        self.groups.insert(id.clone(), Group::new(&id, name, kind, now));
        id
    }

    /// Calls a group something else without a call.
    pub fn rename_group(&mut self, id: &str, name: &str) {
        if let Some(group) = self.groups.get_mut(id) {
            name.clone_into(&mut group.name);
        }
    }

    /// Puts a user into the org without a call.
    pub fn seed_user(&mut self, profile: Value, status: Status, groups: &[String], now: Moment) -> String {
        let id = self.id("00u");
        let profile: BTreeMap<String, Value> = match profile {
            Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            _ => BTreeMap::new(),
        };
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.by_login.insert(login_key(&login), id.clone());
        self.seeded.insert(id.clone(), profile.clone());
        self.users.insert(id.clone(), User::new(&id, profile, status, now - Duration::from_secs(3600)));
        for group in groups {
            self.members.add(group, &id);
        }
        self.join_everyone(&id);
        id
    }

    /// Puts an account into a status without a call, as if its owner or an administrator had done it.
    pub fn seed_status(&mut self, anchor: &str, status: Status) {
        let id = self.user_by_anchor(anchor).map(|user| user.id.clone());
        if let Some(user) = id.and_then(|id| self.users.get_mut(&id)) {
            user.status = status;
        }
    }

    /// Puts a user into a group without a call.
    pub fn seed_member(&mut self, group: &str, user: &str) {
        self.members.add(group, user);
    }

    /// The name of a user type.
    pub fn type_name(&self, id: &str) -> &str {
        self.types.get(id).map_or("", |kind| kind.name.as_str())
    }

    /// Everything that was asked so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The user with this anchor, as the oracle looks at it.
    pub fn user_by_anchor(&self, anchor: &str) -> Option<&User> {
        self.users.values().find(|u| u.profile.get("namelyId").and_then(Value::as_str) == Some(anchor))
    }

    /// Attributes of everybody who was there before the first call, as they were then.
    pub fn seeded(&self) -> &BTreeMap<String, BTreeMap<String, Value>> {
        &self.seeded
    }

    /// All users.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Names of the groups a user is in, without Everyone.
    pub fn groups_of(&self, user: &str) -> BTreeSet<String> {
        self.groups
            .values()
            .filter(|g| g.kind != "BUILT_IN" && self.members.has(&g.id, user))
            .map(|g| g.name.clone())
            .collect()
    }

    /// Group names by id.
    pub fn group_names(&self) -> HashMap<String, String> {
        self.groups.values().map(|g| (g.id.clone(), g.name.clone())).collect()
    }

    /// Windows that the token has opened in a bucket.
    pub fn windows_used(&self, bucket: &str) -> u64 {
        self.limits.windows_used(bucket)
    }

    /// The limit of a bucket as the token sees it.
    pub fn principal_limit(&self, bucket: &str) -> u32 {
        self.limits.principal_limit(bucket)
    }

    /// An id as Okta makes them: a prefix and twenty characters in all.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        self.made += 1;
        // Ids sort by age, as far as lists need it.
        let mut id = format!("{prefix}{:08x}", self.made);
        while id.len() < 20 {
            id.push(char::from(ALPHABET[self.random.random_range(0..ALPHABET.len())]));
        }
        id
    }
}
