//! The oracle: evaluates a run from the simulators' own histories and the scenario's own expectations, independently of the
//! service's code. Of the service it reads only the audit, by plain SQL.

mod copy;
pub mod harm;

pub use copy::copied;

use super::history::{Exchange, Rejection};
use super::okta::Okta;
use super::okta::users::{Status, User};
use super::scenario::{Expected, Scenario, State};
use crate::clock::Moment;
use harm::WhoIsWho;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Half, nearly all, and all of some times, in milliseconds of the run's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of all took so long at most, in milliseconds.
    pub p50: i64,
    /// 99 of 100 took so long at most, in milliseconds.
    pub p99: i64,
    /// The longest, in milliseconds.
    pub max: i64,
}

impl Spread {
    /// Of these times.
    pub fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() * part).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        Self { p50: at(50), p99: at(99), max: times.last().copied().unwrap_or(0) }
    }
}

/// One rate limit counter in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BucketUse {
    /// The counter, by its word.
    pub bucket: &'static str,
    /// Calls that it has counted.
    pub calls: usize,
    /// Calls that it lets through in a window.
    pub limit: u32,
    /// Windows with at least one call.
    pub windows_used: usize,
    /// The least time in which so many calls can be made under the limit.
    pub floor_seconds: u64,
    /// Planned calls in each window that had any, in order.
    pub calls_per_window: Vec<u32>,
}

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Calls to the org that plans have asked for.
    pub okta_calls: usize,
    /// All others: what came before the scenario, and what only reads.
    pub okta_calls_other: usize,
    /// The fewest calls with which the HR changes can be carried out.
    pub okta_calls_minimal: usize,
    /// Searches among `okta_calls_other`: lists of users by an expression.
    pub okta_searches: usize,
    /// Calls of ours that the org has refused for the limit.
    pub http_429: usize,
    /// Of others that share the counters.
    pub http_429_foreign: usize,
    /// Calls of ours that the tenant has throttled.
    pub namely_406: usize,
    /// People who are not as the scenario says at the end.
    pub lost: usize,
    /// People who left and have an account that is live, at the end.
    pub leavers_with_access: usize,
    /// Accounts that became somebody else's, or that are nobody's and were written.
    pub takeovers: usize,
    /// Changes that were done before what had to come first.
    pub order_violations: usize,
    /// Writes that the org has seen and no audit row tells of.
    pub unaudited_effects: usize,
    /// From the first change that was seen to the last answer of the org to a plan, by the clock of the simulation.
    pub wall_seconds: f64,
    /// The least time that the scarcest counter leaves for `okta_calls`.
    pub floor_seconds: u64,
    /// Windows of the scarcest counter with at least one call.
    pub windows_used: usize,
    /// From the page that showed a change to its proof.
    pub detect_to_done_ms: Spread,
    /// The same, of ends of access only.
    pub revoke_ms: Spread,
    /// Each counter that was used.
    pub buckets: Vec<BucketUse>,
    /// What was wrong, in words; at most twenty lines.
    pub findings: Vec<String>,
}

impl Figures {
    /// Whether nobody was harmed, and nothing was lost, out of order, unaudited or over a limit.
    pub fn is_clean(&self) -> bool {
        let harm = self.lost + self.leavers_with_access + self.takeovers;
        harm + self.order_violations + self.unaudited_effects + self.http_429 + self.namely_406 == 0
    }

    fn find(&mut self, what: String) {
        if self.findings.len() < 20 {
            self.findings.push(what);
        }
    }
}

/// What a run is evaluated by.
pub struct Evidence<'a> {
    /// What was to happen.
    pub scenario: &'a Scenario,
    /// When the scenario began.
    pub start: Moment,
    /// What the org holds and has seen.
    pub okta: &'a Okta,
    /// What the tenant was asked.
    pub namely: &'a [Exchange],
    /// The store of the service, read from outside.
    pub store: &'a Path,
    /// People, by index, who are expected to be quarantined.
    pub excused: &'a BTreeSet<usize>,
}

/// Judges a run.
pub fn evaluate(evidence: &Evidence) -> rusqlite::Result<Figures> {
    let mut figures = Figures::default();
    let audit = Audit::read(evidence.store, None)?;
    let world = Expectations::of(evidence.scenario);
    let accounts = accounts(evidence.okta);
    count_harm(evidence.okta, &evidence.scenario.who_is_who(), &mut figures);
    count_lost(evidence, &world, &accounts, &audit, &mut figures);
    count_order_violations(evidence, &world, &accounts, &mut figures);
    count_unaudited(evidence.okta.history().exchanges(), &audit, &mut figures);
    count_rejections(evidence.okta.history().exchanges(), evidence.namely, &mut figures);
    count_calls(evidence, &world, &mut figures);
    measure(evidence, &audit, &mut figures);
    Ok(figures)
}

/// Judges one org of several by what needs no expectation of accounts: who was harmed, effects without audit, and the
/// reverse, and limits.
pub fn evaluate_org(okta: &Okta, who: &WhoIsWho, store: &Path, org: &str) -> rusqlite::Result<Figures> {
    let mut figures = Figures::default();
    count_harm(okta, who, &mut figures);
    count_unaudited(okta.history().exchanges(), &Audit::read(store, Some(org))?, &mut figures);
    count_rejections(okta.history().exchanges(), &[], &mut figures);
    figures.okta_calls = okta.history().exchanges().iter().filter(|e| e.applied).count();
    Ok(figures)
}

fn count_harm(okta: &Okta, who: &WhoIsWho, figures: &mut Figures) {
    let takeovers = harm::takeovers(okta, who);
    let leavers = harm::leavers_with_access(okta, who, false);
    (figures.takeovers, figures.leavers_with_access) = (takeovers.len(), leavers.len());
    takeovers.into_values().chain(leavers.into_values()).for_each(|what| figures.find(what));
}

/// What is expected of every person, version by version.
struct Expectations {
    versions: Vec<Vec<Option<Expected>>>,
    index: HashMap<String, usize>,
}

impl Expectations {
    fn of(scenario: &Scenario) -> Self {
        let people = scenario.versions();
        let first = |versions: &Vec<_>| versions.first().map(|p: &super::population::Person| p.id.clone());
        let index = people.iter().enumerate().filter_map(|(n, versions)| Some((first(versions)?, n))).collect();
        Self { versions: scenario.phases(), index }
    }
}

/// Okta's users by the anchor they carry.
fn accounts(okta: &Okta) -> HashMap<&str, Vec<&User>> {
    let mut accounts: HashMap<&str, Vec<&User>> = HashMap::new();
    for user in okta.users() {
        if let Some(anchor) = user.profile.get("namelyId").and_then(Value::as_str) {
            accounts.entry(anchor).or_default().push(user);
        }
    }
    accounts
}

/// Whether `okta` holds what is expected of the person with this anchor; says what differs.
pub fn difference(expected: Option<&Expected>, users: &[&User], okta: &Okta) -> Option<String> {
    let (user, expected) = match (users, expected) {
        ([], None) => return None,
        ([], Some(_)) => return Some("has no account".into()),
        ([_, ..], None) => return Some("has an account and should have none".into()),
        ([user], Some(expected)) => (user, expected),
        ([_, _, ..], Some(_)) => return Some(format!("has {} accounts", users.len())),
    };
    let agrees = match expected.state {
        State::Staged => user.status == Status::Staged,
        State::Suspended => user.status == Status::Suspended,
        State::Gone => user.status == Status::Deprovisioned,
        State::Working => !matches!(user.status, Status::Staged | Status::Suspended | Status::Deprovisioned),
    };
    if !agrees {
        return Some(format!("is {}, expected {:?}", user.status.as_str(), expected.state));
    }
    if expected.is_live() {
        let set: BTreeMap<String, Value> =
            user.profile.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
        let wrong = expected.profile.iter().find(|(name, value)| set.get(*name) != Some(value)).map(|(name, _)| name);
        if let Some(name) = wrong.or_else(|| set.keys().find(|name| !expected.profile.contains_key(*name))) {
            return Some(format!("has {name} = {:?}, expected {:?}", set.get(name), expected.profile.get(name)));
        }
    }
    if expected.is_live() {
        let manager = okta.manager_of(&user.id).and_then(|m| m.profile.get("namelyId")).and_then(Value::as_str);
        if manager != expected.manager.as_deref() {
            return Some(format!("is linked to {manager:?}, expected {:?}", expected.manager));
        }
    }
    // Whatever gives an app to somebody alone calls them by their address.
    let email = expected.profile.get("email").and_then(Value::as_str).filter(|_| expected.is_live());
    let named = okta.names_in_apps(&user.id).into_iter().find(|(_, name)| email.is_some_and(|email| email != *name));
    if let Some((app, name)) = named {
        return Some(format!("is called {name:?} in the app {app:?}, expected {email:?}"));
    }
    let groups = okta.groups_of(&user.id);
    (groups != expected.groups).then(|| format!("is in {groups:?}, expected {:?}", expected.groups))
}

fn count_lost(
    evidence: &Evidence,
    world: &Expectations,
    accounts: &HashMap<&str, Vec<&User>>,
    audit: &Audit,
    figures: &mut Figures,
) {
    for (anchor, n) in &world.index {
        let expected = world.versions[*n].last().and_then(Option::as_ref);
        let users = accounts.get(anchor.as_str()).map_or(&[][..], Vec::as_slice);
        if let Some(what) = difference(expected, users, evidence.okta).filter(|_| !evidence.excused.contains(n)) {
            figures.lost += 1;
            let said = audit.reasons.get(anchor).map(|why| format!("; the service says: {why}")).unwrap_or_default();
            figures.find(format!("lost: person {n} ({anchor}) {what}{said}"));
        }
    }
}

/// The effects on one person must be explainable by versions that never go back.
fn count_order_violations(
    evidence: &Evidence,
    world: &Expectations,
    accounts: &HashMap<&str, Vec<&User>>,
    figures: &mut Figures,
) {
    let person_of: HashMap<&str, usize> = accounts
        .iter()
        .filter_map(|(anchor, users)| Some((users.iter().map(|u| u.id.as_str()), *world.index.get(*anchor)?)))
        .flat_map(|(ids, n)| ids.map(move |id| (id, n)))
        .collect();
    let mut reached: HashMap<usize, usize> = HashMap::new();
    let names: HashMap<String, String> = evidence.okta.group_names();
    for exchange in evidence.okta.history().exchanges().iter().filter(|e| e.applied) {
        let Some(&n) = exchange.user.as_deref().and_then(|user| person_of.get(user)) else { continue };
        let at = reached.entry(n).or_insert(0);
        let versions = &world.versions[n];
        match (*at..versions.len()).find(|v| explains(versions[*v].as_ref(), exchange, &names)) {
            Some(version) => *at = version,
            None => {
                figures.order_violations += 1;
                figures.find(format!(
                    "order: {} {} of person {n} fits no version from {at} on",
                    exchange.method, exchange.path
                ));
            }
        }
    }
}

/// Whether a call is one that leads to this version.
fn explains(version: Option<&Expected>, exchange: &Exchange, names: &HashMap<String, String>) -> bool {
    let parts: Vec<&str> = exchange.path.split('/').filter(|p| !p.is_empty()).skip(2).collect();
    let fits = |expected: &Expected| {
        exchange.body["profile"].as_object().is_none_or(|sent| {
            sent.iter().all(|(name, value)| expected.profile.get(name).unwrap_or(&Value::Null) == value)
        })
    };
    match (exchange.method.as_str(), parts.as_slice(), version) {
        ("POST", ["users"], Some(expected)) => {
            let groups = exchange.body["groupIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let groups: BTreeSet<&str> = groups.filter_map(|id| names.get(id)).map(String::as_str).collect();
            let activated = exchange.query.contains("activate=true");
            let state = if activated { State::Working } else { State::Staged };
            expected.state == state && fits(expected) && groups.iter().all(|g| expected.groups.contains(*g))
        }
        ("POST", ["users", _], Some(expected)) => expected.is_live() && fits(expected),
        ("POST", ["users", _, "lifecycle", "activate" | "unsuspend"], Some(expected)) => {
            expected.state == State::Working
        }
        // Who has left is suspended as long as Okta does not take the deactivation.
        ("POST", ["users", _, "lifecycle", "suspend"], Some(expected)) => {
            expected.state == State::Suspended || !expected.is_live()
        }
        ("PUT", ["users", _, "linkedObjects", ..], Some(expected)) => expected.manager.is_some(),
        ("DELETE", ["users", _, "linkedObjects", ..], Some(expected)) => expected.manager.is_none(),
        ("PUT", ["groups", group, "users", _], Some(expected)) => {
            names.get(*group).is_some_and(|g| expected.groups.contains(g))
        }
        ("DELETE", ["groups", group, "users", _], Some(expected)) => {
            names.get(*group).is_none_or(|g| !expected.groups.contains(g))
        }
        ("POST", ["users", _, "lifecycle", "deactivate"], Some(expected))
        | ("DELETE", ["users", _, "sessions"], Some(expected)) => !expected.is_live(),
        ("POST", ["apps", _, "users", ..], Some(expected)) => {
            let named = exchange.body["credentials"]["userName"].as_str();
            named.is_none_or(|name| expected.profile.get("email").is_some_and(|email| email == name))
        }
        (_, _, Some(_)) => true,
        (_, _, None) => false,
    }
}

/// The service's audit, as far as the oracle needs it.
#[derive(Default)]
struct Audit {
    /// Calls that change something: how often each was audited as applied, and as unknown.
    effects: HashMap<(String, String, String), (usize, usize)>,
    /// When each revision of a target was observed.
    observed: HashMap<(i64, i64), (Moment, bool)>,
    /// When revisions were done.
    done: Vec<(i64, i64, Moment)>,
    /// The Okta user that a target's calls were about.
    users: HashMap<String, i64>,
    /// What the service says of people, by profile: why they are quarantined, or what is remarkable.
    reasons: HashMap<String, String>,
}

impl Audit {
    /// Reads what is about one org, or everything.
    fn read(store: &Path, org: Option<&str>) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut select = connection.prepare("SELECT at, kind, row FROM audit ORDER BY seq")?;
        let mut rows = select.query([])?;
        let mut audit = Self::default();
        let mut reasons = connection.prepare(
            "SELECT l.profile, w.state, w.reason FROM work w JOIN link l ON l.target = w.target WHERE w.reason IS NOT NULL",
        )?;
        let said = reasons.query_map([], |row| {
            let word = if row.get::<_, i64>(1)? == 1 { "quarantined" } else { "done" };
            Ok((row.get(0)?, format!("{word}, {}", row.get::<_, String>(2)?)))
        })?;
        audit.reasons = said.collect::<rusqlite::Result<_>>()?;
        while let Some(row) = rows.next()? {
            let (at, kind, text): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let row: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            if org.is_none_or(|org| row["org"] == org) {
                audit.note(Moment::from_millis(at), &kind, &row);
            }
        }
        Ok(audit)
    }

    fn note(&mut self, at: Moment, kind: &str, row: &Value) {
        let (target, rev) = (row["target"].as_i64().unwrap_or(0), row["rev"].as_i64().unwrap_or(0));
        let detail = &row["detail"];
        let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
        match kind {
            "observed" => {
                self.observed.insert((target, rev), (at, detail["priority"] == "revoke"));
            }
            "done" => self.done.push((target, rev, at)),
            "effect" if text("method") != "GET" => {
                let counts = self.effects.entry((text("method"), text("path"), text("body_hash"))).or_default();
                match detail["outcome"].as_str() {
                    Some("applied") => counts.0 += 1,
                    Some("unknown") => counts.1 += 1,
                    _ => {}
                }
                if let Some(user) = text("path").split('/').find(|part| part.starts_with("00u")) {
                    self.users.insert(user.to_owned(), target);
                }
            }
            _ => {}
        }
    }
}

fn count_unaudited(exchanges: &[Exchange], audit: &Audit, figures: &mut Figures) {
    let mut happened: HashMap<(String, String, String), usize> = HashMap::new();
    for exchange in exchanges.iter().filter(|e| e.applied && e.method != "GET") {
        *happened.entry((exchange.method.clone(), exchange.path.clone(), exchange.body_hash.clone())).or_default() += 1;
    }
    let calls: BTreeSet<_> = happened.keys().chain(audit.effects.keys()).collect();
    for call in calls {
        let happened = happened.get(call).copied().unwrap_or(0);
        let (applied, unknown) = audit.effects.get(call).copied().unwrap_or((0, 0));
        let missing = happened.saturating_sub(applied + unknown) + applied.saturating_sub(happened);
        if missing > 0 {
            figures.unaudited_effects += missing;
            figures.find(format!(
                "audit: {} {} happened {happened} times, audited {applied} times and {unknown} unknown",
                call.0, call.1
            ));
        }
    }
}

fn count_rejections(okta: &[Exchange], namely: &[Exchange], figures: &mut Figures) {
    for exchange in okta {
        match exchange.rejected {
            Some(why @ (Rejection::Principal | Rejection::Concurrency)) => {
                figures.http_429 += 1;
                let (at, what) = (exchange.arrived, format!("{} {}", exchange.method, exchange.path));
                figures.find(format!("429 of our own ({why:?}): {what} at {at}"));
            }
            Some(Rejection::Foreign) => figures.http_429_foreign += 1,
            None if exchange.status == 429 => figures.http_429_foreign += 1,
            None => {}
        }
    }
    figures.namely_406 = namely.iter().filter(|e| e.status == 406 && !e.faulty).count();
}

/// Whether a call is one that a plan asks for, by its shape; reads count where a termination needs them.
fn is_planned(exchange: &Exchange, deactivated: &mut HashMap<String, (bool, bool)>) -> bool {
    let parts: Vec<&str> = exchange.path.split('/').filter(|p| !p.is_empty()).skip(2).collect();
    let ok = (200..300).contains(&exchange.status);
    match (exchange.method.as_str(), parts.as_slice()) {
        ("POST", ["users"] | ["users", _]) => ok,
        ("PUT" | "DELETE", ["groups", _, "users", _]) => ok,
        ("DELETE", ["users", _, "sessions"]) => exchange.status < 429,
        ("PUT" | "DELETE", ["users", _, "linkedObjects", ..]) => ok,
        ("POST", ["users", id, "lifecycle", "deactivate"]) if ok => {
            deactivated.insert((*id).to_owned(), (false, false));
            true
        }
        ("POST", ["users", _, "lifecycle", _]) => ok,
        ("GET", ["users", id]) if ok => {
            deactivated.get_mut(*id).is_some_and(|seen| !std::mem::replace(&mut seen.0, true))
        }
        ("GET", ["users", id, "groups"]) if ok => {
            deactivated.get_mut(*id).is_some_and(|seen| !std::mem::replace(&mut seen.1, true))
        }
        _ => false,
    }
}

fn is_search(exchange: &Exchange) -> bool {
    let named = |name: &str| exchange.query.split('&').any(|pair| pair.starts_with(name));
    exchange.method == "GET" && exchange.path == "/api/v1/users" && ["search=", "filter=", "q="].into_iter().any(named)
}

fn count_calls(evidence: &Evidence, world: &Expectations, figures: &mut Figures) {
    let mut deactivated = HashMap::new();
    let mut buckets: BTreeMap<&'static str, (usize, BTreeMap<u64, u32>)> = BTreeMap::new();
    let mut last = evidence.start;
    for exchange in evidence.okta.history().exchanges() {
        if exchange.arrived < evidence.start || !is_planned(exchange, &mut deactivated) {
            figures.okta_calls_other += 1;
            figures.okta_searches += usize::from(is_search(exchange));
            continue;
        }
        figures.okta_calls += 1;
        last = last.max(exchange.answered.unwrap_or(exchange.arrived));
        if let Some((bucket, window)) = exchange.window {
            let used = buckets.entry(bucket).or_default();
            used.0 += 1;
            *used.1.entry(window).or_default() += 1;
        }
    }
    figures.wall_seconds = last.since(evidence.start).as_secs_f64();
    figures.buckets = buckets
        .into_iter()
        .map(|(bucket, (calls, windows))| {
            let limit = evidence.okta.principal_limit(bucket);
            let floor_seconds = (calls as u64).div_ceil(u64::from(limit.max(1))) * 60;
            let calls_per_window: Vec<u32> = windows.into_values().collect();
            BucketUse { bucket, calls, limit, windows_used: calls_per_window.len(), floor_seconds, calls_per_window }
        })
        .collect();
    if let Some(bottleneck) = figures.buckets.iter().max_by_key(|b| b.floor_seconds) {
        figures.floor_seconds = bottleneck.floor_seconds;
        figures.windows_used = bottleneck.windows_used;
    }
    figures.okta_calls_minimal = world.versions.iter().map(|versions| minimal_calls(versions)).sum();
}

/// The fewest calls that lead a person through all phases.
fn minimal_calls(phases: &[Option<Expected>]) -> usize {
    phases.windows(2).map(|pair| calls_between(pair[0].as_ref(), pair[1].as_ref())).sum()
}

fn calls_between(before: Option<&Expected>, after: Option<&Expected>) -> usize {
    use State::{Gone, Staged, Suspended, Working};
    let Some(after) = after else { return 0 };
    let Some(before) = before else {
        return 1 + after.groups.len().saturating_sub(20) + usize::from(after.manager.is_some());
    };
    let difference = usize::from(before.profile != after.profile)
        + before.groups.symmetric_difference(&after.groups).count()
        + usize::from(before.manager != after.manager);
    match (before.state, after.state) {
        (Gone, Gone) => 0,
        (_, Gone) => 5 + before.groups.len(),
        (Staged | Suspended | Gone, Working) | (Working, Suspended) => 1 + difference,
        _ => difference,
    }
}

fn measure(evidence: &Evidence, audit: &Audit, figures: &mut Figures) {
    let since = |at: &Moment| *at >= evidence.start;
    let first = audit.observed.values().map(|(at, _)| *at).filter(|at| since(at)).min();
    if let Some(first) = first {
        figures.wall_seconds = (figures.wall_seconds - first.since(evidence.start).as_secs_f64()).max(0.0);
    }
    let mut revisions: Vec<_> = audit.done.clone();
    revisions.sort_unstable();
    let mut done_before: HashMap<i64, i64> = HashMap::new();
    let mut took = Vec::new();
    for (target, rev, at) in revisions {
        let from = done_before.insert(target, rev).unwrap_or(0) + 1;
        let seen = (from..=rev).find_map(|r| audit.observed.get(&(target, r))).map(|(at, _)| *at);
        if let Some(seen) = seen.filter(since) {
            took.push(at.millis() - seen.millis());
        }
    }
    figures.detect_to_done_ms = Spread::of(took);
    let mut revoked_at: HashMap<i64, BTreeSet<Moment>> = HashMap::new();
    for ((target, _), (at, revokes)) in &audit.observed {
        if *revokes {
            revoked_at.entry(*target).or_default().insert(*at);
        }
    }
    let deactivations =
        evidence.okta.history().exchanges().iter().filter(|e| e.applied && e.path.ends_with("/lifecycle/deactivate"));
    let revokes = deactivations.filter_map(|exchange| {
        let target = audit.users.get(exchange.user.as_ref()?)?;
        let answered = exchange.answered?;
        // Whoever was suspended before, or left before, was also seen before.
        let seen = revoked_at.get(target)?.range(..=answered).next_back()?;
        Some(answered.millis() - seen.millis())
    });
    figures.revoke_ms = Spread::of(revokes.collect());
}

#[cfg(test)]
mod tests;
