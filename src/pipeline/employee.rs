//! The employee: one person, one lane. Plans, orders calls, writes outcomes, and ends.
//!
//! **Invariant:** never runs two plans of one person at once: it exists only under a claim, and the store drops whatever
//! comes under an old one. Whatever ends it, even a panic, gives the claim back.

use super::directory::SharedDirectory;
use super::dispatcher::{Dispatcher, LaneEnded};
use super::lane::{Act, Concluded, Context as LaneContext, Lane};
use super::writer::{Delivered, Order, Writers};
use crate::audit::Effect;
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::failpoint::{self, Point};
use crate::identity::plan::Answer;
use crate::identity::{Class, Group, Step};
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::okta::Request;
use crate::okta::outcome::{Outcome, Reply, classify};
use crate::okta::wire::{GroupObject, IdOnly, User};
use crate::retry;
use crate::store::{Claim, EndStep, Next, Release, Store};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What every lane works with.
#[derive(Clone)]
pub struct Tools {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub writers: Writers,
    pub directory: SharedDirectory,
    pub metrics: Metrics,
    /// Attributes that are read of a user object.
    pub mapped: Arc<BTreeSet<String>>,
}

/// The actor of one person in flight.
pub struct Employee {
    tools: Tools,
    lane: Lane,
    /// The zone in which the dates of this person's tenant are meant.
    zone: TimeZone,
    guard: Guard,
}

/// Gives the slot back, and after a panic also the claim.
struct Guard {
    claim: Option<(i64, i64, i64)>,
    tools: Tools,
    dispatcher: Gate<Dispatcher>,
}

/// A call came back.
struct Returned {
    step: Step,
    delivered: Delivered,
    call: (String, String, String),
}

/// An outcome is on disk.
struct Written {
    then: Option<Act>,
}

impl Employee {
    /// Starts a lane for what was claimed.
    pub fn start_lane(claim: Claim, tools: Tools, dispatcher: Gate<Dispatcher>) {
        let ids = (claim.target, claim.token, claim.rev);
        let guard = Guard { claim: Some(ids), tools: tools.clone(), dispatcher };
        let tenant = tools.config.namely.iter().find(|tenant| tenant.name == claim.tenant);
        let zone = tenant.map_or(TimeZone::UTC, |tenant| tenant.zone.clone());
        Employee { lane: Lane::new(claim), tools, zone, guard }.start();
    }
}

impl Actor for Employee {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let act = self.decide(|lane, context| lane.begin(context));
        failpoint::reach(Point::Planned);
        self.act(act, ctx);
    }
}

impl Handler<Carried<Returned>> for Employee {
    type Result = ();

    fn handle(&mut self, returned: Carried<Returned>, ctx: &mut Self::Context) {
        let Returned { step, delivered, call } = returned.body;
        let (reply, intent) = match delivered {
            Delivered::Replied { reply, intent: Some(intent) } => (reply, intent),
            // Without an intent nothing was sent.
            Delivered::Replied { reply, intent: None } => {
                let why = match reply {
                    Reply::NotSent(why) | Reply::Lost(why) => why,
                    Reply::Answered { .. } => "the call left without an intent".into(),
                };
                self.unreserve(&step);
                return self.release(Release::Retry { at: self.tools.clock.now() + self.backoff(), why }, ctx);
            }
            Delivered::Stale => {
                self.unreserve(&step);
                return self.release(Release::Stale, ctx);
            }
            Delivered::Busy => {
                self.unreserve(&step);
                let bucket = Request::of(&step).bucket().label();
                return self.release(Release::Yield { bucket, class: step.class() }, ctx);
            }
        };
        let outcome = classify(&reply, step.is_write());
        let (outcome, answer) = self.understand(&step, outcome, &reply);
        self.count(&step, &outcome);
        if let Answer::Group(group) = &answer {
            self.tools.directory.insert(group);
        }
        self.unreserve(&step);
        let concluded = self.decide(|lane, context| lane.conclude(&step, &outcome, &answer, context));
        self.write(step, &outcome, reply, intent, call, concluded, ctx);
    }
}

impl Handler<Carried<Written>> for Employee {
    type Result = ();

    fn handle(&mut self, written: Carried<Written>, ctx: &mut Self::Context) {
        match written.body.then {
            Some(act) => self.act(act, ctx),
            None => self.end(ctx),
        }
    }
}

impl Employee {
    /// Asks the core, with the directory and the time of this moment.
    fn decide<T>(&mut self, ask: impl FnOnce(&mut Lane, &LaneContext) -> T) -> T {
        let backoff = self.backoff();
        let directory = self.tools.directory.load();
        let context = LaneContext {
            mapping: &self.tools.config.mapping,
            directory: &directory,
            zone: &self.zone,
            now: self.tools.clock.now(),
            backoff,
        };
        ask(&mut self.lane, &context)
    }

    fn backoff(&self) -> Duration {
        retry::delay(self.lane.claim().attempt)
    }

    fn act(&mut self, act: Act, ctx: &mut Context<Self>) {
        match act {
            Act::Release(release) => self.release(release, ctx),
            Act::Send { step, planned } => {
                if let Step::CreateGroup { name } = &step
                    && !self.tools.directory.reserve(name)
                {
                    let at = self.tools.clock.now() + Duration::from_secs(1);
                    let why = format!("the group {name:?} is being created for somebody else");
                    return self.release(Release::Wait { at, why }, ctx);
                }
                self.send(step, planned, ctx);
            }
        }
    }

    fn send(&self, step: Step, planned: Option<Vec<Step>>, ctx: &mut Context<Self>) {
        if planned.is_some() {
            self.tools.metrics.plans.with_label_values(&["steps"]).inc();
        }
        let request = Request::of(&step);
        let call = (request.method.to_owned(), request.path().to_owned(), request.body_hash());
        let Claim { target, token, rev, attempt, .. } = *self.lane.claim();
        let (store, clock) = (self.tools.store.clone(), self.tools.clock.clone());
        let (method, path, hash) = (request.method, call.1.clone(), call.2.clone());
        let (announced, planned) = (step.clone(), planned.and_then(|steps| serde_json::to_value(steps).ok()));
        let announce = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            Box::pin(async move {
                store
                    .begin_step(target, token, rev, attempt, (method, path, hash), announced, planned, clock.now())
                    .await
            })
        };
        let (answer, delivered) = oneshot::channel();
        let order = Order { request, class: step.class(), impatient: true, announce: Some(Box::new(announce)), answer };
        let (writers, back) = (self.tools.writers.clone(), self.back(ctx));
        tokio::spawn(async move {
            writers.order(order).await;
            if let Ok(delivered) = delivered.await {
                back.send(Returned { step, delivered, call }).await;
            }
        });
    }

    /// A way back into this actor; at most one message is ever under way.
    fn back(&self, ctx: &Context<Self>) -> Gate<Self> {
        Gate::new(ctx.address(), 1, self.tools.metrics.mailbox_wait_seconds.with_label_values(&["employee"]))
    }

    /// Reads the body of an answer as far as the step needs it.
    fn understand(&self, step: &Step, outcome: Outcome, reply: &Reply) -> (Outcome, Answer) {
        if outcome == Outcome::Missing {
            return (outcome, Answer::NoAccount);
        }
        let (Outcome::Applied, Reply::Answered { body, next, .. }) = (&outcome, reply) else {
            return (outcome, Answer::Done);
        };
        let unreadable = |e: serde_json::Error| Outcome::Unknown { why: format!("Okta's answer cannot be read: {e}") };
        match step {
            Step::Look { .. } | Step::ReadBack { .. } | Step::CreateUser { .. } | Step::UpdateUser { .. } => {
                match serde_json::from_slice::<User>(body) {
                    Ok(user) if matches!(step, Step::ReadBack { .. }) && user.transitioning_to.is_some() => {
                        let why = "the deactivation is still running in Okta".into();
                        (Outcome::Retry { after: Duration::from_secs(2), why }, Answer::Done)
                    }
                    Ok(user) => {
                        (outcome, Answer::User(user.account(self.tools.config.mapping.anchor(), &self.tools.mapped)))
                    }
                    Err(e) => (unreadable(e), Answer::Done),
                }
            }
            Step::ListGroups { .. } if next.is_some() => {
                let why = "the person is in more than 200 groups; remove some in Okta, then this continues".into();
                (Outcome::Refused { why }, Answer::Done)
            }
            Step::ListGroups { .. } => match serde_json::from_slice::<Vec<IdOnly>>(body) {
                Ok(groups) => (outcome, Answer::Groups(groups.into_iter().map(|g| g.id).collect())),
                Err(e) => (unreadable(e), Answer::Done),
            },
            Step::CreateGroup { .. } => match serde_json::from_slice::<GroupObject>(body) {
                Ok(group) => (outcome, Answer::Group(Group::from(group))),
                Err(e) => (unreadable(e), Answer::Done),
            },
            _ => (outcome, Answer::Done),
        }
    }

    fn count(&self, step: &Step, outcome: &Outcome) {
        let bucket = Request::of(step).bucket().label();
        self.tools.metrics.okta_calls.with_label_values(&[bucket, step.name(), outcome.word()]).inc();
        if matches!((step, outcome), (Step::Deactivate { .. }, Outcome::Applied)) {
            let since: Moment = self.lane.claim().dirty_at;
            self.tools.metrics.revoke_seconds.observe(self.tools.clock.now().since(since).as_secs_f64());
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one audit row")]
    fn write(
        &mut self,
        step: Step,
        outcome: &Outcome,
        reply: Reply,
        intent: i64,
        (method, path, body_hash): (String, String, String),
        concluded: Concluded,
        ctx: &mut Context<Self>,
    ) {
        let claim = self.lane.claim();
        let request_id = match reply {
            Reply::Answered { request_id, .. } => request_id,
            _ => None,
        };
        let effect = Effect {
            step,
            method,
            path,
            body_hash,
            outcome: outcome.word().into(),
            why: outcome.why().map(str::to_owned),
            attempt: claim.attempt,
            request_id,
        };
        if concluded.refresh_directory {
            self.tools.directory.is_stale();
        }
        let end = EndStep {
            target: claim.target,
            token: claim.token,
            rev: claim.rev,
            intent,
            effect,
            account: concluded.account,
            next: concluded.next,
        };
        self.observe_end(&end.next);
        let (store, now, back, then) =
            (self.tools.store.clone(), self.tools.clock.now(), self.back(ctx), concluded.then);
        tokio::spawn(async move {
            let written = store.end_step(end, now).await;
            failpoint::reach(if then.is_some() { Point::StepEnded } else { Point::Finished });
            let then = match written {
                Ok(()) => then,
                Err(e) => {
                    tracing::error!(error = %e, "an outcome could not be written; the person is read again after the next start");
                    None
                }
            };
            back.send(Written { then }).await;
        });
    }

    fn observe_end(&self, next: &Next) {
        let Next::Release(release) = next else { return };
        let claim = self.lane.claim();
        match release {
            Release::Done { .. } => {
                self.tools.metrics.done.inc();
                let took = self.tools.clock.now().since(claim.dirty_at);
                self.tools.metrics.detect_to_done_seconds.observe(took.as_secs_f64());
            }
            Release::SetAside { why } => {
                self.tools.metrics.plans.with_label_values(&["set_aside"]).inc();
                tracing::warn!(target = claim.target, profile = %claim.employee.id, %why, "set aside");
            }
            Release::Retry { why, .. } | Release::Look { why, .. } => {
                tracing::info!(target = claim.target, attempt = claim.attempt, %why, "will be tried again");
            }
            Release::Wait { .. } | Release::Stale | Release::Yield { .. } => {}
        }
    }

    fn release(&mut self, release: Release, ctx: &mut Context<Self>) {
        self.observe_end(&Next::Release(release.clone()));
        let (store, now, back) = (self.tools.store.clone(), self.tools.clock.now(), self.back(ctx));
        let Claim { target, token, rev, .. } = *self.lane.claim();
        tokio::spawn(async move {
            if let Err(e) = store.release(target, token, rev, release, now).await {
                tracing::error!(error = %e, target, "a claim could not be given back; the next start does it");
            }
            failpoint::reach(Point::Finished);
            back.send(Written { then: None }).await;
        });
    }

    fn unreserve(&self, step: &Step) {
        if let Step::CreateGroup { name } = step {
            self.tools.directory.release(name);
        }
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        self.guard.claim = None;
        ctx.stop();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (dispatcher, store) = (self.dispatcher.clone(), self.tools.store.clone());
        let (now, failed) = (self.tools.clock.now(), self.claim.take());
        if failed.is_some() && std::thread::panicking() {
            self.tools.metrics.lane_panics.inc();
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Some((target, token, rev)) = failed {
                let why = "an internal error stopped the plan of this person; everybody else goes on. Please report it"
                    .into();
                let _ = store.release(target, token, rev, Release::SetAside { why }, now).await;
            }
            dispatcher.send(LaneEnded).await;
        });
    }
}

/// The classes whose lanes have slots of their own.
pub const fn is_urgent(class: Class) -> bool {
    matches!(class, Class::Revoke)
}
