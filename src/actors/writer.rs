//! The writer: sends the calls of one rate limit counter, most urgent first, as fast as its window permits.
//!
//! **Invariant:** no call leaves without a permit of the budget, and no write without its intent on disk. What waits is
//! ordered by class, then by arrival.

use super::core::queue::{self, Call, Gate as Door, Queue, View, Whom};
use super::flight::{Books, Flight, Leaving};
use super::order::{Delivered, Heard, Order, send};
use super::wiring::gauges::seconds;
use super::wiring::shared::Shared;
use super::wiring::supervisor::{Part, Post};
use super::wiring::traffic::{Kept, LOOKAHEAD, Place, Traffic};
use crate::clock::{Clock, Moment, PacerClock};
use crate::domain::Priority;
use crate::domain::guard::alarm::Alarm;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::okta::bucket::WINDOW;
use crate::okta::forecast::SPREAD;
use crate::okta::health::{About, Admission, Notice, Symptom};
use crate::okta::outcome::Reply;
use crate::okta::{Bucket, Ledger, OktaClient, Request};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use prometheus::{Histogram, IntGauge, IntGaugeVec};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::Span;

/// An order that would wait for longer gives its run back.
const A_MOMENT: Duration = Duration::from_secs(1);
/// How often a writer looks without being told to, in real time.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Room may have come free.
struct Pump;

struct Publish(Vec<Notice>);

type Pacer = RateLimiter<NotKeyed, InMemoryState, PacerClock, NoOpMiddleware<Nanos>>;

/// All writers of one org.
#[derive(Clone)]
pub struct Writers {
    gates: HashMap<Bucket, Gate<Writer>>,
    clock: Clock,
    /// The address of the org.
    org_url: Arc<str>,
}

impl Writers {
    /// Starts a writer for each counter.
    pub fn start(org: &Arc<str>, client: &OktaClient, ledger: &Ledger, traffic: &Traffic, shared: &Shared) -> Self {
        let mut gates = HashMap::new();
        let peers = Arc::new(OnceLock::new());
        for bucket in Bucket::ALL {
            let part = shared.supervisor.part("writer", &format!("{org}/{}", bucket.as_str()));
            let address = Writer {
                _post: part.post(),
                part,
                org: org.clone(),
                bucket,
                client: client.clone(),
                books: Books::new(ledger.clone()),
                traffic: traffic.clone(),
                shared: shared.clone(),
                gauges: Gauges::new(org, bucket, &shared.metrics),
                queue: Queue::default(),
                pacer: None,
                sent_away: None,
                wake: None,
                peers: peers.clone(),
            }
            .start();
            let wait = shared.metrics.parts.mailbox_wait_seconds.with_label_values(&["writer"]);
            gates.insert(bucket, Gate::new(address, 256, wait));
        }
        let _ = peers.set(gates.values().cloned().collect::<Vec<_>>());
        Self { gates, clock: shared.clock.clone(), org_url: client.base().into() }
    }

    /// Sends an order to the writer of its counter.
    pub async fn order(&self, order: Order) {
        if let Some(gate) = self.gates.get(&order.request.bucket()) {
            gate.send(order).await;
        }
    }

    /// Sends a read and waits for its reply, however long the window takes.
    pub async fn read(&self, request: Request, priority: Priority) -> Reply {
        let (answer, delivered) = oneshot::channel();
        let order = Order {
            request,
            priority,
            person: None,
            ends: false,
            impatient: false,
            announce: None,
            permission: None,
            progress: None,
            span: Span::none(),
            answer,
        };
        self.order(order).await;
        match delivered.await {
            Ok(Delivered::Replied { reply, .. }) => reply,
            _ => Reply::NotSent("the writer has stopped".into()),
        }
    }

    /// Tells what has changed of the pauses of the org.
    pub fn describe(&self, changes: Vec<Notice>) {
        if let Some(gate) = self.gates.values().next().filter(|_| !changes.is_empty()) {
            gate.signal(Publish(changes));
        }
    }

    /// The address of the org: links in its answers lead there and nowhere else.
    pub fn org_url(&self) -> &str {
        &self.org_url
    }

    /// The clock the writers go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// The actor of one counter.
pub struct Writer {
    part: Part,
    _post: Post,
    org: Arc<str>,
    bucket: Bucket,
    client: OktaClient,
    books: Books,
    traffic: Traffic,
    shared: Shared,
    gauges: Gauges,
    queue: Queue<Order>,
    pacer: Option<(u32, Pacer)>,
    /// When somebody was last sent away because the window was spent: until a while after that, looking around
    /// (`Priority::Inspect`) would take calls from people who wait.
    sent_away: Option<Moment>,
    wake: Option<SpawnHandle>,
    peers: Arc<OnceLock<Vec<Gate<Writer>>>>,
}

/// What is shown of one counter.
struct Gauges {
    limit: IntGauge,
    remaining: IntGauge,
    in_flight: IntGauge,
    reserved: IntGauge,
    windows: IntGauge,
    waiting: IntGauge,
    call_seconds: Histogram,
}

impl Gauges {
    fn new(org: &str, bucket: Bucket, metrics: &Metrics) -> Self {
        let of = |gauge: &IntGaugeVec| gauge.with_label_values(&[org, bucket.as_str()]);
        Self {
            limit: of(&metrics.okta.limit),
            remaining: of(&metrics.okta.remaining),
            in_flight: of(&metrics.okta.in_flight),
            reserved: of(&metrics.okta.reserved),
            windows: of(&metrics.okta.windows),
            waiting: of(&metrics.okta.waiting),
            call_seconds: metrics.okta.call_seconds.with_label_values(&[org, bucket.as_str()]),
        }
    }
}

impl Actor for Writer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Whatever else should wake it: nothing that waits depends on one timer or one signal alone.
        self.part.every(ctx, HEARTBEAT, |writer, ctx| {
            for order in writer.queue.items() {
                if let Some(progress) = &order.progress {
                    progress.heard(&writer.shared.clock);
                }
            }
            writer.pump(ctx);
        });
    }
}

impl Handler<Carried<Order>> for Writer {
    type Result = ();

    fn handle(&mut self, order: Carried<Order>, ctx: &mut Self::Context) {
        let order = order.body;
        // If this panics, the order is dropped: whoever waits for its answer learns that there will be none.
        let part = self.part.clone();
        part.attempt(|| {
            failpoint::reach(Point::Ordered);
            let (priority, call) = (order.priority, order.call());
            if order.is_impatient() && (self.queue.len() >= LOOKAHEAD || self.is_closed(priority, call)) {
                self.send_away(order);
            } else {
                self.queue.push(priority, call, order);
            }
        });
        self.pump(ctx);
    }
}

impl Writer {
    /// A call is over, or did not leave after all.
    fn returned(
        &mut self,
        mut flight: Flight,
        person: Option<i64>,
        (heard, received): (Option<Heard>, Moment),
        ctx: &mut Context<Self>,
    ) {
        let Some(heard) = heard else {
            flight.not_sent();
            if flight.place().is_some_and(|place| place.answered(false)) {
                self.signal_peers();
            }
            return;
        };
        let too_many = heard.limit.is_some_and(|limit| limit.is_concurrency());
        self.account(&mut flight, &heard, received);
        let changes = flight.heard(person, heard.symptom, received);
        self.describe(&changes);
        let Some(mut place) = flight.place() else { return };
        if heard.given_up {
            match place.keep() {
                Ok(kept) => return self.linger(kept, ctx),
                Err(free) => place = free,
            }
        }
        if place.answered(too_many) {
            self.signal_peers();
        }
    }

    /// Keeps the place of a call that may still be under way for as long again as it was waited for.
    fn linger(&self, kept: Kept, ctx: &mut Context<Self>) {
        let mut kept = Some(kept);
        ctx.run_later(self.client.timeout(), move |writer, ctx| {
            if kept.take().is_some_and(Kept::let_go) {
                writer.signal_peers();
            }
            writer.pump(ctx);
        });
    }
}

impl Handler<Carried<Publish>> for Writer {
    type Result = ();

    fn handle(&mut self, changes: Carried<Publish>, ctx: &mut Self::Context) {
        self.describe(&changes.body.0);
        self.pump(ctx);
    }
}

impl Handler<Carried<Pump>> for Writer {
    type Result = ();

    fn handle(&mut self, _: Carried<Pump>, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

impl Writer {
    /// Writes down what an answer, or the lack of one, says about the counter.
    fn account(&self, flight: &mut Flight, heard: &Heard, received: Moment) {
        let metrics = &self.shared.metrics;
        if heard.status.is_some() {
            metrics.okta.last_answer.with_label_values(&[&self.org]).set(seconds(self.shared.clock.now()));
        }
        match (heard.status, heard.limit) {
            (None, _) if matches!(heard.symptom, Symptom::Silent(_)) => flight.lost(),
            (None, _) => flight.not_sent(),
            (Some(429), limit) => {
                let own = flight.rejected(limit, heard.retry_after, received);
                let cause = match limit {
                    Some(limit) if limit.is_concurrency() => "concurrency",
                    _ if own => "own",
                    _ => "foreign",
                };
                metrics.okta.rejected.with_label_values(&[&self.org, self.bucket.as_str(), cause]).inc();
                if own {
                    tracing::error!(bucket = self.bucket.as_str(), "a 429 of our own doing: please report it");
                }
            }
            // Who is not known is not counted (okta-api.md §4.3).
            (Some(401), None) => flight.not_sent(),
            (Some(_), limit) => flight.answered(limit, received),
        }
    }

    /// Says what is paused and what goes on, in the log, the metrics and the readiness.
    fn describe(&self, changes: &[Notice]) {
        for change in changes {
            let (scope, is_paused) = match change {
                Notice::Paused { scope, .. } => (scope, true),
                Notice::Resumed { scope } => (scope, false),
            };
            match change {
                Notice::Paused { why, ailment, .. } => {
                    tracing::warn!(%scope, %why, "paused; one call at a time tries whether it is over");
                    let now = self.shared.clock.now();
                    let alarm = Alarm::of_okta(&self.org, &scope.to_string(), *ailment, why, now);
                    self.shared.readiness.ill(alarm);
                }
                Notice::Resumed { .. } => {
                    tracing::info!(%scope, "resumed");
                    self.shared.readiness.have(&format!("{scope} ({})", self.org));
                }
            }
            self.shared
                .metrics
                .okta
                .paused
                .with_label_values(&[self.org.as_ref(), &scope.to_string()])
                .set(i64::from(is_paused));
        }
        if !changes.is_empty() {
            self.write_down_what_is_stopped();
            self.signal_peers();
        }
    }

    /// Whoever waits for a pause is told so, by whoever asks the store.
    fn write_down_what_is_stopped(&self) {
        let (store, org) = (self.shared.store.clone(), self.org.clone());
        let stopped = self.traffic.health(|health| {
            health.stopped().map(|(what, why)| format!("{what} to {org} are paused because of this: {why}"))
        });
        self.shared.supervisor.once("pause", &self.org, async move {
            if let Err(e) = store.org_is_stopped(&org, stopped).await {
                tracing::warn!(%org, error = %e, "why people wait could not be written down");
            }
        });
    }

    fn signal_peers(&self) {
        for peer in self.peers.get().into_iter().flatten() {
            peer.signal(Pump);
        }
    }

    /// Whether a call may leave now.
    fn gate(&self, priority: Priority, call: Call) -> Door {
        let now = self.shared.clock.monotonic();
        let ends = priority == Priority::Revoke && call.write;
        let view = View {
            admission: self.traffic.health(|health| {
                let about = self.about(call);
                let admission = match call.whom {
                    _ if ends => health.may_end(about, now),
                    Whom::Leaver => health.may_follow(about, now),
                    Whom::Person | Whom::Nobody => health.admit(about, now),
                };
                if call.whom == Whom::Nobody { admission } else { health.for_person(admission, now) }
            }),
            permits: self.books.with(|ledger| ledger.permits(call.kind, now, priority)),
            wake: self.books.with(|ledger| ledger.next_wake(call.kind, now, priority)),
            sent_away: self.sent_away,
        };
        queue::gate(&view, priority, now)
    }

    /// Whether a call would wait for more than a moment.
    fn is_closed(&self, priority: Priority, call: Call) -> bool {
        let now = self.shared.clock.monotonic();
        matches!(self.gate(priority, call), Door::Shut(Some(until)) if until.since(now) > A_MOMENT)
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        let part = self.part.clone();
        part.attempt(|| self.send_what_may_leave(ctx));
    }

    fn send_what_may_leave(&mut self, ctx: &mut Context<Self>) {
        self.books.with(|ledger| ledger.set_shares(self.traffic.shares()));
        let now = self.shared.clock.monotonic();
        let mut wait: Option<Duration> = None;
        loop {
            let (key, call) = match self.queue.next(|priority, call| self.gate(priority, call)) {
                Ok(next) => next,
                Err(until) => {
                    wait = until.map(|at| at.since(now));
                    break;
                }
            };
            // Whoever leaves signals.
            let Some(place) = self.traffic.try_enter(key.0 == Priority::Revoke) else { break };
            if let Err(pause) = self.pace(call.kind, key.0) {
                wait = Some(pause);
                break;
            }
            if let Some(order) = self.queue.take(key) {
                self.send(order, place, ctx);
            }
        }
        self.bounce();
        let now = self.shared.clock.monotonic();
        // Whether or not somebody waits here, the dispatcher must learn when there is room again.
        let spent = self.books.with(|ledger| ledger.closed_until(now, Priority::Grant));
        let paused = [false, true].map(|write| self.traffic.health(|h| h.bucket(self.bucket, write, now)));
        let paused = paused.into_iter().filter_map(|admission| match admission {
            Admission::Wait(until) => Some(until),
            Admission::Yes | Admission::Try => None,
        });
        let wait = paused.chain(spent).map(|at| at.since(now)).chain(wait).min();
        self.show();
        if let Some(handle) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        if let Some(wait) = wait {
            let real = self.shared.clock.real(wait).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(real, |writer, ctx| writer.pump(ctx)));
        }
    }

    /// Spreads the calls of a window over most of it, so that simultaneous calls stay few and others find room.
    /// Terminations are not paced.
    fn pace(&mut self, kind: &'static str, priority: Priority) -> Result<(), Duration> {
        let status = self.books.with(|ledger| ledger.status(kind, self.shared.clock.monotonic()));
        let Some(limit) = status.limit else { return Ok(()) };
        if self.pacer.as_ref().is_none_or(|(known, _)| *known != limit) {
            self.pacer = Some((limit, pacer(limit, &self.shared.clock)));
        }
        let Some((_, pacer)) = &self.pacer else { return Ok(()) };
        match pacer.check() {
            Err(until) if priority != Priority::Revoke => {
                Err(until.wait_time_from(PacerClock(self.shared.clock.clone()).now()))
            }
            _ => Ok(()),
        }
    }

    /// Runs that would wait for a closed window give their slot back.
    fn bounce(&mut self) {
        let mut queue = std::mem::take(&mut self.queue);
        let away = queue.take_all(|priority, call, order| order.is_impatient() && self.is_closed(priority, call));
        self.queue = queue;
        for order in away {
            self.send_away(order);
        }
    }

    fn about(&self, Call { write, action, .. }: Call) -> About {
        About { bucket: self.bucket, write, action }
    }

    fn send_away(&mut self, order: Order) {
        let (now, about) = (self.shared.clock.monotonic(), order.request.about());
        if let Some(until) = self.traffic.health(|health| health.action_waits(about, now)) {
            let _ = order.answer.send(Delivered::NotAllowed { wait: until.since(now) });
            return;
        }
        self.sent_away = Some(self.shared.clock.monotonic());
        let _ = order.answer.send(Delivered::Busy);
    }

    fn show(&self) {
        let now = self.shared.clock.monotonic();
        let soon = |at: Moment| at.since(now) <= A_MOMENT;
        let spent = self.books.with(|ledger| ledger.closed_until(now, Priority::Grant)).is_some_and(|at| !soon(at));
        let paused = [false, true].iter().any(|write| {
            let admission = self.traffic.health(|health| health.bucket(self.bucket, *write, now));
            matches!(admission, Admission::Wait(until) if !soon(until))
        });
        let room = if spent || paused { 0 } else { LOOKAHEAD.saturating_sub(self.queue.len()) };
        self.traffic.set_room(self.bucket, room);
        let (status, windows) = self.books.with(|ledger| (ledger.tightest(now), ledger.budgets()));
        self.traffic.set_status(self.bucket, status);
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.gauges.limit.set(status.limit.unwrap_or(0).into());
        self.gauges.remaining.set(status.remaining.into());
        self.gauges.in_flight.set(status.in_flight.into());
        self.gauges.reserved.set(status.reserved.into());
        self.gauges.windows.set(number(windows as u64));
        self.gauges.waiting.set(number(self.queue.len() as u64));
        if let Some(ends) = status.ends {
            let reset = self.shared.clock.now() + ends.since(now);
            self.shared.metrics.okta.reset.with_label_values(&[&self.org, self.bucket.as_str()]).set(seconds(reset));
        }
    }

    fn send(&self, order: Order, place: Place, ctx: &mut Context<Self>) {
        let (call, person, clock) = (order.call(), order.about(), self.shared.clock.clone());
        let leaving = Leaving { kind: call.kind, about: self.about(call), priority: order.priority };
        let flight = Flight::leave(&self.books, &self.traffic, place, &leaving, clock.monotonic());
        let (client, seconds) = (self.client.clone(), self.gauges.call_seconds.clone());
        let sending = async move {
            let heard = send(order, client, clock.clone(), seconds).await;
            (heard, clock.monotonic())
        };
        self.part.answer(ctx, sending, move |writer, sent, ctx| {
            // Whoever waits for the answer of one that failed learns that there will be none.
            let sent = sent.unwrap_or_else(|| {
                let symptom = Symptom::Silent("a call was lost by a mistake of this program".into());
                let heard = Heard { symptom, limit: None, retry_after: None, status: None, given_up: false };
                (Some(heard), writer.shared.clock.monotonic())
            });
            let part = writer.part.clone();
            part.attempt(|| writer.returned(flight, person, sent, ctx));
            writer.pump(ctx);
        });
    }
}

fn pacer(limit: u32, clock: &Clock) -> Pacer {
    let one = NonZeroU32::MIN;
    // A window's calls within a part of it: the rest is for the reserve, once it is released, and for hiccups.
    let per_call = WINDOW.mul_f64(SPREAD).div_f64(f64::from(limit.max(1)));
    let quota = Quota::with_period(per_call.max(Duration::from_nanos(1))).unwrap_or(Quota::per_second(one));
    // Enough to catch up after a hiccup; more would fill all places at once when a window opens.
    let burst = NonZeroU32::new(limit / 60).unwrap_or(one);
    RateLimiter::direct_with_clock(quota.allow_burst(burst), PacerClock(clock.clone()))
}
