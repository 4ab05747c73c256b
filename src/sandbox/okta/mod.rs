//! The Okta simulator: the state of an org and what it answers.

pub mod apps;
mod distort;
pub mod errors;
pub mod groups;
pub mod limits;
mod oauth;
pub mod options;
pub mod org;
pub mod query;
pub mod roles;
pub mod schema;
pub mod users;

pub use options::{Competition, HeaderView, Options, ScopeError, ServiceApp};

use super::faults::{Fault, Faults, Kind};
use super::history::{Exchange, History};
use super::http::{Admission, Core, Request, Response, http_date};
use crate::clock::Moment;
use apps::App;
use errors::{Problem, problem};
use groups::{Group, Rule};
use limits::{Limits, Verdict};
use oauth::Tokens;
use org::Event;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schema::{LinkedObject, Property};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use users::User;

/// The org.
pub struct Okta {
    pub options: Options,
    pub(super) users: BTreeMap<String, User>,
    /// Attributes of those who were put into the org without a call, as they were then.
    seeded: BTreeMap<String, BTreeMap<String, Value>>,
    pub(super) by_login: HashMap<String, String>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) members: HashMap<String, BTreeSet<String>>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) apps: BTreeMap<String, App>,
    /// User types: name by id.
    types: BTreeMap<String, String>,
    /// Custom attributes of the user schema.
    pub(super) custom: BTreeMap<String, Property>,
    linked: Vec<LinkedObject>,
    log: Vec<Event>,
    /// Admin roles by the user or the group that holds them.
    pub(super) roles: BTreeMap<String, roles::Assigned>,
    /// Asynchronous changes under way, by when they end.
    transitions: BTreeSet<(Moment, String)>,
    tokens: Tokens,
    revoked: bool,
    /// Okta's maintenance mode: reads are answered, writes are not.
    pub read_only: bool,
    pub faults: Faults,
    /// What is to become of requests under way, by ticket.
    struck: HashMap<usize, Fault>,
    limits: Limits,
    history: History,
    random: ChaCha8Rng,
    made: u64,
}

impl Okta {
    /// An org that holds the group Everyone and one administrator, and whose schema has the attribute `namelyId`.
    pub fn new(options: Options, now: Moment) -> Self {
        let mut okta = Self {
            users: BTreeMap::new(),
            seeded: BTreeMap::new(),
            by_login: HashMap::new(),
            groups: BTreeMap::new(),
            members: HashMap::new(),
            rules: BTreeMap::new(),
            apps: BTreeMap::new(),
            types: BTreeMap::from([(schema::DEFAULT_TYPE.to_owned(), "user".to_owned())]),
            custom: BTreeMap::from([("namelyId".to_owned(), Property::text("Namely ID"))]),
            linked: options.manager_links.then(LinkedObject::manager).into_iter().collect(),
            log: Vec::new(),
            roles: BTreeMap::new(),
            transitions: BTreeSet::new(),
            tokens: Tokens::default(),
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
        let administrator =
            json!({ "login": org::OWNER, "email": org::OWNER, "firstName": "Org", "lastName": "Admin" });
        okta.seed_user(administrator, users::Status::Active, &[], now);
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
    pub fn seed_user(&mut self, profile: Value, status: users::Status, groups: &[String], now: Moment) -> String {
        let id = self.id("00u");
        let profile: BTreeMap<String, Value> = match profile {
            Value::Object(fields) => fields.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            _ => BTreeMap::new(),
        };
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.by_login.insert(users::login_key(&login), id.clone());
        self.seeded.insert(id.clone(), profile.clone());
        self.users.insert(id.clone(), User::new(&id, profile, status, now - Duration::from_secs(3600)));
        for group in groups {
            self.members.entry(group.clone()).or_default().insert(id.clone());
        }
        self.join_everyone(&id);
        id
    }

    /// Puts an account into a status without a call, as if its owner or an administrator had done it.
    pub fn seed_status(&mut self, anchor: &str, status: users::Status) {
        let id = self.user_by_anchor(anchor).map(|user| user.id.clone());
        if let Some(user) = id.and_then(|id| self.users.get_mut(&id)) {
            user.status = status;
        }
    }

    /// Puts a user into a group without a call.
    pub fn seed_member(&mut self, group: &str, user: &str) {
        self.members.entry(group.to_owned()).or_default().insert(user.to_owned());
    }

    /// The name of a user type.
    pub fn type_name(&self, id: &str) -> &str {
        self.types.get(id).map_or("", String::as_str)
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
            .filter(|g| g.kind != "BUILT_IN" && self.members.get(&g.id).is_some_and(|m| m.contains(user)))
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

    fn latency(&mut self, request: &Request) -> Duration {
        let typical = typical_latency(request);
        // Lognormal with sigma 0.2 (sum of twelve uniforms minus six is close to a standard normal).
        let normal: f64 = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(typical * (0.2 * normal).exp() * self.options.latency)
    }

    fn route(&mut self, request: &Request, now: Moment) -> Result<Response, Problem> {
        self.settle(now);
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["api", "v1", rest @ ..] = parts.as_slice() else { return Err(problem::no_such_path()) };
        match (request.method.as_str(), rest) {
            (_, ["users", ..]) => self.users_route(request, &rest[1..], now),
            (_, ["groups", "rules", ..]) => self.rules_route(request, &rest[2..], now),
            (_, ["groups", ..]) => self.groups_route(request, &rest[1..], now),
            (_, ["apps", ..]) => self.apps_route(request, &rest[1..], now),
            (_, ["meta", ..]) => self.meta_route(request, &rest[1..], now),
            (_, ["principal-rate-limits", ..]) => self.principal_limits(request, &rest[1..]),
            ("GET", ["logs"]) => self.logs(request, now),
            ("GET", ["iam", "assignees", "users"]) => Ok(self.assignees(request)),
            (_, ["logs"] | ["iam", "assignees", "users"]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    /// The counter of a request, by the name Okta gives it; searches may have one of their own.
    fn bucket(&self, request: &Request) -> &'static str {
        let searched = ["search", "filter", "q"].iter().any(|name| request.param(name).is_some());
        match limits::bucket_of(&request.method, &request.path) {
            "/api/v1/users" if self.options.search_bucket && request.method == "GET" && searched => {
                "/api/v1/users?search"
            }
            bucket => bucket,
        }
    }

    fn stamp(&mut self, response: Response, now: Moment) -> Response {
        let id = self.id("req");
        response
            .with("x-okta-request-id", id)
            .with("date", http_date(now, self.options.skew))
            .with("cache-control", "no-cache, no-store")
    }

    /// Answers at once, and notes it.
    fn refuse(&mut self, ticket: usize, response: Response, now: Moment) -> Admission {
        let exchange = self.history.get_mut(ticket);
        exchange.status = response.status;
        exchange.answered = Some(now);
        Admission::Answer(self.stamp(response, now), Duration::ZERO)
    }
}

impl Core for Okta {
    fn starts(&mut self, scale: f64) {
        self.limits.scaled(scale);
    }

    fn admit(&mut self, request: &Request, now: Moment) -> Admission {
        let ticket = self.history.arrive(Exchange::arriving(request, now));
        let is_token = request.path == "/oauth2/v1/token";
        if !is_token {
            let allowed = self.authenticate(request, now);
            let allowed = allowed.map(|caller| self.authorise(&caller, request));
            match allowed {
                Ok(Ok(())) => {}
                // What is known but not allowed is counted; who is not known is not (okta-api.md §4.3).
                Ok(Err(response)) => {
                    let counted = self.limits.count(self.bucket(request), now);
                    self.limits.discard(self.bucket(request));
                    let response = counted.headers.into_iter().fold(response, |r, (name, value)| r.with(name, value));
                    return self.refuse(ticket, response, now);
                }
                Err(response) => return self.refuse(ticket, response, now),
            }
        }
        if matches!(request.method.as_str(), "POST" | "PUT") && request.header("content-length").is_none() {
            return self.refuse(ticket, Response::empty(411), now);
        }
        let bucket = self.bucket(request);
        let counted = self.limits.count(bucket, now);
        self.history.get_mut(ticket).window = counted.window.map(|number| (bucket, number));
        if let Verdict::Rejected(rejection) = counted.verdict {
            self.history.get_mut(ticket).rejected = Some(rejection);
            let response = problem::too_many_requests().response();
            let response = counted.headers.into_iter().fold(response, |r, (name, value)| r.with(name, value));
            return self.refuse(ticket, response, now);
        }
        let mut takes = self.latency(request);
        let about = if self.faults.ask_for_people() { self.about(request) } else { Vec::new() };
        let fault = self.faults.strike(&request.method, &request.target(), &about);
        self.history.get_mut(ticket).faulty = fault.as_ref().is_some_and(|fault| !matches!(fault.kind, Kind::Slow(_)));
        let answer = match fault.as_ref().map(|fault| &fault.kind) {
            None => None,
            Some(Kind::Slow(more)) => {
                takes += *more;
                None
            }
            Some(Kind::LoseReply) => {
                self.limits.enter();
                self.limits.keep_headers(ticket, bucket, Vec::new());
                return Admission::ServeAndHangUp { ticket, takes };
            }
            Some(Kind::Answer { status, body }) => {
                Some(Response { status: *status, body: body.clone().into_bytes(), ..Response::default() })
            }
            Some(Kind::Throttle { retry_after }) => {
                self.limits.discard(bucket);
                let response = Response { status: 429, body: b"slow down".to_vec(), ..Response::default() };
                let after = retry_after.map(|seconds| seconds.to_string());
                let response = after.into_iter().fold(response, |response, after| response.with("retry-after", &after));
                return self.refuse(ticket, response, now);
            }
            Some(Kind::Refuse { status, code }) => Some(problem::by_code(*status, code).response()),
            Some(Kind::Reset) => {
                self.limits.discard(bucket);
                return Admission::HangUp;
            }
            Some(_) => {
                self.struck.extend(fault.map(|fault| (ticket, fault)));
                None
            }
        };
        if let Some(response) = answer {
            let response = counted.headers.into_iter().fold(response, |r, (name, value)| r.with(name, value));
            self.limits.discard(bucket);
            return self.refuse(ticket, response, now);
        }
        self.limits.enter();
        self.limits.keep_headers(ticket, bucket, counted.headers);
        Admission::Serve { ticket, takes }
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn apply(&mut self, ticket: usize, asked: &Request, now: Moment) -> Response {
        let fault = self.struck.remove(&ticket);
        let request = &fault.as_ref().map_or_else(|| asked.clone(), |fault| super::distort::before(fault, asked));
        let struck = |kind: Kind| asked.method != "GET" && fault.as_ref().is_some_and(|fault| fault.kind == kind);
        let pretends = struck(Kind::NoEffect);
        let applied_before = struck(Kind::Twice) && self.route(request, now).is_ok();
        let is_json = request.header("content-type").is_none_or(|kind| kind.starts_with("application/json"));
        let answer = match &request.body {
            _ if request.path == "/oauth2/v1/token" => Ok(self.token(request, now)),
            _ if self.read_only && request.method != "GET" => Err(problem::read_only()),
            body if !body.is_empty() && !is_json => Err(problem::bad_media_type()),
            body if !body.is_empty() && serde_json::from_slice::<Value>(body).is_err() => Err(problem::bad_body()),
            _ if pretends => self.pretend(request),
            _ => self.route(request, now),
        };
        let (response, applied) = match answer {
            Ok(response) => (response, request.method != "GET" && request.path.starts_with("/api/")),
            Err(problem) => (problem.response(), applied_before),
        };
        let by_login =
            || self.find_user(&request.segments().into_iter().skip_while(|part| part != "users").nth(1)?).ok();
        let user = user_in(&request.path).map(str::to_owned).or_else(|| user_in_body(&response.body)).or_else(by_login);
        let headers = self.limits.take_headers(ticket, now);
        let exchange = self.history.get_mut(ticket);
        exchange.status = response.status;
        exchange.applied = applied;
        exchange.user = user;
        let response = match &fault {
            Some(fault) => self.distorted(fault, asked, response),
            None => response,
        };
        let response = headers.into_iter().fold(response, |r, (name, value)| r.with(name, value));
        self.stamp(response, now)
    }

    fn finish(&mut self, ticket: usize, now: Moment) {
        self.limits.done();
        self.history.get_mut(ticket).answered = Some(now);
    }
}

/// The user id in a path, wherever it stands.
fn user_in(path: &str) -> Option<&str> {
    path.split('/').find(|part| part.starts_with("00u"))
}

/// The user that an answer is about: a create has no id in its path.
fn user_in_body(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("id")?.as_str().filter(|id| id.starts_with("00u")).map(str::to_owned)
}

/// Seconds a call usually takes: medians of recorded traffic where there are any (`okta-api.md §4.6`).
fn typical_latency(request: &Request) -> f64 {
    let parts: Vec<&str> = request.path.split('/').filter(|p| !p.is_empty()).skip(2).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["users"]) => 0.479,
        ("GET", ["users", _]) => 0.275,
        ("PUT", ["users", _]) => 1.357,
        ("POST", ["users", _]) => 0.6,
        ("DELETE", ["users", _]) => 0.368,
        ("PUT", ["groups", _, "users", _]) => 0.235,
        ("DELETE", ["groups", _, "users", _]) => 0.238,
        ("PUT", ["users", _, "linkedObjects", ..]) => 0.236,
        ("POST", ["apps", _, "users"]) => 1.5,
        ("PUT", ["apps", _, "groups", _]) => 1.162,
        ("GET", _) => 0.3,
        _ => 0.28,
    }
}
