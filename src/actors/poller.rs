//! The poller: asks one Namely tenant for pages, finds who changed, and commits that.
//!
//! **Invariant:** a page counts as read only after its changes are on disk.

use super::core::skew::Skew;
use super::org::registry::OrgRegistry;
use super::wiring::gauges::seconds;
use super::wiring::readiness::Readiness;
use super::wiring::supervisor::{Post, Supervisor};
use crate::audit::details::Walk;
use crate::audit::{Event, Record};
use crate::clock::{Clock, Moment};
use crate::config::NamelyTenant;
use crate::domain::Employee;
use crate::domain::record::employee::ContentHash;
use crate::domain::record::facts::ProfileProblem;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::namely::client::{PER_PAGE, Reply};
use crate::namely::detector::Findings;
use crate::namely::walk::{Failure, Fetch, Pace, Seen, WalkEnd};
use crate::namely::wire::ProfilesPage;
use crate::namely::{Catalogue, Detector, NamelyClient, Reader, Walker};
use crate::store::{PageCommit, PageOutcome, Store, StoreError};
use actix::{Actor, Addr, AsyncContext, Context, Handler, SpawnHandle};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tracing::field::Empty;
use tracing::{Instrument, Span};

const CATALOGUE_REFRESH: Duration = Duration::from_secs(10 * 60);
const CATALOGUE_NOT_MORE_OFTEN_THAN: Duration = Duration::from_secs(30);

/// How often a poller looks without being told to, in real time.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Why a page counts as not read that this program has failed at.
const MISTAKE: &str = "this program has failed at a page by a mistake; please report it";

/// The pace of one tenant, as it is changed.
pub type LivePace = Arc<ArcSwap<Pace>>;

/// What a poller works with.
pub struct PollerTools {
    pub tenant: NamelyTenant,
    /// How fast it asks; it can be changed.
    pub pace: LivePace,
    pub client: NamelyClient,
    pub reader: Reader,
    pub clock: Clock,
    pub store: Store,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub supervisor: Supervisor,
    pub skew: Skew,
    pub registry: OrgRegistry,
    /// Told when a walk was complete.
    pub walked: Arc<Notify>,
    pub run: i64,
}

/// The actor of one tenant.
pub struct Poller {
    tools: PollerTools,
    walker: Walker,
    detector: Detector,
    catalogue: Catalogue,
    catalogue_read: Moment,
    catalogue_asked: bool,
    wake: Option<SpawnHandle>,
    /// Keeps the actor alive while answers are under way (see `employee.rs`).
    itself: Option<Addr<Poller>>,
    _post: Post,
}

/// A page came back, or did not.
struct Fetched {
    fetch: Fetch,
    /// Carries Namely's request id.
    span: Span,
    sent: Moment,
    received: Moment,
    page: Result<ProfilesPage, Failure>,
}

/// A page is on disk.
struct Committed {
    fetch: Fetch,
    seen: Seen,
    outcome: Result<PageOutcome, StoreError>,
    /// Why the page does not count as read, although what it says about access was followed.
    unusable: Option<String>,
}

/// What is to be committed of a page.
#[derive(Default)]
struct Found {
    walked: Option<usize>,
    changed: Vec<(Employee, ContentHash)>,
    problems: Vec<ProfileProblem>,
    mended: Vec<String>,
    endings: Vec<ProfileProblem>,
}

/// Somebody asks for one profile to be read now.
pub struct PollOne {
    pub profile: String,
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// The pollers that run, by tenant.
#[derive(Clone, Default)]
pub struct Pollers(Arc<Mutex<BTreeMap<String, Gate<Poller>>>>);

impl Pollers {
    pub(crate) fn add(&self, tenant: &str, poller: Gate<Poller>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), poller);
    }

    /// Has one profile of a tenant read now; the error says why not.
    pub async fn poll(&self, tenant: &str, profile: &str) -> Result<(), PollRefused> {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if profile.is_empty() || profile.len() > 64 || !profile.chars().all(known) {
            return Err(PollRefused::NotNow(format!("{profile:?} is not the UUID of a profile")));
        }
        let (poller, known) = {
            let pollers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut known: Vec<String> = pollers.keys().cloned().collect();
            known.sort();
            (pollers.get(tenant).cloned(), known)
        };
        let Some(poller) = poller else {
            let message = format!("no tenant {tenant:?} is being read; there are {}", known.join(", "));
            return Err(PollRefused::Unknown(message));
        };
        let (answer, answered) = oneshot::channel();
        poller.send(PollOne { profile: profile.to_owned(), answer }).await;
        let answered = answered.await.unwrap_or_else(|_| Err("the service is about to end".into()));
        answered.map_err(PollRefused::NotNow)
    }
}

/// Why a profile is not read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PollRefused {
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    NotNow(String),
}

/// The groups and titles were read again.
struct CatalogueRead(Result<Catalogue, String>);

impl Poller {
    /// Starts it with what the store holds.
    pub fn start_with(tools: PollerTools, detector: Detector, catalogue: Catalogue) -> Gate<Poller> {
        let now = tools.clock.monotonic();
        let walker = Walker::new(**tools.pace.load(), now);
        let wait = tools.metrics.mailbox_wait_seconds.with_label_values(&["poller"]);
        let _post = tools.supervisor.post("poller", &tools.tenant.name);
        let address = Poller {
            _post,
            walker,
            detector,
            catalogue,
            catalogue_read: now,
            catalogue_asked: false,
            tools,
            wake: None,
            itself: None,
        }
        .start();
        Gate::new(address, 16, wait)
    }

    fn name(&self) -> &str {
        &self.tools.tenant.name
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        let (supervisor, tenant) = (self.tools.supervisor.clone(), self.name().to_owned());
        supervisor.attempt("poller", &tenant, || self.ask_for_what_is_due(ctx));
    }

    fn ask_for_what_is_due(&mut self, ctx: &mut Context<Self>) {
        let now = self.tools.clock.monotonic();
        self.walker.set_pace(**self.tools.pace.load(), now);
        for fetch in self.walker.due(now) {
            self.fetch(fetch, ctx);
        }
        if now.since(self.catalogue_read) > CATALOGUE_REFRESH {
            self.read_catalogue(ctx);
        }
        if let Some(handle) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        if let Some(at) = self.walker.next_wake(now) {
            let real = self.tools.clock.real(at.since(now)).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(real, |poller, ctx| poller.pump(ctx)));
        }
    }

    fn back(&self, ctx: &Context<Self>) -> Gate<Self> {
        Gate::new(ctx.address(), 1, self.tools.metrics.mailbox_wait_seconds.with_label_values(&["poller"]))
    }

    fn fetch(&self, fetch: Fetch, ctx: &Context<Self>) {
        self.get(fetch, target(fetch), ctx);
    }

    /// Asks for one profile at once, if this minute has a call left; says why not.
    fn poll_one(&mut self, profile: &str, ctx: &Context<Self>) -> Result<(), String> {
        if !self.walker.one(self.tools.clock.monotonic()) {
            return Err("Namely's calls of this minute are spent, or it throttles: the walk sees them soon".into());
        }
        self.get(Fetch::One, format!("/profiles/{profile}"), ctx);
        Ok(())
    }

    fn get(&self, fetch: Fetch, target: String, ctx: &Context<Self>) {
        let (client, clock, back) = (self.tools.client.clone(), self.tools.clock.clone(), self.back(ctx));
        let span = tracing::info_span!(
            "page",
            tenant = self.name(),
            pass = pass(fetch),
            status = Empty,
            request_id = Empty,
            changed = Empty,
        );
        let (skew, tenant) = (self.tools.skew.clone(), self.name().to_owned());
        let ahead_seconds = self.tools.metrics.clock_skew_seconds.with_label_values(&[&tenant]);
        let supervisor = self.tools.supervisor.clone();
        tokio::spawn(async move {
            let sent = clock.monotonic();
            let getting = async {
                let reply = client.get(&target).instrument(span.clone()).await;
                let received = clock.monotonic();
                if let Reply::Answered { date, .. } = &reply {
                    let ahead = date.map(|date| clock.now().secs() - date);
                    skew.saw(&tenant, ahead, received);
                    ahead_seconds.set(ahead.unwrap_or(0) as f64);
                }
                let page = read_page(reply);
                failpoint::reach(Point::PageFetched);
                (received, page)
            };
            let got = supervisor.attempt_async("poller", &tenant, getting).await;
            let (received, page) = got.unwrap_or_else(|| (clock.monotonic(), Err(Failure::Failed(MISTAKE.into()))));
            back.send(Fetched { fetch, span, sent, received, page }).await;
        });
    }

    fn read_catalogue(&mut self, ctx: &Context<Self>) {
        let now = self.tools.clock.monotonic();
        if self.catalogue_asked || now.since(self.catalogue_read) < CATALOGUE_NOT_MORE_OFTEN_THAN {
            return;
        }
        self.catalogue_asked = true;
        let (client, names, back) = (self.tools.client.clone(), self.tools.tenant.group_types.clone(), self.back(ctx));
        let (store, tenant, clock) = (self.tools.store.clone(), self.name().to_owned(), self.tools.clock.clone());
        let supervisor = self.tools.supervisor.clone();
        tokio::spawn(async move {
            let reading = supervisor.attempt_async("poller", &tenant, read_catalogue(&client, &names));
            let mut read = reading.await.unwrap_or_else(|| Err(MISTAKE.to_owned()));
            // Before a page is read with new names: a renamed group must be known when the first of its people is evaluated.
            if let Ok(catalogue) = &read
                && let Err(e) = store.learn_titles(tenant, catalogue.titles(), clock.now()).await
            {
                read = Err(e.to_string());
            }
            back.send(CatalogueRead(read)).await;
        });
    }

    /// Looks through a page; what it finds goes to the store.
    fn examine(&mut self, fetched: Fetched, page: &ProfilesPage, ctx: &mut Context<Self>) {
        let invisible = self.tools.reader.invisible_keys(&page.profiles);
        if !invisible.is_empty() {
            let why = format!(
                "the token does not see {} on any profile of a page; give its owner the permission in Namely, or take the field out of the mapping",
                invisible.join(", ")
            );
            let endings = self.detector.endings(&page.profiles);
            return self.commit(&fetched, Seen::default(), Found { endings, ..Found::default() }, Some(why), ctx);
        }
        let hot = matches!(fetched.fetch, Fetch::Hot { .. });
        let findings = self.detector.examine(&page.profiles, hot, &self.tools.reader, &self.catalogue);
        if findings.catalogue_is_stale {
            self.read_catalogue(ctx);
        }
        for problem in &findings.problems {
            let profile = problem.profile.as_deref().unwrap_or("(no id)");
            tracing::warn!(tenant = self.name(), profile, why = %problem.why, "a profile cannot be read");
        }
        let lag = self.tools.metrics.source_lag_seconds.with_label_values(&[self.name()]);
        for updated in &findings.moved {
            lag.observe(self.tools.clock.now().since(Moment::from_secs(*updated)).as_secs_f64());
        }
        fetched.span.record("changed", findings.changed.len());
        let seen = Seen { ids: findings.ids, total_count: page.total_count, changed: findings.changed.len() };
        let walked = fetched.fetch.is_of_walk().then_some(page.profiles.len());
        let Findings { changed, problems, mended, .. } = findings;
        self.commit(&fetched, seen, Found { walked, changed, problems, mended, endings: Vec::new() }, None, ctx);
    }

    /// Has the store commit what a page says; `unusable` says why it does not count as read all the same.
    fn commit(&self, fetched: &Fetched, seen: Seen, found: Found, unusable: Option<String>, ctx: &Context<Self>) {
        let Found { walked, changed, problems, mended, endings } = found;
        let commit = PageCommit {
            tenant: self.name().to_owned(),
            sent: fetched.sent,
            received: fetched.received,
            run: self.tools.run,
            now: self.tools.clock.now(),
            walked,
            changed,
            problems,
            mended,
            endings,
        };
        let back = self.back(ctx);
        let (supervisor, tenant) = (self.tools.supervisor.clone(), self.name().to_owned());
        let (fetch, store) = (fetched.fetch, self.tools.store.clone());
        let news = [commit.changed.len(), commit.problems.len(), commit.mended.len(), commit.endings.len()];
        tokio::spawn(async move {
            let nothing_new = news.iter().sum::<usize>() == 0;
            let committing = async {
                let outcome = if nothing_new { Ok(PageOutcome::default()) } else { store.commit_page(commit).await };
                failpoint::reach(Point::PageCommitted);
                outcome
            };
            let outcome = supervisor.attempt_async("poller", &tenant, committing).await;
            let outcome = outcome.unwrap_or_else(|| Err(StoreError::NotNow(MISTAKE.into())));
            back.send(Committed { fetch, seen, outcome, unusable }).await;
        });
    }

    fn failed(&mut self, fetch: Fetch, failure: Failure, ctx: &mut Context<Self>) {
        if let (Fetch::One, Failure::Failed(why)) = (fetch, &failure) {
            tracing::warn!(tenant = self.name(), %why, "a profile that somebody asked for could not be read");
            return self.count(fetch, "failed");
        }
        match &failure {
            Failure::Throttled => {
                self.tools.metrics.namely_throttled.with_label_values(&[self.name()]).inc();
                tracing::warn!(tenant = self.name(), "Namely throttles; both passes pause for a minute");
            }
            Failure::Failed(why) => {
                tracing::warn!(tenant = self.name(), ?fetch, %why, "a page could not be read");
                self.tools.readiness.missing(&format!("namely {}", self.name()), why.clone());
            }
        }
        self.count(fetch, "failed");
        let end = self.walker.on_failure(fetch, &failure, self.tools.clock.monotonic());
        self.ended(end);
        self.pump(ctx);
    }

    fn count(&self, fetch: Fetch, result: &str) {
        let pass = pass(fetch);
        if result == "read" {
            let page = self.tools.metrics.last_page.with_label_values(&[self.name(), pass]);
            page.set(seconds(self.tools.clock.now()));
        }
        self.tools.metrics.pages.with_label_values(&[self.name(), pass, result]).inc();
    }

    fn ended(&self, end: Option<WalkEnd>) {
        let Some(end) = end else { return };
        failpoint::reach(Point::WalkEnded);
        let complete = end.complete.is_ok();
        self.tools.metrics.walks.with_label_values(&[self.name(), if complete { "true" } else { "false" }]).inc();
        let walk = format!("walk {}", self.name());
        let (store, now) = (self.tools.store.clone(), self.tools.clock.now());
        match &end.complete {
            Ok(()) => {
                self.tools.metrics.last_complete_walk.with_label_values(&[self.name()]).set(seconds(now));
                tracing::debug!(
                    tenant = self.name(),
                    profiles = end.profiles,
                    seconds = end.seconds,
                    "a walk is complete"
                );
            }
            Err(why) => {
                tracing::warn!(tenant = self.name(), %why, "a walk is incomplete and proves nothing");
                self.tools.readiness.missing(&walk, why.clone());
            }
        }
        let event = Event::Walk(Walk { profiles: end.profiles, complete, why: end.complete.err() });
        let record = Record { tenant: Some(self.name().to_owned()), ..Record::general(now, event) };
        let (walked, readiness, tenant) =
            (self.tools.walked.clone(), self.tools.readiness.clone(), self.name().to_owned());
        let registry = self.tools.registry.clone();
        tokio::spawn(async move {
            match store.walk_ended(tenant, complete, record).await {
                Ok(woken) if complete => {
                    readiness.have(&walk);
                    walked.notify_waiters();
                    if !woken.is_empty() {
                        registry.wake();
                    }
                }
                Ok(_) => {}
                Err(e) => tracing::error!(error = %e, "the end of a walk could not be written"),
            }
        });
    }
}

impl Actor for Poller {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.itself = Some(ctx.address());
        self.pump(ctx);
        // Whatever else should wake it: the next page does not depend on one timer alone.
        ctx.run_interval(HEARTBEAT, |poller, ctx| poller.pump(ctx));
    }
}

impl Handler<Carried<Fetched>> for Poller {
    type Result = ();

    fn handle(&mut self, fetched: Carried<Fetched>, ctx: &mut Self::Context) {
        let mut fetched = fetched.body;
        let (span, fetch) = (fetched.span.clone(), fetched.fetch);
        let _inside = span.enter();
        let (supervisor, tenant) = (self.tools.supervisor.clone(), self.name().to_owned());
        let looked_up = supervisor.attempt("poller", &tenant, || {
            match std::mem::replace(&mut fetched.page, Err(Failure::Throttled)) {
                Ok(page) => self.examine(fetched, &page, ctx),
                Err(failure) => self.failed(fetched.fetch, failure, ctx),
            }
        });
        if looked_up.is_none() {
            self.failed(fetch, Failure::Failed(MISTAKE.into()), ctx);
        }
    }
}

impl Handler<Carried<Committed>> for Poller {
    type Result = ();

    fn handle(&mut self, committed: Carried<Committed>, ctx: &mut Self::Context) {
        let Committed { fetch, seen, outcome, unusable } = committed.body;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(e) => return self.failed(fetch, Failure::Failed(e.to_string()), ctx),
        };
        for (id, hash) in &outcome.accepted {
            self.detector.commit(id, *hash);
        }
        for problem in outcome.message {
            self.detector.message(problem);
        }
        for priority in &outcome.dirtied {
            self.tools.metrics.profiles_changed.with_label_values(&[self.name(), priority.as_str()]).inc();
        }
        if !outcome.dirtied.is_empty() {
            self.tools.registry.wake();
        }
        if let Some(why) = unusable {
            return self.failed(fetch, Failure::Failed(why), ctx);
        }
        self.tools.readiness.have(&format!("namely {}", self.name()));
        self.tools
            .metrics
            .profiles
            .with_label_values(&[self.name()])
            .set(i64::try_from(self.detector.len()).unwrap_or(0));
        self.count(fetch, "read");
        let end = self.walker.on_page(fetch, &seen, self.tools.clock.monotonic());
        self.ended(end);
        self.pump(ctx);
    }
}

impl Handler<Carried<PollOne>> for Poller {
    type Result = ();

    fn handle(&mut self, one: Carried<PollOne>, ctx: &mut Self::Context) {
        let asked = self.poll_one(&one.body.profile, ctx);
        let _ = one.body.answer.send(asked);
    }
}

impl Handler<Carried<CatalogueRead>> for Poller {
    type Result = ();

    fn handle(&mut self, read: Carried<CatalogueRead>, _: &mut Self::Context) {
        self.catalogue_asked = false;
        self.catalogue_read = self.tools.clock.monotonic();
        match read.body.0 {
            Ok(catalogue) => self.catalogue = catalogue,
            Err(why) => {
                tracing::warn!(tenant = self.name(), %why, "the catalogue of groups could not be read; the one known is used")
            }
        }
    }
}

const fn pass(fetch: Fetch) -> &'static str {
    match fetch {
        Fetch::Hot { .. } => "hot",
        Fetch::Walk { .. } => "walk",
        Fetch::One => "one",
    }
}

/// Where a page is.
fn target(fetch: Fetch) -> String {
    match fetch {
        Fetch::Hot { page } => format!("/profiles?sort=-updated_at&page={page}&per_page={PER_PAGE}"),
        Fetch::Walk { page, .. } => format!("/profiles?page={page}&per_page={PER_PAGE}"),
        Fetch::One => unreachable!("no pass asks for one profile; `poll_one` says which"),
    }
}

/// What a reply to `GET /profiles` means. 406 is Namely's throttle (`namely-api.md §6.1`).
fn read_page(reply: Reply) -> Result<ProfilesPage, Failure> {
    match reply {
        Reply::Answered { status: 200, body, .. } => ProfilesPage::read(&body).map_err(Failure::Failed),
        Reply::Answered { status: 406 | 429, .. } => Err(Failure::Throttled),
        Reply::Answered { status: status @ (401 | 403), .. } => Err(Failure::Failed(format!(
            "HTTP {status}: Namely refuses the token; it dies with the profile of whoever made it, or after two years"
        ))),
        Reply::Answered { status, .. } => Err(Failure::Failed(format!("HTTP {status}"))),
        Reply::Failed(why) => Err(Failure::Failed(why)),
    }
}

/// Reads groups, group types and job titles.
pub async fn read_catalogue(
    client: &NamelyClient,
    names: &crate::namely::catalogue::GroupTypes,
) -> Result<Catalogue, String> {
    let mut parts = Vec::new();
    for target in ["/groups", "/group_types", "/job_titles"] {
        match client.get(target).await {
            Reply::Answered { status: 200, body, .. } => {
                parts.push(
                    serde_json::from_slice(&body).map_err(|e| format!("GET {target}: the answer is not JSON ({e})"))?,
                );
            }
            Reply::Answered { status, .. } => return Err(format!("GET {target}: HTTP {status}")),
            Reply::Failed(why) => return Err(format!("GET {target}: {why}")),
        }
    }
    let [groups, group_types, job_titles] = &parts[..] else { return Err("nothing was read".into()) };
    Ok(Catalogue::read(groups, group_types, job_titles, names))
}
