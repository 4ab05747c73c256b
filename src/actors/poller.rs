//! The poller: asks one Namely tenant for pages, finds who changed, and commits that.
//!
//! **Invariant:** a page counts as read only after its changes are on disk.

use super::core::skew::Skew;
use super::wiring::gauges::seconds;
use super::wiring::live::LivePace;
use super::wiring::shared::Shared;
use super::wiring::supervisor::{Part, Post};
use crate::audit::details::Walk;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::config::NamelyTenant;
use crate::domain::guard::alarm::Alarm;
use crate::domain::record::document::{Changed, ShownAgain};
use crate::domain::record::facts::ProfileProblem;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::namely::client::{PER_PAGE, Reply};
use crate::namely::detector::Findings;
use crate::namely::page::{NOT_THERE, read_page};
use crate::namely::walk::{Failure, Fetch, Seen, WalkEnd};
use crate::namely::wire::ProfilesPage;
use crate::namely::{Catalogue, Detector, NamelyClient, Reader, Walker};
use crate::store::{PageCommit, PageOutcome, StoreError};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
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

/// What a poller works with.
pub struct PollerTools {
    pub tenant: NamelyTenant,
    /// How fast it asks; it can be changed.
    pub pace: LivePace,
    pub client: NamelyClient,
    pub reader: Reader,
    pub shared: Shared,
    pub skew: Skew,
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
    /// Pages that name groups as nobody has before: they are looked through with the groups as they are read after them.
    waiting: Vec<(Asked, ProfilesPage)>,
    wake: Option<SpawnHandle>,
    part: Part,
    _post: Post,
}

/// A page that was asked for.
#[derive(Clone)]
struct Asked {
    fetch: Fetch,
    /// Carries Namely's request id.
    span: Span,
    sent: Moment,
    received: Moment,
}

/// What is to be committed of a page.
#[derive(Default)]
struct Found {
    walked: Option<usize>,
    changed: Vec<Changed>,
    problems: Vec<ProfileProblem>,
    mended: Vec<String>,
    back: Vec<ShownAgain>,
    endings: Vec<ProfileProblem>,
}

/// So long somebody who asks for one profile waits for what Namely says of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Somebody asks for one profile to be read now.
pub struct PollOne {
    pub profile: String,
    pub answer: oneshot::Sender<Result<(), PollRefused>>,
}

/// The pollers that run, by tenant.
#[derive(Clone, Default)]
pub struct Pollers(Arc<Mutex<BTreeMap<String, Gate<Poller>>>>);

impl Pollers {
    pub(crate) fn add(&self, tenant: &str, poller: Gate<Poller>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), poller);
    }

    /// Has one profile of a tenant read now, and waits some seconds for Namely's answer; the error says why it is not read.
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
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answered) => answered.unwrap_or_else(|_| Err(PollRefused::NotNow("the service is about to end".into()))),
            // It is asked for; whoever has asked does not wait for a slow answer.
            Err(_) => Ok(()),
        }
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

impl Poller {
    /// Starts it with what the store holds.
    pub fn start_with(tools: PollerTools, detector: Detector, catalogue: Catalogue) -> Gate<Poller> {
        let now = tools.shared.clock.monotonic();
        let walker = Walker::new(**tools.pace.load(), now);
        let wait = tools.shared.metrics.parts.mailbox_wait_seconds.with_label_values(&["poller"]);
        let part = tools.shared.supervisor.part("poller", &tools.tenant.name);
        let (_post, catalogue_asked, waiting, wake) = (part.post(), false, Vec::new(), None);
        let poller = Poller {
            tools,
            walker,
            detector,
            catalogue,
            catalogue_read: now,
            catalogue_asked,
            waiting,
            wake,
            part,
            _post,
        };
        Gate::new(poller.start(), 16, wait)
    }

    fn name(&self) -> &str {
        &self.tools.tenant.name
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        let part = self.part.clone();
        part.attempt(|| self.ask_for_what_is_due(ctx));
    }

    fn ask_for_what_is_due(&mut self, ctx: &mut Context<Self>) {
        let now = self.tools.shared.clock.monotonic();
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
            let real = self.tools.shared.clock.real(at.since(now)).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(real, |poller, ctx| poller.pump(ctx)));
        }
    }

    fn fetch(&self, fetch: Fetch, ctx: &mut Context<Self>) {
        self.get(fetch, target(fetch), |_| {}, ctx);
    }

    /// Asks for one profile at once, if this minute has a call left. Whoever asks is told what Namely says, or why it is not asked.
    fn poll_one(&mut self, one: PollOne, ctx: &mut Context<Self>) {
        if !self.walker.one(self.tools.shared.clock.monotonic()) {
            let why = "Namely's calls of this minute are spent, or it throttles: the walk sees them soon";
            return drop(one.answer.send(Err(PollRefused::NotNow(why.into()))));
        }
        let (tenant, PollOne { profile, answer }) = (self.name().to_owned(), one);
        let target = format!("/profiles/{profile}");
        let answered = move |page: &Result<ProfilesPage, Failure>| {
            let said = match page {
                Ok(_) => Ok(()),
                Err(Failure::Throttled) => Err(PollRefused::NotNow("Namely throttles: the walk sees them soon".into())),
                Err(Failure::Failed(why)) if why == NOT_THERE => {
                    Err(PollRefused::Unknown(format!("Namely has no profile {profile} of {tenant}: {why}")))
                }
                Err(Failure::Failed(why)) => Err(PollRefused::NotNow(format!("Namely does not show it: {why}"))),
            };
            drop(answer.send(said));
        };
        self.get(Fetch::One, target, answered, ctx);
    }

    /// Asks Namely. `came` sees what came, before anything is done with it.
    fn get(
        &self,
        fetch: Fetch,
        target: String,
        came: impl FnOnce(&Result<ProfilesPage, Failure>) + Send + 'static,
        ctx: &mut Context<Self>,
    ) {
        let span = tracing::info_span!(
            "page",
            tenant = self.name(),
            pass = pass(fetch),
            status = Empty,
            request_id = Empty,
            changed = Empty,
        );
        let (client, clock, tenant) =
            (self.tools.client.clone(), self.tools.shared.clock.clone(), self.name().to_owned());
        let skew = self.tools.skew.clone();
        let ahead_seconds = self.tools.shared.metrics.namely.clock_skew_seconds.with_label_values(&[&tenant]);
        let (sent, inside) = (clock.monotonic(), span.clone());
        let getting = async move {
            let reply = client.get(&target).instrument(inside).await;
            let received = clock.monotonic();
            if let Reply::Answered { date, .. } = &reply {
                let ahead = date.map(|date| clock.now().secs() - date);
                skew.saw(&tenant, ahead, received);
                ahead_seconds.set(ahead.unwrap_or(0) as f64);
            }
            let page = read_page(reply);
            came(&page);
            failpoint::reach(Point::PageFetched);
            (received, page)
        };
        self.part.answer(ctx, getting, move |poller, got, ctx| {
            let failed = || (poller.tools.shared.clock.monotonic(), Err(Failure::Failed(MISTAKE.into())));
            let (received, page) = got.unwrap_or_else(failed);
            poller.fetched(Asked { fetch, span, sent, received }, page, ctx);
        });
    }

    /// A page came back, or did not.
    fn fetched(&mut self, asked: Asked, page: Result<ProfilesPage, Failure>, ctx: &mut Context<Self>) {
        let span = asked.span.clone();
        let _inside = span.enter();
        let fetch = asked.fetch;
        self.attempt(fetch, ctx, |poller, ctx| match page {
            Ok(page) if poller.detector.names_new_groups(&page.profiles, &poller.catalogue) => {
                poller.waiting.push((asked, page));
                poller.read_catalogue_at_once(ctx);
            }
            Ok(page) => poller.examine(&asked, &page, ctx),
            Err(failure) => poller.failed(fetch, failure, ctx),
        });
    }

    /// Does what a page asks for; if that fails by a mistake, the page counts as not read.
    fn attempt(&mut self, fetch: Fetch, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self, &mut Context<Self>)) {
        let part = self.part.clone();
        if part.attempt(|| work(self, ctx)).is_none() {
            self.failed(fetch, Failure::Failed(MISTAKE.into()), ctx);
        }
    }

    fn read_catalogue(&mut self, ctx: &mut Context<Self>) {
        let now = self.tools.shared.clock.monotonic();
        if now.since(self.catalogue_read) >= CATALOGUE_NOT_MORE_OFTEN_THAN {
            self.read_catalogue_at_once(ctx);
        }
    }

    fn read_catalogue_at_once(&mut self, ctx: &mut Context<Self>) {
        if self.catalogue_asked {
            return;
        }
        self.catalogue_asked = true;
        let (client, names) = (self.tools.client.clone(), self.tools.tenant.group_types.clone());
        let (Shared { store, clock, .. }, tenant) = (self.tools.shared.clone(), self.name().to_owned());
        let reading = async move {
            let catalogue = read_catalogue(&client, &names).await?;
            // Before a page is read with new names: a renamed group must be known when the first of its people is evaluated.
            let learnt = store.learn_titles(tenant, catalogue.titles(), clock.now()).await;
            learnt.map(|()| catalogue).map_err(|e| e.to_string())
        };
        self.part.answer(ctx, reading, |poller, read: Option<Result<Catalogue, String>>, ctx| {
            poller.catalogue_asked = false;
            poller.catalogue_read = poller.tools.shared.clock.monotonic();
            match read.unwrap_or_else(|| Err(MISTAKE.to_owned())) {
                Ok(catalogue) => poller.catalogue = catalogue,
                Err(why) => {
                    tracing::warn!(tenant = poller.name(), %why, "the catalogue of groups could not be read; the one known is used");
                }
            }
            for (asked, page) in std::mem::take(&mut poller.waiting) {
                let span = asked.span.clone();
                let _inside = span.enter();
                poller.attempt(asked.fetch, ctx, |poller, ctx| poller.examine(&asked, &page, ctx));
            }
        });
    }

    /// Looks through a page; what it finds goes to the store.
    fn examine(&mut self, asked: &Asked, page: &ProfilesPage, ctx: &mut Context<Self>) {
        let invisible = self.tools.reader.invisible_keys(&page.profiles);
        if !invisible.is_empty() {
            let why = format!(
                "the token does not see {} on any profile of a page; give its owner the permission in Namely, or take the field out of the mapping",
                invisible.join(", ")
            );
            let endings = self.detector.endings(&page.profiles);
            return self.commit(asked, Seen::default(), Found { endings, ..Found::default() }, Some(why), ctx);
        }
        let hot = matches!(asked.fetch, Fetch::Hot { .. });
        let findings = self.detector.examine(&page.profiles, hot, asked.sent, &self.tools.reader, &self.catalogue);
        if findings.catalogue_is_stale {
            self.read_catalogue(ctx);
        }
        if let Some(first) = findings.of_before.first() {
            tracing::warn!(
                tenant = self.name(),
                people = findings.of_before.len(),
                profile = %first,
                "a page shows profiles as they were before what is known; it is not believed until nothing newer has been shown for 10 minutes. Does a cache stand between?"
            );
        }
        for problem in &findings.problems {
            let profile = problem.profile.as_deref().unwrap_or("(no id)");
            tracing::warn!(tenant = self.name(), profile, why = %problem.why, "a profile cannot be read");
        }
        let lag = self.tools.shared.metrics.namely.source_lag_seconds.with_label_values(&[self.name()]);
        for updated in &findings.moved {
            lag.observe(self.tools.shared.clock.now().since(Moment::from_secs(*updated)).as_secs_f64());
        }
        asked.span.record("changed", findings.changed.len());
        let seen = Seen { ids: findings.ids, total_count: page.total_count, changed: findings.changed.len() };
        let walked = asked.fetch.is_of_walk().then_some(page.profiles.len());
        let Findings { changed, problems, mended, back, .. } = findings;
        self.commit(asked, seen, Found { walked, changed, problems, mended, back, endings: Vec::new() }, None, ctx);
    }

    /// Has the store commit what a page says; `unusable` says why it does not count as read all the same.
    fn commit(&self, asked: &Asked, seen: Seen, found: Found, unusable: Option<String>, ctx: &mut Context<Self>) {
        let Found { walked, changed, problems, mended, back, endings } = found;
        let shown: Vec<String> = back.iter().map(|shown| shown.profile.clone()).collect();
        let commit = PageCommit {
            tenant: self.name().to_owned(),
            sent: asked.sent,
            received: asked.received,
            run: self.tools.run,
            now: self.tools.shared.clock.now(),
            walked,
            changed,
            problems,
            mended,
            back,
            endings,
        };
        let (fetch, store) = (asked.fetch, self.tools.shared.store.clone());
        let news =
            [commit.changed.len(), commit.problems.len(), commit.mended.len(), commit.back.len(), commit.endings.len()];
        let committing = async move {
            let nothing_new = news.iter().sum::<usize>() == 0;
            let outcome = if nothing_new { Ok(PageOutcome::default()) } else { store.commit_page(commit).await };
            failpoint::reach(Point::PageCommitted);
            outcome
        };
        self.part.answer(ctx, committing, move |poller, outcome, ctx| {
            let outcome = outcome.unwrap_or_else(|| Err(StoreError::NotNow(MISTAKE.into())));
            poller.attempt(fetch, ctx, |poller, ctx| match outcome {
                Ok(outcome) => {
                    poller.detector.are_back(&outcome.back);
                    for profile in shown.iter().filter(|one| !outcome.back.contains(one)) {
                        let tenant = poller.name();
                        tracing::warn!(
                            tenant,
                            profile,
                            "a page shows a profile whose access a person has ended because it was missing, as it was then: it is believed \
                             when it has been edited since, or stays for 10 minutes"
                        );
                    }
                    poller.committed(fetch, &seen, outcome, unusable, ctx);
                }
                Err(e) => poller.failed(fetch, Failure::Failed(e.to_string()), ctx),
            });
        });
    }

    /// A page is on disk. `unusable` says why it does not count as read, although what it says about access was followed.
    fn committed(
        &mut self,
        fetch: Fetch,
        seen: &Seen,
        outcome: PageOutcome,
        unusable: Option<String>,
        ctx: &mut Context<Self>,
    ) {
        for (id, held) in &outcome.accepted {
            self.detector.commit(id, *held);
        }
        for problem in outcome.message {
            self.detector.message(problem);
        }
        let metrics = &self.tools.shared.metrics;
        for priority in &outcome.dirtied {
            metrics.namely.profiles_changed.with_label_values(&[self.name(), priority.as_str()]).inc();
        }
        if !outcome.dirtied.is_empty() {
            self.tools.shared.orgs.ring();
        }
        if let Some(why) = unusable {
            return self.failed(fetch, Failure::Failed(why), ctx);
        }
        self.tools.shared.readiness.have(&format!("namely {}", self.name()));
        let known = i64::try_from(self.detector.len()).unwrap_or(i64::MAX);
        metrics.namely.profiles.with_label_values(&[self.name()]).set(known);
        self.count(fetch, "read");
        let end = self.walker.on_page(fetch, seen, self.tools.shared.clock.monotonic());
        self.ended(end, ctx);
        self.pump(ctx);
    }

    fn failed(&mut self, fetch: Fetch, failure: Failure, ctx: &mut Context<Self>) {
        if let (Fetch::One, Failure::Failed(why)) = (fetch, &failure) {
            tracing::warn!(tenant = self.name(), %why, "a profile that somebody asked for could not be read");
            return self.count(fetch, "failed");
        }
        match &failure {
            Failure::Throttled => {
                self.tools.shared.metrics.namely.throttled.with_label_values(&[self.name()]).inc();
                tracing::warn!(tenant = self.name(), "Namely throttles; both passes pause for a minute");
            }
            Failure::Failed(why) => {
                tracing::warn!(tenant = self.name(), ?fetch, %why, "a page could not be read");
                let alarm = Alarm::of_namely(self.name(), why, self.tools.shared.clock.now());
                self.tools.shared.readiness.ill(alarm);
            }
        }
        self.count(fetch, "failed");
        let end = self.walker.on_failure(fetch, &failure, self.tools.shared.clock.monotonic());
        self.ended(end, ctx);
        self.pump(ctx);
    }

    fn count(&self, fetch: Fetch, result: &str) {
        let pass = pass(fetch);
        if result == "read" {
            let page = self.tools.shared.metrics.namely.last_page.with_label_values(&[self.name(), pass]);
            page.set(seconds(self.tools.shared.clock.now()));
        }
        self.tools.shared.metrics.namely.pages.with_label_values(&[self.name(), pass, result]).inc();
    }

    fn ended(&mut self, end: Option<WalkEnd>, ctx: &mut Context<Self>) {
        let Some(end) = end else { return };
        failpoint::reach(Point::WalkEnded);
        let complete = end.complete.is_ok();
        self.tools
            .shared
            .metrics
            .namely
            .walks
            .with_label_values(&[self.name(), if complete { "true" } else { "false" }])
            .inc();
        let walk = format!("walk {}", self.name());
        let now = self.tools.shared.clock.now();
        match &end.complete {
            Ok(()) => {
                self.tools.shared.metrics.namely.last_complete_walk.with_label_values(&[self.name()]).set(seconds(now));
                tracing::debug!(
                    tenant = self.name(),
                    profiles = end.profiles,
                    seconds = end.seconds,
                    "a walk is complete"
                );
            }
            Err(why) => {
                tracing::warn!(tenant = self.name(), %why, "a walk is incomplete and proves nothing");
                let why = format!("the last walk did not see everybody: {why}; the next one begins by itself");
                self.tools.shared.readiness.missing(&walk, why);
            }
        }
        let monotonic = self.tools.shared.clock.monotonic();
        let absent = if complete { self.detector.walked(&end.shown, end.started) } else { Vec::new() };
        let absent: Vec<(String, Moment)> =
            absent.into_iter().map(|(id, since)| (id, now - monotonic.since(since))).collect();
        let event =
            Event::Walk(Walk { profiles: end.profiles, complete, why: end.complete.err().map(|why| why.to_string()) });
        let record = Record { tenant: Some(self.name().to_owned()), ..Record::general(now, event) };
        let (shared, walked, tenant) = (self.tools.shared.clone(), self.tools.walked.clone(), self.name().to_owned());
        let writing = async move {
            let missing = absent.iter().map(|(id, _)| id.clone()).collect();
            match shared.store.walk_ended(tenant, complete, absent, record).await {
                Ok(woken) if complete => {
                    shared.readiness.have(&walk);
                    walked.notify_waiters();
                    if !woken.is_empty() {
                        shared.orgs.ring();
                    }
                    missing
                }
                Ok(_) | Err(StoreError::Stopped) => Vec::new(),
                Err(e) => {
                    tracing::error!(error = %e, "the end of a walk could not be written");
                    Vec::new()
                }
            }
        };
        self.part.answer(ctx, writing, |poller, missing: Option<Vec<String>>, _| {
            poller.detector.are_missing(missing.into_iter().flatten());
        });
    }
}

impl Actor for Poller {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.pump(ctx);
        // Whatever else should wake it: the next page does not depend on one timer alone.
        self.part.every(ctx, HEARTBEAT, Poller::pump);
    }
}

impl Handler<Carried<PollOne>> for Poller {
    type Result = ();

    fn handle(&mut self, one: Carried<PollOne>, ctx: &mut Self::Context) {
        self.poll_one(one.body, ctx);
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
