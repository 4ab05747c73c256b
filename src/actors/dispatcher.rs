//! The dispatcher: wakes, claims in the order the store decides, and counts runs. It decides nothing about people.
//!
//! **Invariant:** at most `runs` people are in flight, and terminations have slots beyond that.

use super::person_run::{PersonRun, Tools};
use super::wiring::supervisor::Post;
use super::wiring::traffic::Traffic;
use crate::domain::work::machine::ANY_BUCKET;
use crate::domain::work::run::Claim;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::okta::Bucket;
use crate::store::Want;
use actix::{Actor, AsyncContext, Context, Handler};
use std::time::Duration;

/// Slots that only terminations may use.
const URGENT_SLOTS: usize = 32;
/// How often the store is asked without a signal: retries come due and windows open by time alone.
const TICK: Duration = Duration::from_millis(250);
const SHORTEST_TICK: Duration = Duration::from_millis(20);

/// Somebody became dirty.
pub struct Wake;

/// A run has ended and gave its claim back.
pub struct RunEnded;

/// How much may be done in the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Openness {
    /// Nothing: nobody has accepted the adopt report yet.
    Closed,
    /// Terminations only: a tenant was not walked completely yet.
    Terminations,
    /// Everything.
    All,
}

/// More may be done from now on.
pub struct Open(pub Openness);

/// The store has answered.
struct Claimed(Vec<Claim>);

/// The actor.
pub struct Dispatcher {
    tools: Tools,
    traffic: Traffic,
    live: usize,
    open: Openness,
    asking: bool,
    again: bool,
    gate: Option<Gate<Dispatcher>>,
    _post: Post,
}

impl Dispatcher {
    /// Starts it, closed.
    pub fn start_with(tools: Tools, traffic: Traffic) -> Gate<Dispatcher> {
        let wait = tools.metrics.mailbox_wait_seconds.with_label_values(&["dispatcher"]);
        let _post = tools.supervisor.post("dispatcher", &tools.org);
        let (open, gate) = (Openness::Closed, None);
        let address = Dispatcher { tools, traffic, live: 0, open, asking: false, again: false, gate, _post }.start();
        let gate = Gate::new(address, 1024, wait);
        gate.signal(Introduce(gate.clone()));
        gate
    }

    fn want(&self) -> Want {
        let runs = if self.open == Openness::All { self.traffic.runs() } else { 0 };
        let rooms = Bucket::ALL.into_iter().map(|bucket| (bucket.as_str(), self.traffic.room(bucket)));
        let people = self.traffic.people(self.tools.clock.monotonic());
        Want {
            runs: runs.saturating_sub(self.live).min(people),
            urgent: (runs + URGENT_SLOTS).saturating_sub(self.live).min(people),
            rooms: rooms.chain([(ANY_BUCKET, runs)]).collect(),
        }
    }

    fn ask(&mut self) {
        let Some(gate) = self.gate.clone() else { return };
        if self.open == Openness::Closed {
            return;
        }
        if self.asking {
            self.again = true;
            return;
        }
        let want = self.want();
        if want.urgent == 0 {
            return;
        }
        self.asking = true;
        let (store, org, now) = (self.tools.store.clone(), self.tools.org.clone(), self.tools.clock.now());
        let directory = self.tools.directory.load();
        let (supervisor, name) = (self.tools.supervisor.clone(), self.tools.org.to_string());
        let (readiness, work) = (supervisor.readiness().clone(), format!("work {org}"));
        tokio::spawn(async move {
            let claiming = async {
                let claims = match store.claim(&org, directory, now, want).await {
                    Ok(claims) => {
                        readiness.have(&work);
                        claims
                    }
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
            };
            // Claims that are lost here are released by the watchdog.
            let claims = supervisor.attempt_async("dispatcher", &name, claiming).await;
            gate.send(Claimed(claims.unwrap_or_default())).await;
        });
    }
}

struct Introduce(Gate<Dispatcher>);

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let tick = self.tools.clock.real(TICK).max(SHORTEST_TICK);
        ctx.run_interval(tick, |dispatcher, _| dispatcher.ask());
    }
}

impl Handler<Carried<Introduce>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, message: Carried<Introduce>, _: &mut Self::Context) {
        self.gate = Some(message.body.0);
        self.ask();
    }
}

impl Handler<Carried<Wake>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Carried<Wake>, _: &mut Self::Context) {
        self.ask();
    }
}

impl Handler<Carried<Open>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, open: Carried<Open>, _: &mut Self::Context) {
        self.open = self.open.max(open.body.0);
        self.ask();
    }
}

impl Handler<Carried<RunEnded>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Carried<RunEnded>, _: &mut Self::Context) {
        self.live = self.live.saturating_sub(1);
        self.tools.metrics.runs.with_label_values(&[&self.tools.org]).set(i64::try_from(self.live).unwrap_or(i64::MAX));
        self.ask();
    }
}

impl Handler<Carried<Claimed>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, claimed: Carried<Claimed>, _: &mut Self::Context) {
        self.asking = false;
        let (supervisor, org) = (self.tools.supervisor.clone(), self.tools.org.clone());
        supervisor.attempt("dispatcher", &org, || self.begin(claimed.body.0));
        if std::mem::take(&mut self.again) {
            self.ask();
        }
    }
}

impl Dispatcher {
    fn begin(&mut self, claims: Vec<Claim>) {
        failpoint::reach(Point::Dispatched);
        let Some(gate) = self.gate.clone() else { return };
        // In the order of the store: terminations first, so that their calls stand first in every writer.
        self.live += claims.len();
        self.tools.metrics.runs.with_label_values(&[&self.tools.org]).set(i64::try_from(self.live).unwrap_or(i64::MAX));
        for claim in claims {
            PersonRun::start_run(claim, self.tools.clone(), gate.clone());
        }
    }
}
