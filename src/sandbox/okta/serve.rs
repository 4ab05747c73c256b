//! How a request becomes an answer: limits, faults, and the route that it takes.

use super::super::distort;
use super::super::faults::{Faults, Kind};
use super::super::history::Exchange;
use super::super::http::{Admission, Core, Request, Response, http_date};
use super::errors::{Problem, problem};
use super::limits::{self, Verdict};
use super::objects::user_in_body;
use super::state::Okta;
use crate::clock::Moment;
use rand::RngExt;
use serde_json::Value;
use std::time::Duration;

impl Okta {
    fn latency(&mut self, request: &Request) -> Duration {
        let typical = typical_latency(request);
        // Lognormal with sigma 0.2 (sum of twelve uniforms minus six is close to a standard normal).
        let normal: f64 = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(typical * (0.2 * normal).exp() * self.options.latency)
    }

    fn route(&mut self, request: &Request, now: Moment) -> Result<Response, Problem> {
        self.settle(now);
        self.seen = now;
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let ["oauth2", "v1", "clients", client, "roles"] = parts.as_slice() {
            return if request.method == "GET" { self.client_roles(client) } else { Err(problem::wrong_method()) };
        }
        let ["api", "v1", rest @ ..] = parts.as_slice() else { return Err(problem::no_such_path()) };
        match (request.method.as_str(), rest) {
            (_, ["users", ..]) => self.users_route(request, &rest[1..], now),
            (_, ["groups", "rules", ..]) => self.rules_route(request, &rest[2..], now),
            (_, ["groups", ..]) => self.groups_route(request, &rest[1..], now),
            (_, ["apps", ..]) => self.apps_route(request, &rest[1..], now),
            (_, ["meta", ..]) => self.meta_route(request, &rest[1..], now),
            (_, ["principal-rate-limits", ..]) => self.principal_limits(request, &rest[1..]),
            ("GET", ["logs"]) => self.logs(request, now),
            (_, ["iam", ..]) => self.iam_route(request, &rest[1..], now),
            (_, ["logs"]) => Err(problem::wrong_method()),
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
        if let Some(response) = self.provider(request, now) {
            return self.refuse(ticket, response, now);
        }
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

    fn page(&mut self, request: &Request, now: Moment) -> Option<Response> {
        self.shown(request, now)
    }

    fn switch(&mut self, request: &Request) -> Option<Response> {
        self.switch_role(request)
    }

    fn asked(&self, from: usize) -> Value {
        self.history.shown(from)
    }

    fn apply(&mut self, ticket: usize, asked: &Request, now: Moment) -> Response {
        let fault = self.struck.remove(&ticket);
        let request = &fault.as_ref().map_or_else(|| asked.clone(), |fault| distort::before(fault, asked));
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
