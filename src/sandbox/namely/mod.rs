//! The Namely simulator: what HR keeps, and what its API answers.

pub mod wire;

use super::company::Person;
use super::faults::{Faults, Kind};
use super::history::{Exchange, History};
use super::http::{Admission, Core, Request, Response};
use crate::clock::Moment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// How the tenant behaves.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// The token that is accepted.
    pub token: String,
    /// `GET /profiles` per sliding minute; the next one gets 406. `None`: no throttle.
    pub per_minute: Option<usize>,
    /// Factor on every latency; 0 answers at once.
    pub latency: f64,
    /// Whether an edit moves `updated_at`; in real tenants some do not (`namely-api.md §5.3`).
    pub edits_move_updated_at: bool,
    /// Keys that the token does not see.
    pub hidden_keys: Vec<String>,
    /// What this company calls its departments.
    pub departments: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            token: "sandbox-namely-token".into(),
            per_minute: Some(100),
            latency: 1.0,
            edits_move_updated_at: true,
            hidden_keys: Vec::new(),
            departments: super::company::DEPARTMENTS,
        }
    }
}

/// A person with Namely's own bookkeeping.
#[derive(Clone, Debug)]
struct Record {
    person: Person,
    created_at: i64,
    updated_at: i64,
}

/// The tenant.
pub struct Namely {
    pub options: Options,
    pub faults: Faults,
    people: Vec<Record>,
    history: History,
    recent: VecDeque<Moment>,
    random: ChaCha8Rng,
    requests: u64,
    edits: usize,
}

impl Namely {
    /// A tenant with these people.
    pub fn new(options: Options, people: Vec<Person>, now: Moment) -> Self {
        let created = now.secs() - 86_400 * 365;
        let people = people
            .into_iter()
            .enumerate()
            // Many share a second, as after a bulk import.
            .map(|(n, person)| {
                let at = created + i64::try_from(n / 15).unwrap_or(0);
                Record { person, created_at: at, updated_at: at }
            })
            .collect();
        Self {
            faults: Faults::new(options.seed),
            people,
            history: History::default(),
            recent: VecDeque::new(),
            random: ChaCha8Rng::seed_from_u64(options.seed),
            requests: 0,
            edits: 0,
            options,
        }
    }

    /// HR edits somebody.
    pub fn edit(&mut self, index: usize, now: Moment, edit: impl FnOnce(&mut Person)) {
        self.edits += 1;
        let moves = self.options.edits_move_updated_at;
        let record = &mut self.people[index];
        edit(&mut record.person);
        if moves {
            record.updated_at = now.secs();
        }
    }

    /// HR adds somebody; returns the index.
    pub fn hire(&mut self, person: Person, now: Moment) -> usize {
        self.edits += 1;
        self.people.push(Record { person, created_at: now.secs(), updated_at: now.secs() });
        self.people.len() - 1
    }

    /// How many edits HR has made.
    pub fn edits(&self) -> usize {
        self.edits
    }

    /// Somebody as HR has them.
    pub fn person(&self, index: usize) -> &Person {
        &self.people[index].person
    }

    /// Everybody in the order of creation.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().map(|r| &r.person)
    }

    /// Everything that was asked so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    fn is_throttled(&mut self, path: &str, now: Moment) -> bool {
        let Some(limit) = self.options.per_minute.filter(|_| path.contains("/profiles")) else { return false };
        while self.recent.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(60)) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() > limit
    }

    fn latency(&mut self, request: &Request) -> Duration {
        // Recorded: 6.4 to 7.8 s for a page of 30, 0.08 to 0.17 s for a single profile.
        let typical = match request.segments().last().map(|s| s.trim_end_matches(".json")) {
            Some("profiles") => 6.0,
            Some("groups" | "group_types" | "job_titles" | "fields") => 0.3,
            _ => 0.12,
        };
        Duration::from_secs_f64(typical * self.random.random_range(0.9..1.2) * self.options.latency)
    }

    fn route(&self, request: &Request) -> Response {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(|s| s.trim_end_matches(".json")).collect();
        let ["api", "v1", rest @ ..] = parts.as_slice() else { return wire::not_a_route() };
        match rest {
            ["companies", "info"] => wire::company_info(&request.base),
            ["profiles"] => self.profiles(request),
            ["profiles", "me"] => self.me(),
            ["profiles", "fields"] => wire::fields(),
            ["profiles", id] => match self.people.iter().position(|r| r.person.id == *id) {
                Some(index) => {
                    wire::envelope("profiles", vec![self.profile(index)], json!({ "count": 1, "status": 200 }))
                }
                None => Response::json(404, &json!({ "message": "Profile not found", "errors": [] })),
            },
            ["groups"] => wire::groups(self.options.departments),
            ["group_types"] => wire::group_types(),
            ["job_titles"] => wire::job_titles(),
            ["job_tiers"] => wire::job_tiers(),
            _ => wire::not_a_route(),
        }
    }

    fn profile(&self, index: usize) -> Value {
        let record = &self.people[index];
        let manager = record.person.manager.map(|m| &self.people[m].person);
        let mut profile = wire::profile(
            &record.person,
            manager,
            self.options.departments,
            record.created_at,
            record.updated_at,
        );
        if let Some(fields) = profile.as_object_mut() {
            self.options.hidden_keys.iter().for_each(|key| {
                fields.remove(key);
            });
        }
        profile
    }

    fn me(&self) -> Response {
        let owner = json!({ "id": "00000000-0000-4000-8000-000000000000", "email": "integrations@example.com",
                            "first_name": "Integrations", "last_name": "User", "user_status": "active", "links": {} });
        wire::envelope("profiles", vec![owner], json!({ "count": 1, "status": 200 }))
    }

    fn profiles(&self, request: &Request) -> Response {
        let number = |name: &str, default: usize| request.param(name).and_then(|v| v.parse().ok()).unwrap_or(default);
        let per_page = number("per_page", 30).clamp(1, 50);
        let page = number("page", 1).max(1);
        let filters: Vec<(String, String)> =
            ["first_name", "last_name", "email", "user_status", "job_title", "reports_to"]
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), request.param(&format!("filter[{name}]"))?)))
                .collect();
        let mut indexes: Vec<usize> = (0..self.people.len())
            .filter(|i| filters.iter().all(|(name, value)| self.matches(*i, name, value)))
            .collect();
        let sort = request.param("sort").unwrap_or_else(|| "created_at".into());
        let (key, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |key| (key, true));
        indexes.sort_by(|a, b| {
            let (a, b) = (&self.people[*a], &self.people[*b]);
            let order = match key {
                "first_name" => a.person.first_name.cmp(&b.person.first_name),
                "last_name" => a.person.last_name.cmp(&b.person.last_name),
                "updated_at" => a.updated_at.cmp(&b.updated_at),
                _ => a.created_at.cmp(&b.created_at),
            };
            if descending { order.reverse() } else { order }
        });
        let shown: Vec<Value> =
            indexes.iter().skip((page - 1) * per_page).take(per_page).map(|i| self.profile(*i)).collect();
        let meta = json!({ "count": shown.len(), "total_count": self.people.len(), "status": 200 });
        wire::envelope("profiles", shown, meta)
    }

    fn matches(&self, index: usize, filter: &str, value: &str) -> bool {
        let person = &self.people[index].person;
        match filter {
            "first_name" => person.first_name == value,
            "last_name" => person.last_name == value,
            "email" => person.email == value,
            "user_status" => wire::status(person.status) == value,
            "job_title" => person.title() == value,
            "reports_to" => person.manager.is_some_and(|m| self.people[m].person.id == value),
            _ => true,
        }
    }

    fn refuse(&mut self, ticket: usize, response: Response, now: Moment) -> Admission {
        let exchange = self.history.get_mut(ticket);
        exchange.status = response.status;
        exchange.answered = Some(now);
        Admission::Answer(self.stamp(response), Duration::ZERO)
    }

    fn stamp(&mut self, response: Response) -> Response {
        self.requests += 1;
        response
            .with("x-request-id", uuid::Builder::from_u128(u128::from(self.requests)).into_uuid().to_string())
            .with("cache-control", "max-age=0, private, must-revalidate")
    }
}

impl Core for Namely {
    fn admit(&mut self, request: &Request, now: Moment) -> Admission {
        let ticket = self.history.arrive(Exchange::arriving(request, now));
        let open = request.path.ends_with("/companies/info");
        if !open && request.header("authorization") != Some(&format!("Bearer {}", self.options.token)) {
            return self.refuse(ticket, Response::json(401, &json!({ "error": "" })), now);
        }
        if self.is_throttled(&request.path, now) {
            return self.refuse(ticket, Response::empty(406), now);
        }
        let mut takes = self.latency(request);
        let strike = self.faults.strike(&request.method, &request.target());
        self.history.get_mut(ticket).faulty = strike.is_some();
        match strike {
            Some(Kind::Answer { status, body }) => {
                let response = Response { status, headers: Vec::new(), body: body.into_bytes() };
                return self.refuse(ticket, response, now);
            }
            Some(Kind::Reset | Kind::LoseReply) => return Admission::HangUp,
            Some(Kind::CutPage(keep)) => {
                let response = wire::cut(self.route(request), keep);
                return self.refuse(ticket, response, now);
            }
            Some(Kind::BrokenJson) => {
                let mut response = self.route(request);
                response.body.truncate(response.body.len() / 2);
                return self.refuse(ticket, response, now);
            }
            Some(Kind::Slow(more)) => takes += more,
            None => {}
        }
        Admission::Serve { ticket, takes }
    }

    fn apply(&mut self, ticket: usize, request: &Request, _: Moment) -> Response {
        let response = match request.method.as_str() {
            "GET" | "HEAD" => self.route(request),
            _ => wire::not_a_route(),
        };
        self.history.get_mut(ticket).status = response.status;
        self.stamp(response)
    }

    fn finish(&mut self, ticket: usize, now: Moment) {
        self.history.get_mut(ticket).answered = Some(now);
    }
}
