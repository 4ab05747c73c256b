//! One run of one person: plans, orders calls, writes outcomes, and ends.
//!
//! **Invariant:** never runs two plans of one person at once: it exists only under a claim, and the store drops whatever
//! comes under an old one. Whatever ends it, even a panic, gives the claim back.

use super::core::run::{Act, Concluded, Context as RunContext, Run, taken};
use super::last_word::{Lost, give_up, insist};
use super::order::{Delivered, Order};
use super::org::directory::{Making, SharedDirectory};
use super::org::lists::Lists;
use super::org::shared::Org;
use super::progress::Progress;
use super::runs::{InFlight, Runs};
use super::sign_in::{give, unsent};
use super::slots::Slot;
use crate::audit::details::Planned;
use crate::audit::{Call, Effect, Outcome as Became};
use crate::clock::Moment;
use crate::domain::work::run::{Claim, Lease, Next, Release};
use crate::domain::{Answer, Cause, Group, Position, Step, hex};
use crate::failpoint::{self, Point};
use crate::mailbox::{self, Carried, Gate};
use crate::okta::Request;
use crate::okta::answer::{names_user, understand};
use crate::okta::outcome::{Outcome, Reply};
use crate::privileges::kind;
use crate::store::{EndStep, refusal};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use aws_lc_rs::digest::{SHA256, digest};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::Span;
use tracing::field::Empty;

/// When somebody is tried again whom the store has refused, or whose run has failed by a mistake; longer each time, up to some
/// hours.
const REFUSED_AGAIN: Duration = Duration::from_secs(15 * 60);
/// How soon somebody is tried again whose account cannot be made because of a list that is not believed.
const UNTIL_BELIEVED: Duration = Duration::from_secs(30);

/// What every run works with. Cheap to clone.
#[derive(Clone)]
pub struct Tools {
    pub org: Org,
    pub directory: SharedDirectory,
    pub lists: Lists,
    /// The runs in flight.
    pub runs: Runs,
}

/// The actor of one person in flight.
pub struct PersonRun {
    tools: Tools,
    run: Run,
    guard: Guard,
    /// What logs and traces of this run carry.
    span: Span,
    progress: Progress,
}

/// Gives back what the run holds, and after a panic also the claim.
struct Guard {
    /// What is not given back yet.
    lease: Option<Lease>,
    own: Lease,
    /// Runs before this one that ended without success.
    attempt: i64,
    /// A group that it is making.
    making: Option<Making>,
    in_flight: Option<InFlight>,
    slot: Option<Slot>,
    org: Org,
}

/// The watchdog has let go of the person: whatever is under way changes nothing any more.
#[derive(Clone, Copy)]
pub struct Overdue;

impl PersonRun {
    /// Starts a run for what was claimed, in this slot.
    pub fn start_run(claim: Claim, tools: Tools, slot: Slot) {
        let (own, attempt, org) = (claim.lease, claim.attempt, tools.org.clone());
        let guard = Guard { lease: Some(own), own, attempt, making: None, in_flight: None, slot: Some(slot), org };
        let progress = Progress::new(&tools.org.shared.clock);
        let span = tracing::info_span!(
            "run",
            org = %tools.org.name,
            person = pseudonym(claim.case.person.primary()),
            priority = claim.priority.as_str(),
            cause = claim.cause,
            rev = claim.lease.rev,
            attempt = claim.attempt,
            outcome = Empty,
        );
        PersonRun { run: Run::new(claim), tools, guard, span, progress }.start();
    }
}

impl Actor for PersonRun {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let span = self.span.clone();
        let _inside = span.enter();
        let wait = self.tools.org.shared.metrics.parts.mailbox_wait_seconds.with_label_values(&["employee"]);
        let person = pseudonym(self.run.claim().case.person.primary());
        let overdue = Gate::new(ctx.address(), 1, wait).bell(Overdue);
        self.guard.in_flight = Some(self.tools.runs.begin(self.guard.own, self.progress.clone(), person, overdue));
        let act = self.decide(|run, context| run.begin(context));
        failpoint::reach(Point::Planned);
        self.act(act, ctx);
    }
}

impl Handler<Carried<Overdue>> for PersonRun {
    type Result = ();

    fn handle(&mut self, _: Carried<Overdue>, ctx: &mut Self::Context) {
        self.span.record("outcome", "overdue");
        self.end(ctx);
    }
}

impl PersonRun {
    /// Does what the run waits for, and goes on with what came of it, or with why this program has failed at it.
    fn answer<F, G>(&self, ctx: &mut Context<Self>, work: F, go_on: G)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
        G: FnOnce(&mut Self, Result<F::Output, String>, &mut Context<Self>) + Unpin + 'static,
    {
        mailbox::answer(ctx, work, |run: &mut Self, done, ctx| {
            let span = run.span.clone();
            let _inside = span.enter();
            run.progress.heard(&run.tools.org.shared.clock);
            go_on(run, done, ctx);
        });
    }

    /// A call came back; `sent` is from the order to the answer. Nothing was delivered if whoever was to send it is not there any
    /// more: whether it has left is unknown.
    fn returned(&mut self, delivered: Option<Delivered>, call: Call, sent: Span, ctx: &mut Context<Self>) {
        let (step, clock) = (call.step.clone(), self.tools.org.shared.clock.clone());
        self.guard.making = self.guard.making.take().filter(|_| matches!(delivered, Some(Delivered::Replied { .. })));
        let Some(delivered) = delivered else {
            let why = format!(
                "whether {} has left is not known: what was to send it failed by a mistake of this program",
                step.name()
            );
            return self.abandon(why, ctx);
        };
        let (reply, intent) = match delivered {
            Delivered::Replied { reply, intent: Some(intent) } => (reply, intent),
            // Without an intent nothing was sent.
            Delivered::Replied { reply, intent: None } => {
                let why = match reply {
                    Reply::NotSent(why) | Reply::Unauthorised(why) | Reply::Lost(why) | Reply::GivenUp(why) => why,
                    Reply::Answered(_) => "the call left without an intent".into(),
                };
                self.guard.making = None;
                return self.release(Release::Retry { at: clock.now() + self.backoff(), why }, ctx);
            }
            Delivered::Stale => return self.release(Release::Stale, ctx),
            Delivered::Refused { why } => {
                let why = refusal(&format!("to announce {}", step.name()), &why);
                let again = Some(clock.now() + self.long_backoff());
                return self.release(Release::Quarantined { why, again, read_first: true, awaits: Vec::new() }, ctx);
            }
            Delivered::Busy => {
                let bucket = Request::of(&step, None).bucket().as_str();
                let act = self.decide(|run, context| run.no_room(&step, bucket, context));
                return self.act(act, ctx);
            }
            Delivered::NotAllowed { wait } => {
                let act = self.decide(|run, context| run.not_allowed(&step, wait, context));
                return self.act(act, ctx);
            }
        };
        let understood =
            understand(&step, &reply, &self.tools.org.shared.rules().load().mapping, &self.tools.org.mapped);
        match (&step, &understood.0, &reply) {
            (Step::MakeSignIn { to, .. }, Outcome::Applied, Reply::Answered(made)) => {
                let giving = give(&self.tools.org, &made.body, &self.run.claim().case, to.clone());
                self.answer(ctx, giving, move |run, given, ctx| {
                    let said = unsent(given).map_or(understood, |outcome| (outcome, Answer::Done));
                    run.understood(said, call, (reply, intent), sent, ctx);
                });
            }
            _ => self.understood(understood, call, (reply, intent), sent, ctx),
        }
    }

    /// It is known what an answer says.
    fn understood(
        &mut self,
        (outcome, answer): (Outcome, Answer),
        call: Call,
        (reply, intent): (Reply, i64),
        sent: Span,
        ctx: &mut Context<Self>,
    ) {
        let step = call.step.clone();
        self.count(&step, &outcome);
        self.compare(&outcome, &answer);
        let mut seen = Vec::new();
        match (&step, &answer) {
            (_, Answer::Group(group)) => self.tools.directory.insert(group),
            (_, Answer::Groups { groups, .. }) => seen = self.tools.directory.learn(groups),
            (Step::ReadGroupRoles { group }, Answer::Role { holds }) => {
                self.tools.directory.learn_role(group, Some(*holds), self.tools.org.shared.clock.now());
            }
            (Step::ReadGroupRoles { group }, _)
                if !matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. }) =>
            {
                self.tools.directory.learn_role(group, None, self.tools.org.shared.clock.now());
            }
            _ => {}
        }
        self.guard.making = None; // once the directory knows it
        let concluded = self.decide(|run, context| run.conclude(&step, &outcome, &answer, context));
        let effect = effect(call, &outcome, reply);
        let request_id = effect.request_id.as_deref();
        sent.record("outcome", effect.outcome.as_str());
        sent.record("request_id", request_id);
        drop(sent);
        tracing::debug!(step = step.name(), outcome = effect.outcome.as_str(), request_id, "Okta has answered");
        self.write(effect, (intent, seen), concluded, ctx);
    }

    /// Asks the core, with the directory and the time of this moment.
    fn decide<T>(&mut self, ask: impl FnOnce(&mut Run, &RunContext) -> T) -> T {
        let backoff = self.backoff();
        let (rulebook, directory) = (self.tools.org.shared.rules().load(), self.tools.directory.load());
        let context = RunContext {
            rulebook: &rulebook,
            directory: &directory,
            now: self.tools.org.shared.clock.now(),
            backoff,
            takes,
        };
        ask(&mut self.run, &context)
    }

    fn backoff(&self) -> Duration {
        self.tools.org.traffic.waits().delay(self.run.claim().attempt)
    }

    /// How long to wait before trying again what only people can mend.
    fn long_backoff(&self) -> Duration {
        long_backoff(self.run.claim().attempt)
    }

    fn act(&mut self, act: Act, ctx: &mut Context<Self>) {
        match act {
            Act::Release(release) => self.release(release, ctx),
            Act::Send { step: Step::CreateUser { .. }, .. } if !self.tools.lists.are_believed() => {
                let why = "Okta's list lacks accounts that are known, and this person's may be among them: nobody is \
                           made until it is whole";
                let at = self.tools.org.shared.clock.now() + UNTIL_BELIEVED;
                self.release(Release::Wait { at, why: why.into() }, ctx);
            }
            Act::Send { step, planned } => {
                if let Step::CreateGroup { name } = &step {
                    self.guard.making = self.tools.directory.reserve(name);
                    if self.guard.making.is_none() {
                        let at = self.tools.org.shared.clock.now() + Duration::from_secs(1);
                        let why = format!("the group {name:?} is being created for somebody else");
                        return self.release(Release::Wait { at, why }, ctx);
                    }
                }
                self.send(step, planned, ctx);
            }
        }
    }

    fn send(&self, step: Step, planned: Option<Planned>, ctx: &mut Context<Self>) {
        let shared = &self.tools.org.shared;
        if let Some(plan) = &planned {
            shared.metrics.work.plans.with_label_values(&["steps"]).inc();
            shared.metrics.work.plan_calls.observe(plan.steps.len() as f64);
        }
        let request = Request::of(&step, self.run.full());
        let call = Call {
            step,
            method: request.method.to_owned(),
            path: request.path().to_owned(),
            body_hash: request.body_hash(),
            attempt: self.run.claim().attempt,
        };
        let (store, clock, lease) = (shared.store.clone(), shared.clock.clone(), self.run.claim().lease);
        let changes = self.run.changes_of(&call.step);
        let permitted = changes.clone();
        let announced = call.clone();
        let announce = move || -> Pin<Box<dyn Future<Output = _> + Send>> {
            Box::pin(async move { store.begin_step(lease, announced, changes, planned, clock.now()).await })
        };
        let (stops, condition) = (shared.store.stops().clone(), shared.store.condition().clone());
        let (org, watched, is_write) = (self.tools.org.name.clone(), self.progress.clone(), request.is_write());
        let (answer, delivered) = oneshot::channel();
        let bucket = request.bucket().as_str();
        let span = tracing::info_span!(
            parent: &self.span, "call", step = call.step.name(), bucket, outcome = Empty, request_id = Empty,
        );
        let order = Order {
            request,
            priority: self.run.urgency(&call.step),
            person: Some(lease.target),
            ends: self.run.ends(&call.step),
            impatient: true,
            announce: Some(Box::new(announce)),
            permission: Some(Box::new(move || {
                if watched.is_given_up() {
                    return Err("the run was let go of".to_owned());
                }
                if is_write && condition.is_damaged() {
                    return Err("the store is damaged".to_owned());
                }
                stops.enter(&org, &permitted)
            })),
            progress: Some(self.progress.clone()),
            span: span.clone(),
            answer,
        };
        let writers = self.tools.org.writers.clone();
        let ordering = async move {
            writers.order(order).await;
            delivered.await.ok()
        };
        self.answer(ctx, ordering, move |run, delivered, ctx| {
            run.returned(delivered.ok().flatten(), call, span, ctx);
        });
    }

    fn count(&self, step: &Step, outcome: &Outcome) {
        let bucket = Request::of(step, None).bucket().as_str();
        let metrics = &self.tools.org.shared.metrics;
        metrics.okta.calls.with_label_values(&[&self.tools.org.name, bucket, step.name(), outcome.as_str()]).inc();
        if matches!((step, outcome), (Step::Deactivate { .. }, Outcome::Applied)) {
            let since: Moment = self.run.claim().dirty_at;
            metrics.work.revoke_seconds.observe(self.tools.org.shared.clock.now().since(since).as_secs_f64());
        }
    }

    /// Tells the org whether Okta has answered about whom it was asked.
    fn compare(&self, outcome: &Outcome, answer: &Answer) {
        if !names_user(outcome, answer) {
            return;
        }
        let is_right = !matches!(outcome, Outcome::AnotherUser { .. });
        if let (false, Some(why)) = (is_right, outcome.why()) {
            let org = &self.tools.org.name;
            self.tools.org.shared.metrics.okta.anomalies.with_label_values(&[org]).inc();
            tracing::error!(%org, target = self.run.claim().lease.target, %why, "an answer about somebody else");
        }
        let (target, now) = (self.run.claim().lease.target, self.tools.org.shared.clock.monotonic());
        let changes = self.tools.org.traffic.health(|health| health.on_identity(target, is_right, now));
        self.tools.org.writers.describe(changes);
    }

    /// The group that a call has made.
    fn made(&self, effect: &Effect) -> Option<Group> {
        match &effect.call.step {
            Step::CreateGroup { name } if effect.outcome == Became::Applied => {
                self.tools.directory.load().find(name).cloned()
            }
            _ => None,
        }
    }

    fn write(
        &mut self,
        effect: Effect,
        (intent, seen): (i64, Vec<Group>),
        concluded: Concluded,
        ctx: &mut Context<Self>,
    ) {
        if concluded.refresh_directory {
            self.tools.directory.is_stale();
        }
        let mut end = EndStep {
            lease: self.run.claim().lease,
            intent,
            new_groups: self.made(&effect).into_iter().chain(seen).collect(),
            effect,
            account: concluded.account,
            holder: concluded.holder,
            next: concluded.next,
        };
        self.observe_end(&end.next);
        let (store, clock) = (self.tools.org.shared.store.clone(), self.tools.org.shared.clock.clone());
        let (now, then) = (clock.now(), concluded.then);
        let again = now + self.long_backoff();
        let org = &self.tools.org;
        let repeated = org.shared.metrics.okta.repeated_refusals.with_label_values(&[&org.name]);
        let (step, of) = (end.effect.call.step.clone(), org.name.to_string());
        let writing = async move {
            if let (Some(unique), Next::Release(Release::Quarantined { why, .. })) =
                (end.effect.why.as_deref().and_then(|why| taken(&step, why)), &mut end.next)
            {
                match store.who_has(of, unique).await {
                    Ok(Some(holder)) => *why = format!("{why}; it is {holder} that has it"),
                    Ok(None) => {}
                    Err(e) => tracing::warn!(error = %e, "who has a value that must be unique could not be looked up"),
                }
            }
            // What is done must be written down, however long the disk is full: the person waits with it.
            let then = match insist(&clock, || store.end_step(end.clone(), now)).await {
                Ok(times) => {
                    if times > 2 {
                        repeated.inc();
                    }
                    then
                }
                Err(e) => {
                    let mut effect = end.effect;
                    let why = refusal(&format!("what {} has led to", effect.call.step.name()), &e.to_string());
                    effect.why = Some(why.clone());
                    let effect = Some((end.intent, effect));
                    give_up(&clock, &store, Lost { lease: end.lease, effect, why, again }, &e).await;
                    None
                }
            };
            failpoint::reach(if then.is_some() { Point::StepEnded } else { Point::Finished });
            then
        };
        self.answer(ctx, writing, PersonRun::written);
    }

    /// An outcome is on disk, or whether it is cannot be said.
    fn written(&mut self, then: Result<Option<Act>, String>, ctx: &mut Context<Self>) {
        match then {
            Ok(Some(act)) => self.act(act, ctx),
            Ok(None) => self.end(ctx),
            Err(why) => {
                self.abandon(format!("a mistake of this program has kept an outcome from the store ({why})"), ctx)
            }
        }
    }

    fn observe_end(&self, next: &Next) {
        let Next::Release(release) = next else { return };
        let (claim, metrics) = (self.run.claim(), &self.tools.org.shared.metrics);
        self.span.record("outcome", release.as_str());
        match release {
            Release::Done { .. } => {
                metrics.work.done.inc();
                let took = self.tools.org.shared.clock.now().since(claim.dirty_at);
                metrics.work.detect_to_done_seconds.observe(took.as_secs_f64());
            }
            Release::Quarantined { why, awaits, .. } => {
                // Somebody has asked for another try: what is waited for is looked for at once.
                if !awaits.is_empty() && self.run.claim().cause == Cause::Request.as_str() {
                    self.tools.directory.is_stale();
                }
                metrics.work.plans.with_label_values(&["quarantined"]).inc();
                let profile = &claim.case.person.primary().employee.id;
                tracing::warn!(org = %self.tools.org.name, target = claim.lease.target, %profile, %why, "quarantined");
            }
            Release::Retry { why, .. } | Release::ReadFirst { why, .. } => {
                tracing::info!(target = claim.lease.target, attempt = claim.attempt, %why, "will be tried again");
            }
            Release::Held { .. } => metrics.work.plans.with_label_values(&["held"]).inc(),
            Release::Wait { .. }
            | Release::ReadThen { .. }
            | Release::Search
            | Release::Stale
            | Release::Evaluate { .. }
            | Release::Found { .. }
            | Release::Yield { .. } => {}
        }
    }

    fn release(&mut self, release: Release, ctx: &mut Context<Self>) {
        self.observe_end(&Next::Release(release.clone()));
        let (store, clock) = (self.tools.org.shared.store.clone(), self.tools.org.shared.clock.clone());
        let lease = self.run.claim().lease;
        let again = clock.now() + self.long_backoff();
        let releasing = async move {
            let now = clock.now();
            if let Err(e) = insist(&clock, || store.release(lease, release.clone(), now)).await {
                let why = refusal("the end of the plan of this person", &e.to_string());
                give_up(&clock, &store, Lost { lease, effect: None, why, again }, &e).await;
            }
            failpoint::reach(Point::Finished);
            None
        };
        self.answer(ctx, releasing, PersonRun::written);
    }

    /// Lets go of the person without knowing what has happened: the account is read first.
    fn abandon(&mut self, why: String, ctx: &mut Context<Self>) {
        self.span.record("outcome", "lost");
        let (store, clock) = (self.tools.org.shared.store.clone(), self.tools.org.shared.clock.clone());
        let (lease, at) = (self.guard.own, clock.now() + self.backoff());
        let abandoning = async move {
            let end = Release::ReadFirst { at, why };
            if let Err(e) = insist(&clock, || store.abandon(lease, end.clone(), clock.now())).await {
                tracing::error!(error = %e, target = lease.target, "a claim could not be given back; it is tried again in a while");
            }
        };
        // Should that fail too, the watchdog finds a claim without a run.
        self.answer(ctx, abandoning, |run, _, ctx| run.end(ctx));
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        self.guard.lease = None;
        ctx.stop();
    }
}

/// How long somebody waits of whom the program or the store has failed, after so many tries; a leaver waits less (`runs.rs`).
fn long_backoff(attempt: i64) -> Duration {
    REFUSED_AGAIN * (1 << attempt.clamp(0, 6))
}

/// Somebody in logs and traces: the same for the same profile, and nobody who reads it knows who.
fn pseudonym(position: &Position) -> String {
    let whole = digest(&SHA256, format!("{}/{}", position.tenant, position.employee.id).as_bytes());
    hex(&whole.as_ref()[..8])
}

/// What became of a call, as it is audited.
fn effect(call: Call, outcome: &Outcome, reply: Reply) -> Effect {
    let request_id = match reply {
        Reply::Answered(answer) => answer.request_id,
        Reply::NotSent(_) | Reply::Unauthorised(_) | Reply::Lost(_) | Reply::GivenUp(_) => None,
    };
    let became = match outcome {
        Outcome::Applied => Became::Applied,
        Outcome::AlreadySo => Became::AlreadySo,
        Outcome::Missing => Became::Missing,
        Outcome::Retry { .. } => Became::Retry,
        Outcome::Replan { .. } => Became::Replan,
        Outcome::Refused { .. } => Became::Refused,
        Outcome::Unknown { .. } => Became::Unknown,
        Outcome::AnotherUser { .. } => Became::AnotherUser,
    };
    Effect { call, outcome: became, why: outcome.why().map(str::to_owned), request_id }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.in_flight.take());
        drop(self.making.take());
        // Whoever is dropped without a panic goes with the whole service, or has let go before.
        let Some(lease) = self.lease.take().filter(|_| std::thread::panicking()) else { return };
        let (name, shared, slot) = (&self.org.name, self.org.shared.clone(), self.slot.take());
        tracing::error!(org = %name, target = lease.target, "a run ended without letting go; please report it");
        shared.metrics.parts.run_panics.inc();
        let now = shared.clock.now();
        let again = now + long_backoff(self.attempt);
        let supervisor = shared.supervisor.clone();
        supervisor.once("run", name, async move {
            // Not for good: what the plan failed at may be gone by then.
            let why = "an internal error stopped the plan of this person; everybody else goes on, and it is tried again in a while. \
                       Please report it"
                .into();
            let quarantined = Release::Quarantined { why, again: Some(again), read_first: true, awaits: Vec::new() };
            if let Err(e) = shared.store.abandon(lease, quarantined, now).await {
                tracing::error!(error = %e, target = lease.target, "a claim could not be given back yet");
            }
            drop(slot);
        });
    }
}

/// The permissions of a custom role that the call of a step takes.
fn takes(step: &Step) -> &'static [&'static str] {
    let request = Request::of(step, None);
    kind(request.method, &request.target).map(|call| call.permissions).unwrap_or_default()
}
