//! The rules of several nodes as a model, searched through as a whole: two nodes, one person in one org, and everything that may
//! happen to them in any order. Each action below is one transaction, one check or one message of the code that it names.
//!
//! Nobody has to do anything: a node that does nothing while time passes is one that stands still, one that does nothing at the
//! database is cut off from it, and both may go on at any time. Only what must not happen without end is counted: HR's changes, kills,
//! hand-overs and lost answers.
//!
//! Times are in the steps by which the lease is renewed; a test ties them to those of the code. What searches it is
//! `searched_tests.rs`.

/// For how long the right to serve lasts after a renewal, by the database.
pub(super) const LEASE_T: u8 = 4;
/// For how long after a renewal was asked for calls may start, by the node.
pub(super) const STARTS_T: u8 = 2;
/// After how long nothing is waited for, by the node.
pub(super) const ENDS_T: u8 = 3;
/// How much later than it left a call may reach Okta.
const LATE_T: u8 = 3;
/// How long after it was announced a call may be permitted, and how long after that it has left or never does: its timeout.
const OLD_T: u8 = 1;
const TIMEOUT_T: u8 = 1;
/// When the account is read once more after a call without an answer was announced: it has landed before that, or never does.
const READ_T: u8 = OLD_T + TIMEOUT_T + LATE_T + 1;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It waits until it may serve (`commands/standby.rs`), as after each start.
    Waits,
    /// It serves, and nothing is under way.
    Idle,
    /// Okta has shown it the account, and that is not written down.
    Has(bool),
    /// The call is announced (`begin_step`).
    Announced(bool),
    /// It may leave (`Stops::enter`).
    Permitted(bool),
    /// It has left, and its answer is waited for.
    Sent(bool),
    /// It is answered, or given up, and that is not written down.
    Answered(bool),
    GivenUp(bool),
}
use Phase::{Announced, Answered, GivenUp, Has, Idle, Permitted, Sent, Waits};

impl Phase {
    fn serves(self) -> bool {
        self != Waits
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) phase: Phase,
    /// How long ago the renewal was asked for that holds (`Fence`); no more than matters.
    pub(super) age: u8,
    /// A renewal that the database has carried out, and that is not answered: how long ago it was asked for. That is when it was
    /// carried out, at the latest: of all times this one lets most happen.
    pub(super) renewal: Option<u8>,
    /// A pause in its memory (`Stops`).
    pub(super) paused: bool,
}

pub(super) const OUT: Node = Node { phase: Waits, age: ENDS_T, renewal: None, paused: false };

/// A call on its way to Okta: what it makes of the account, how long it may take still, and who waits for the answer.
pub(super) type Call = (bool, u8, Option<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pause {
    /// Nobody has asked for one yet.
    Never,
    /// In the memory of this node; its row is to be written, and what was let through to be answered.
    Asked(u8),
    /// A row that was written beside the node that serves; what was announced before it is waited for.
    Beside,
    /// Whoever has asked was told that it holds.
    Holds,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// What HR wants, and what is so.
    pub(super) wants: bool,
    pub(super) active: bool,
    /// The database: who has the right and for how long; what is known of the account, and whether that is in doubt; whether it is
    /// proved to be as wanted; when it is read once more; the announced call, and since when; a pause.
    pub(super) holder: u8,
    pub(super) left: u8,
    pub(super) known: bool,
    pub(super) unsure: bool,
    pub(super) done: bool,
    pub(super) due: Option<u8>,
    pub(super) intent: Option<(bool, u8)>,
    pub(super) row: bool,
    pub(super) nodes: [Node; 2],
    pub(super) wire: [Option<Call>; 3],
    pub(super) pause: Pause,
    /// What may still happen.
    pub(super) changes: u8,
    pub(super) crashes: u8,
    pub(super) hand_overs: u8,
    pub(super) losses: u8,
}

/// What may be left out of the rules, to see that the model notices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    Nothing,
    /// No look at the age of the right before a call is let through.
    CheckBeforeTheCall,
    /// No second look at it right before the first byte leaves.
    CheckAsItLeaves,
    /// The age of the right counts from the answer to the renewal.
    AgeFromTheQuestion,
    /// A call may leave however long ago it was announced.
    AgeOfTheAnnouncement,
    /// A take-over closes what was announced and believes what is known.
    ReadingAfterTakeOver,
    /// Whoever's call was not answered is read once, and not when it can land no more.
    LastReading,
    /// Whoever pauses from beside does not wait for what was announced before.
    WaitForAnnounced,
}

/// What was found on the way to a state that may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A call has started under a right that was lost.
    StartedLate,
    /// A call has started although a pause held.
    StartedPaused,
    /// Nothing is left to do, and Okta is not as HR wants it.
    EndsOtherwise,
    /// From here on it never becomes as HR wants it.
    NeverEnds,
}

pub(super) struct Next {
    pub(super) state: State,
    pub(super) action: &'static str,
    /// Whether it happens by itself: no fault, and nobody's decision.
    pub(super) by_itself: bool,
    pub(super) wrong: Option<Wrong>,
}

pub(super) struct Model {
    pub(super) without: Without,
    pub(super) next: Vec<Next>,
}

impl Model {
    fn add(&mut self, action: &'static str, state: State) {
        self.next.push(Next { state, action, by_itself: true, wrong: None });
    }

    fn fault(&mut self, action: &'static str, state: State) {
        self.next.push(Next { state, action, by_itself: false, wrong: None });
    }

    /// Everything that may happen next.
    pub(super) fn next(&mut self, s: &State) {
        self.next.clear();
        self.time(s);
        self.okta(s);
        self.people(s);
        for n in 0..2 {
            self.outside(s, n);
            self.node(s, n);
        }
    }

    fn time(&mut self, s: &State) {
        if s.wire.iter().flatten().any(|(_, left, _)| *left == 0) {
            return; // it lands now, or never
        }
        let mut next = *s;
        next.left = s.left.saturating_sub(1);
        next.due = s.due.map(|due| due.saturating_sub(1));
        next.intent = s.intent.map(|(what, age)| (what, (age + 1).min(READ_T)));
        next.wire = s.wire.map(|call| call.map(|(what, left, by)| (what, left - 1, by)));
        for node in &mut next.nodes {
            node.age = (node.age + 1).min(ENDS_T);
            node.renewal = node.renewal.map(|age| (age + 1).min(ENDS_T));
        }
        if next != *s {
            self.add("time passes", next);
        }
    }

    /// A call lands, with an answer if anybody waits, or without; or it never does.
    fn okta(&mut self, s: &State) {
        for (at, call) in s.wire.iter().enumerate() {
            let Some((what, _, by)) = *call else { continue };
            let mut gone = *s;
            gone.wire[at] = None;
            gone.wire.sort_unstable_by(|a, b| b.cmp(a));
            let landed = State { active: what, ..gone };
            match by {
                None => {
                    self.add("a call lands that nobody waits for", landed);
                    self.add("a call never lands", gone);
                }
                Some(n) => {
                    let mut answered = landed;
                    answered.nodes[n as usize].phase = Answered(what);
                    self.add("a call lands and is answered", answered);
                    if s.losses > 0 {
                        for (action, mut lost) in [("its answer is lost", landed), ("it is lost", gone)] {
                            lost.losses -= 1;
                            lost.nodes[n as usize].phase = GivenUp(what);
                            self.fault(action, lost);
                        }
                    }
                }
            }
        }
    }

    fn people(&mut self, s: &State) {
        if s.changes > 0 {
            self.fault("HR wants the other", State { wants: !s.wants, done: false, changes: s.changes - 1, ..*s });
        }
        match s.pause {
            Pause::Never => {
                for n in 0..2u8 {
                    let mut next = State { pause: Pause::Asked(n), ..*s };
                    let node = &mut next.nodes[n as usize];
                    if node.phase.serves() {
                        node.paused = true;
                        self.fault("a pause is asked for where it serves", next);
                    }
                }
                // In a transaction under the lock of all who write.
                self.fault("a pause is written from beside", State { pause: Pause::Beside, row: true, ..*s });
            }
            Pause::Asked(n) => {
                let node = &s.nodes[n as usize];
                let is_settled = !matches!(node.phase, Permitted(_) | Sent(_));
                if s.row && is_settled && node.paused {
                    self.add("the pause holds", State { pause: Pause::Holds, ..*s });
                } else if !node.paused {
                    self.add("whoever paused is told that the node is gone", self.resumed(s));
                }
            }
            Pause::Beside if s.intent.is_none() || self.without == Without::WaitForAnnounced => {
                self.add("the pause holds", State { pause: Pause::Holds, ..*s });
            }
            Pause::Beside | Pause::Over => {}
            Pause::Holds => self.add("it goes on", self.resumed(s)),
        }
    }

    fn resumed(&self, s: &State) -> State {
        let mut next = State { pause: Pause::Over, row: false, ..*s };
        next.nodes.iter_mut().for_each(|node| node.paused = false);
        next
    }

    /// What happens to a node from outside.
    fn outside(&mut self, s: &State, n: usize) {
        if s.crashes > 0 && s.nodes[n].phase.serves() {
            self.fault("it is killed", State { crashes: s.crashes - 1, ..ended(s, n) });
        }
        if s.hand_overs > 0 && self.is_ours(s, n) {
            // The end of `run`: what is not answered by the end of the patience is not waited for (`Renewing::end`).
            let next = State { holder: 0, left: 0, hand_overs: s.hand_overs - 1, ..ended(s, n) };
            self.fault("it hands over", next);
        }
    }

    /// Whether a transaction of this node begins (`Server::begin`).
    fn is_ours(&self, s: &State, n: usize) -> bool {
        s.holder == n as u8 + 1 && s.nodes[n].phase.serves()
    }

    /// How long ago the present call was announced.
    fn since(&self, s: &State) -> u8 {
        s.intent.map_or(READ_T, |(_, age)| age)
    }

    /// What a node does that runs.
    fn node(&mut self, s: &State, n: usize) {
        let node = s.nodes[n];
        let to = |phase: Phase| {
            let mut next = *s;
            next.nodes[n].phase = phase;
            next
        };
        match node.phase {
            // Whoever had this place before is gone: its right need not end.
            Waits if s.left == 0 || s.holder == n as u8 + 1 => {
                let mut next = State { holder: n as u8 + 1, left: LEASE_T, intent: None, ..to(Idle) };
                next.nodes[n].age = 0;
                // `recover`: announced calls have no answer, and what they were about is read.
                if let Some((_, age)) = s.intent.filter(|_| self.without != Without::ReadingAfterTakeOver) {
                    self.doubt(&mut next, age);
                }
                self.add("it takes the right to serve and recovers", next);
            }
            Waits => {}
            _ if !self.is_ours(s, n) => self.add("it learns that another one serves, and ends", ended(s, n)),
            _ => {
                self.renewal(s, n);
                self.transaction(s, n);
            }
        }
        if let Some(age) = node.renewal {
            let mut next = *s;
            next.nodes[n].renewal = None;
            let age = if self.without == Without::AgeFromTheQuestion { 0 } else { age };
            next.nodes[n].age = node.age.min(age);
            self.add("its renewal is answered", next);
        }
        match node.phase {
            // It is asked for by whoever has nothing under way and does not know how the account is (`transaction`).
            Idle if s.unsure && !s.done && !node.paused => self.add("Okta shows the account", to(Has(s.active))),
            Announced(what) => {
                let may = node.age < STARTS_T || self.without == Without::CheckBeforeTheCall;
                let is_new = self.since(s) <= OLD_T || self.without == Without::AgeOfTheAnnouncement;
                if may && is_new && !node.paused {
                    self.add("the call may leave", to(Permitted(what)));
                }
            }
            Permitted(what) => {
                let unchecked = matches!(self.without, Without::CheckBeforeTheCall | Without::CheckAsItLeaves);
                let in_time = self.since(s) <= OLD_T + TIMEOUT_T || self.without == Without::AgeOfTheAnnouncement;
                if (node.age < ENDS_T || unchecked) && in_time {
                    let mut next = to(Sent(what));
                    if let Some(free) = next.wire.iter_mut().find(|call| call.is_none()) {
                        *free = Some((what, LATE_T, Some(n as u8)));
                        next.wire.sort_unstable_by(|a, b| b.cmp(a));
                        let is_lost = s.holder != n as u8 + 1 || s.left == 0;
                        let wrong = is_lost.then_some(Wrong::StartedLate);
                        let wrong = wrong.or((s.pause == Pause::Holds).then_some(Wrong::StartedPaused));
                        self.next.push(Next { state: next, action: "the call leaves", by_itself: true, wrong });
                    }
                }
                if node.age >= ENDS_T || !in_time {
                    self.add("it does not leave any more", to(GivenUp(what)));
                }
            }
            Sent(what) if node.age >= ENDS_T => {
                let mut next = to(GivenUp(what));
                forget(&mut next, n);
                self.add("its answer is not waited for any more", next);
            }
            _ => {}
        }
    }

    fn renewal(&mut self, s: &State, n: usize) {
        if s.nodes[n].renewal.is_none() && s.nodes[n].age > 0 {
            let mut next = State { left: LEASE_T, ..*s };
            next.nodes[n].renewal = Some(0);
            self.add("its right is renewed", next);
        }
    }

    /// One transaction of the node that serves.
    fn transaction(&mut self, s: &State, n: usize) {
        let to = |phase: Phase, state: State| {
            let mut next = state;
            next.nodes[n].phase = phase;
            next
        };
        if s.pause == Pause::Asked(n as u8) && s.nodes[n].paused && !s.row {
            self.add("its pause is written down", State { row: true, ..*s });
        }
        match s.nodes[n].phase {
            Idle => {
                if s.due == Some(0) {
                    let next = State { due: None, unsure: true, done: false, ..*s };
                    self.add("the account is to be read once more", next);
                }
                if s.done || s.row || s.nodes[n].paused {
                    return;
                }
                if s.unsure {
                    return; // the account is read
                }
                if s.known == s.wants {
                    self.add("it is done", State { done: true, ..*s });
                } else {
                    let next = State { intent: Some((s.wants, 0)), ..*s };
                    self.add("a call is announced", to(Announced(s.wants), next));
                }
            }
            Has(active) => self.add("it has read it", to(Idle, State { known: active, unsure: false, ..*s })),
            // It may not leave: nothing was sent, which is written down.
            Announced(_) if s.nodes[n].age >= STARTS_T || s.nodes[n].paused || self.since(s) > OLD_T => {
                self.add("the call was not sent", to(Idle, State { intent: None, ..*s }));
            }
            // An end of access is read back.
            Answered(active) => {
                let next = State { known: active, unsure: !active, intent: None, ..*s };
                self.add("its outcome is written down", to(Idle, next));
            }
            GivenUp(_) => {
                let mut next = to(Idle, State { intent: None, ..*s });
                self.doubt(&mut next, s.intent.map_or(0, |(_, age)| age));
                self.add("that nobody knows is written down", next);
            }
            _ => {}
        }
    }

    /// Nobody knows what became of a call that was announced so long ago (`unanswered::note`).
    fn doubt(&self, next: &mut State, age: u8) {
        (next.unsure, next.done) = (true, false);
        if self.without != Without::LastReading {
            let due = READ_T.saturating_sub(age);
            next.due = Some(next.due.map_or(due, |before| before.max(due)));
        }
    }
}

/// Nobody waits for the answer of this node's call.
fn forget(s: &mut State, n: usize) {
    for (_, _, by) in s.wire.iter_mut().flatten() {
        if *by == Some(n as u8) {
            *by = None;
        }
    }
    s.wire.sort_unstable_by(|a, b| b.cmp(a));
}

/// The process is not there any more, and what is started in its place waits; what it has sent is on its way.
fn ended(s: &State, n: usize) -> State {
    let mut next = *s;
    next.nodes[n] = OUT;
    forget(&mut next, n);
    next
}
