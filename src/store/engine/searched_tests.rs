//! The model of several nodes (`model_tests.rs`), searched through as a whole, breadth first: the first way to whatever may not be is
//! the shortest.
//!
//! A search of our own, because what matters most is that Okta ends as HR wants it from wherever the nodes have got to, and time
//! makes circles: stateright's `eventually` says nothing of paths with circles in them.

use super::fence::{ENDS, LEASE, RENEWED, STARTS};
use super::model_tests::{ENDS_T, LEASE_T, Model, Node, OUT, Pause, Phase, STARTS_T, State, Without, Wrong};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Whether nothing is left to do or to happen.
fn is_quiet(s: &State) -> bool {
    s.done && s.wire.iter().all(Option::is_none) && s.due.is_none() && s.intent.is_none()
}

/// A hash of bytes for millions of small states.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_isize(&mut self, kind: isize) {
        self.write_u8(kind as u8);
    }
}

/// The two nodes differ in nothing but who serves: of each pair of states that are the same but for that, one is searched.
fn alike(s: State) -> State {
    if s.holder != 2 {
        return s;
    }
    let other = |n: u8| 1 - n;
    let pause = if let Pause::Asked(n) = s.pause { Pause::Asked(other(n)) } else { s.pause };
    let mut wire = s.wire.map(|call| call.map(|(what, left, by)| (what, left, by.map(other))));
    wire.sort_unstable_by(|a, b| b.cmp(a));
    State { holder: 1, nodes: [s.nodes[1], s.nodes[0]], wire, pause, ..s }
}

/// How far a search went, and what it found first, with the way there.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    wrong: Option<(Wrong, Vec<&'static str>)>,
}

fn search(start: State, without: Without) -> Found {
    let mut model = Model { without, next: Vec::new() };
    let mut numbers: HashMap<State, u32, BuildHasherDefault<Quick>> = HashMap::default();
    let (mut states, mut from) = (vec![start], vec![(0u32, "")]);
    let mut edges: Vec<(u32, u32)> = Vec::new();
    numbers.insert(start, 0);
    let path = |from: &[(u32, &'static str)], mut at: u32| {
        let mut path = Vec::new();
        while at != 0 {
            path.push(from[at as usize].1);
            at = from[at as usize].0;
        }
        path.reverse();
        path
    };
    let mut at = 0u32;
    while (at as usize) < states.len() {
        let state = states[at as usize];
        if is_quiet(&state) && state.active != state.wants {
            return Found { states: states.len(), wrong: Some((Wrong::EndsOtherwise, path(&from, at))) };
        }
        model.next(&state);
        for next in &model.next {
            if let Some(wrong) = next.wrong {
                let mut path = path(&from, at);
                path.push(next.action);
                return Found { states: states.len(), wrong: Some((wrong, path)) };
            }
            let state = alike(next.state);
            let number = *numbers.entry(state).or_insert_with(|| {
                states.push(state);
                from.push((at, next.action));
                u32::try_from(states.len() - 1).expect("fits")
            });
            if next.by_itself {
                edges.push((number, at));
            }
        }
        at += 1;
    }
    // From everywhere it becomes as it should without anybody's doing.
    edges.sort_unstable();
    let is_good = |s: &State| is_quiet(s) && !s.row && s.active == s.wants;
    let mut good: Vec<bool> = states.iter().map(is_good).collect();
    let mut open: Vec<u32> = (0..).zip(&good).filter(|(_, good)| **good).map(|(n, _)| n).collect();
    while let Some(to) = open.pop() {
        let first = edges.partition_point(|(target, _)| *target < to);
        for (_, before) in edges[first..].iter().take_while(|(target, _)| *target == to) {
            if !std::mem::replace(&mut good[*before as usize], true) {
                open.push(*before);
            }
        }
    }
    let never = (0..).zip(&good).find(|(_, good)| !**good).map(|(n, _)| (Wrong::NeverEnds, path(&from, n)));
    Found { states: states.len(), wrong: never }
}

/// Somebody works, the first node serves, and this may happen: HR's changes, kills, hand-overs, lost answers, a pause.
fn start([changes, crashes, hand_overs, losses]: [u8; 4], pauses: bool) -> State {
    let serves = Node { phase: Phase::Idle, age: 0, ..OUT };
    State {
        wants: true,
        active: true,
        holder: 1,
        left: LEASE_T,
        known: true,
        unsure: false,
        done: true,
        due: None,
        intent: None,
        row: false,
        nodes: [serves, OUT],
        wire: [None; 3],
        pause: if pauses { Pause::Never } else { Pause::Over },
        changes,
        crashes,
        hand_overs,
        losses,
    }
}

fn fails(without: Without, faults: [u8; 4], pauses: bool, expected: &[Wrong]) {
    let found = search(start(faults, pauses), without);
    let (wrong, path) = found.wrong.expect("the model notices");
    println!("{} states: {wrong:?} after {path:#?}", found.states);
    assert!(expected.contains(&wrong), "{wrong:?} after {path:#?}");
}

fn holds(faults: [u8; 4], pauses: bool) {
    let found = search(start(faults, pauses), Without::Nothing);
    println!("{faults:?}, pauses: {pauses}: {} states", found.states);
    assert!(found.wrong.is_none(), "{:#?}", found.wrong);
}

#[test]
fn times_are_those_of_the_fence() {
    assert_eq!(
        [LEASE, STARTS].map(|time| time.as_secs()),
        [LEASE_T, STARTS_T].map(|t| RENEWED.as_secs() * u64::from(t))
    );
    assert!(STARTS_T < ENDS_T && ENDS_T < LEASE_T && ENDS >= RENEWED * u32::from(ENDS_T) && ENDS < LEASE);
}

#[test]
fn a_leaver_never_ends_active_whatever_happens_to_two_nodes() {
    holds([2, 1, 0, 0], false);
}

#[test]
fn no_call_starts_on_any_node_once_a_pause_holds() {
    holds([1, 0, 0, 0], true);
}

#[test]
#[ignore = "takes minutes and gigabytes: cargo test --release --lib more_of_everything -- --ignored --nocapture"]
fn more_of_everything_that_may_happen_to_two_nodes_changes_nothing_of_it() {
    [[2, 1, 1, 0], [2, 1, 0, 1], [3, 0, 0, 0]].into_iter().for_each(|faults| holds(faults, false));
    [[1, 1, 0, 0], [1, 0, 1, 0], [2, 0, 0, 0]].into_iter().for_each(|faults| holds(faults, true));
}

#[test]
fn without_the_check_before_a_call_one_starts_under_a_lost_right() {
    fails(Without::CheckBeforeTheCall, [1, 0, 0, 0], false, &[Wrong::StartedLate]);
}

#[test]
fn without_a_second_check_as_it_leaves_a_call_starts_after_a_stop_in_between() {
    fails(Without::CheckAsItLeaves, [1, 0, 0, 0], false, &[Wrong::StartedLate]);
}

#[test]
fn with_an_age_that_counts_from_the_answer_a_call_starts_under_a_lost_right() {
    fails(Without::AgeFromTheQuestion, [1, 0, 0, 0], false, &[Wrong::StartedLate]);
}

#[test]
fn with_a_call_that_leaves_long_after_it_was_announced_a_leaver_ends_active() {
    fails(Without::AgeOfTheAnnouncement, [2, 0, 0, 0], false, &[Wrong::EndsOtherwise]);
}

#[test]
fn without_reading_after_a_take_over_a_leaver_ends_active() {
    fails(Without::ReadingAfterTakeOver, [2, 1, 0, 0], false, &[Wrong::EndsOtherwise]);
}

#[test]
fn without_the_last_reading_a_late_call_brings_a_leaver_back() {
    fails(Without::LastReading, [2, 1, 0, 0], false, &[Wrong::EndsOtherwise]);
}

#[test]
fn without_waiting_for_what_was_announced_a_call_starts_after_a_pause_from_beside() {
    fails(Without::WaitForAnnounced, [1, 0, 0, 0], true, &[Wrong::StartedPaused]);
}
