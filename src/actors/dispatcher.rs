//! The dispatcher: wakes, claims in the order the store decides, and counts runs. It decides nothing about people.
//!
//! **Invariant:** at most `runs` people are in flight, and terminations have slots beyond that.

use super::person_run::{PersonRun, Tools};
use super::slots::Slots;
use super::wiring::supervisor::{Part, Post};
use crate::domain::work::machine::ANY_BUCKET;
use crate::domain::work::run::Claim;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::okta::Bucket;
use crate::store::{StoreError, Want};
use actix::{Actor, AsyncContext, Context, Handler};
use std::time::Duration;

/// Slots that only terminations may use.
const URGENT_SLOTS: usize = 32;
/// How often the store is asked without a signal: retries come due and windows open by time alone.
const TICK: Duration = Duration::from_millis(250);
const SHORTEST_TICK: Duration = Duration::from_millis(20);

/// Somebody became dirty, or a run has ended.
#[derive(Clone, Copy)]
pub struct Wake;

/// How much may be done in the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Openness {
    /// Nothing but what somebody has ended by hand: nobody has accepted the adopt report yet.
    Closed,
    /// Terminations only: a tenant was not walked completely yet.
    Terminations,
    /// Everything.
    All,
}

/// More may be done from now on.
pub struct Open(pub Openness);

/// The actor.
pub struct Dispatcher {
    tools: Tools,
    slots: Slots,
    open: Openness,
    asking: bool,
    again: bool,
    part: Part,
    _post: Post,
}

impl Dispatcher {
    /// Starts it, closed.
    pub fn start_with(tools: Tools) -> Gate<Dispatcher> {
        let (shared, org) = (&tools.org.shared, &tools.org.name);
        let wait = shared.metrics.parts.mailbox_wait_seconds.with_label_values(&["dispatcher"]);
        let part = shared.supervisor.part("dispatcher", org);
        let shown = shared.metrics.work.runs.with_label_values(&[org]);
        let mut own = None;
        Dispatcher::create(|ctx| {
            let gate = own.insert(Gate::new(ctx.address(), 1024, wait));
            let slots = Slots::new(shown, gate.bell(Wake));
            let _post = part.post();
            Dispatcher { tools, slots, open: Openness::Closed, asking: false, again: false, part, _post }
        });
        own.expect("made with the actor")
    }

    fn want(&self) -> Want {
        let (traffic, taken) = (&self.tools.org.traffic, self.slots.taken());
        let runs = if self.open == Openness::All { traffic.runs() } else { 0 };
        let rooms = Bucket::ALL.into_iter().map(|bucket| (bucket.as_str(), traffic.room(bucket)));
        let people = traffic.people(self.tools.org.shared.clock.monotonic());
        Want {
            ordered_only: self.open == Openness::Closed,
            runs: runs.saturating_sub(taken).min(people),
            urgent: (runs + URGENT_SLOTS).saturating_sub(taken).min(people),
            rooms: rooms.chain([(ANY_BUCKET, runs)]).collect(),
        }
    }

    fn ask(&mut self, ctx: &mut Context<Self>) {
        if self.asking {
            self.again = true;
            return;
        }
        let want = self.want();
        if want.urgent == 0 {
            return;
        }
        self.asking = true;
        // Claims that are lost on the way are released by the watchdog.
        self.part.answer(ctx, claim(self.tools.clone(), want), |dispatcher, claims, ctx| {
            dispatcher.asking = false;
            let part = dispatcher.part.clone();
            part.attempt(|| dispatcher.begin(claims.unwrap_or_default()));
            if std::mem::take(&mut dispatcher.again) {
                dispatcher.ask(ctx);
            }
        });
    }

    fn begin(&mut self, claims: Vec<Claim>) {
        failpoint::reach(Point::Dispatched);
        // In the order of the store: terminations first, so that their calls stand first in every writer.
        for claim in claims {
            PersonRun::start_run(claim, self.tools.clone(), self.slots.take());
        }
    }
}

/// Claims people; while the store cannot be asked, the service is not ready and says so.
async fn claim(tools: Tools, want: Want) -> Vec<Claim> {
    let (org, readiness) = (&tools.org.name, &tools.org.shared.readiness);
    let (directory, now) = (tools.directory.load(), tools.org.shared.clock.now());
    let work = format!("work {org}");
    let claims = match tools.org.shared.store.claim(org, directory, now, want).await {
        Ok(claims) => {
            readiness.have(&work);
            claims
        }
        // The service is at its end, and says so itself.
        Err(StoreError::Stopped) => Vec::new(),
        Err(e) => {
            let why = format!("nobody can be worked on: {e}");
            if readiness.reasons().get(&work) != Some(&why) {
                tracing::error!(%org, %why, "the store could not be asked for work; it is tried again");
            }
            readiness.missing(&work, why);
            Vec::new()
        }
    };
    if !claims.is_empty() {
        failpoint::reach(Point::Claimed);
    }
    claims
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let tick = self.tools.org.shared.clock.real(TICK).max(SHORTEST_TICK);
        self.part.every(ctx, tick, Dispatcher::ask);
    }
}

impl Handler<Carried<Wake>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Carried<Wake>, ctx: &mut Self::Context) {
        self.ask(ctx);
    }
}

impl Handler<Carried<Open>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, open: Carried<Open>, ctx: &mut Self::Context) {
        self.open = self.open.max(open.body.0);
        self.ask(ctx);
    }
}
