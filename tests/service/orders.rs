//! Whatever comes first: orders of events that end in one state, drawn from all of them by a seed.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::oracle::difference;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::scenario::expect_at_start;
use namely_okta_sync::sandbox::world::today;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SEED: u64 = 20_261_126;
/// Orders that are drawn of the 720 of six events.
const ORDERS: usize = 60;

/// What happens to a manager and one who reports to them.
#[derive(Clone, Copy, Debug)]
enum Event {
    ManagerIsShown,
    ReportIsShown,
    ManagerIsNamed,
    ManagerMoves,
    ManagerBegins,
    ReportIsPromoted,
}

const EVENTS: [Event; 6] = [
    Event::ManagerIsShown,
    Event::ReportIsShown,
    Event::ManagerIsNamed,
    Event::ManagerMoves,
    Event::ManagerBegins,
    Event::ReportIsPromoted,
];

struct Pair {
    manager: usize,
    report: usize,
    order: Vec<Event>,
}

fn address(manager: usize) -> String {
    format!("new.address.{manager}@example.com")
}

impl Pair {
    fn new(rig: &Rig, number: usize, order: Vec<Event>) -> Self {
        let now = rig.world.clock.now();
        let hidden = |seed: u64, change: &dyn Fn(&mut Person)| {
            let mut person = Hr::new(seed, today(now)).joiner(1);
            person.email = format!("person{seed}@example.com");
            (person.manager, person.title) = (None, 0);
            change(&mut person);
            let mut namely = rig.world.namely.core();
            let index = namely.hire(person, now);
            namely.vanish(index);
            index
        };
        let later = today(now).checked_add(jiff::Span::new().days(90)).expect("a date");
        let seed = 1000 + 2 * number as u64;
        let manager = hidden(seed, &|person| (person.status, person.start_date) = (Hired::Pending, later));
        Self { manager, report: hidden(seed + 1, &|_| {}), order }
    }

    fn happens(&self, rig: &Rig, event: Event) {
        let (today, manager) = (today(rig.world.clock.now()), self.manager);
        match event {
            Event::ManagerIsShown => rig.world.namely.core().appear(manager),
            Event::ReportIsShown => rig.world.namely.core().appear(self.report),
            Event::ManagerIsNamed => rig.edit(self.report, |person| person.manager = Some(manager)),
            Event::ManagerMoves => rig.edit(manager, |person| person.email = address(manager)),
            Event::ManagerBegins => {
                rig.edit(manager, |person| (person.status, person.start_date) = (Hired::Active, today));
            }
            Event::ReportIsPromoted => rig.edit(self.report, |person| person.title = 2),
        }
    }

    /// What is not as it should be in the end.
    fn lacks(&self, rig: &Rig, okta: &Okta) -> Option<String> {
        let id = |index: usize| rig.world.namely.core().person(index).id.clone();
        let Some(report) = okta.user_by_anchor(&id(self.report)) else { return Some("no account".into()) };
        let linked =
            okta.manager_of(&report.id).and_then(|manager| manager.profile["login"].as_str().map(str::to_owned));
        let named = report.profile.get("managerId").and_then(|login| login.as_str()).map(str::to_owned);
        let expected = Some(address(self.manager));
        (linked != expected || named != expected).then(|| format!("linked to {linked:?}, managerId {named:?}"))
    }
}

#[test]
fn a_manager_is_linked_and_named_whatever_order_six_events_come_in() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let pairs: Vec<Pair> = (0..ORDERS)
            .map(|number| {
                let mut order = EVENTS.to_vec();
                order.shuffle(&mut random);
                Pair::new(&rig, number, order)
            })
            .collect();
        for step in 0..EVENTS.len() {
            pairs.iter().for_each(|pair| pair.happens(&rig, pair.order[step]));
            let pages = || rig.world.namely.core().history().exchanges().len();
            let before = pages();
            rig.until("Namely was looked at", async |_| pages() > before + 4).await;
        }
        rig.until("nothing is left to do", async |rig| rig.backlog().await == 0).await;
        let lacking = |okta: &Okta| -> Vec<String> {
            let of = |pair: &Pair| pair.lacks(&rig, okta).map(|what| format!("{:?}: {what}", pair.order));
            pairs.iter().filter_map(of).collect()
        };
        let healed = crate::common::rig::comes_true(async || lacking(&rig.world.okta.core()).is_empty()).await;
        assert!(healed, "seed {SEED}:\n{}", lacking(&rig.world.okta.core()).join("\n"));
    });
}

/// What HR does to one person in a life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Hire,
    Transfer,
    Leave,
    Terminate,
    Rehire,
    Rename,
    NewManager,
}

const TURNS: [Turn; 7] =
    [Turn::Hire, Turn::Transfer, Turn::Leave, Turn::Terminate, Turn::Rehire, Turn::Rename, Turn::NewManager];
/// Orders that are drawn of the 5040 of seven turns.
const LIVES: usize = 70;

/// A person, whom Namely shows from the hire on.
struct Life {
    person: Person,
    order: Vec<Turn>,
    index: Option<usize>,
    /// Whether an account has been due at any time.
    had_account: bool,
}

impl Life {
    fn new(rig: &Rig, number: usize, order: Vec<Turn>) -> Self {
        let mut person = Hr::new(5000 + number as u64, today(rig.world.clock.now())).joiner(1);
        person.email = format!("life{number}@example.com");
        (person.manager, person.department, person.on_leave) = (None, 0, false);
        Self { person, order, index: None, had_account: false }
    }

    fn takes(&mut self, rig: &Rig, turn: Turn) {
        let person = &mut self.person;
        match turn {
            Turn::Hire => self.index = Some(rig.world.namely.core().hire(person.clone(), rig.world.clock.now())),
            Turn::Transfer => person.department = 1,
            Turn::Leave => person.on_leave = true,
            Turn::Terminate => person.status = Hired::Inactive,
            Turn::Rehire => {
                (person.status, person.on_leave) = (Hired::Active, false);
                person.start_date = today(rig.world.clock.now());
            }
            Turn::Rename => {
                person.last_name = format!("{}-Weber", person.last_name);
                person.email = person.email.replace('@', ".weber@");
            }
            Turn::NewManager => person.manager = Some(0),
        }
        let now = self.person.clone();
        if let Some(index) = self.index {
            rig.edit(index, |person| *person = now.clone());
            self.had_account |= now.status == Hired::Active && !now.on_leave;
        }
    }

    /// What is not as Namely says.
    fn lacks(&self, rig: &Rig, okta: &Okta) -> Option<String> {
        let manager = self.person.manager.map(|manager| rig.world.namely.core().person(manager).clone());
        let expected = expect_at_start(&self.person, manager.as_ref()).filter(|_| self.had_account);
        let users: Vec<_> = okta.user_by_anchor(&self.person.id).into_iter().collect();
        difference(expected.as_ref(), &users, okta).map(|what| format!("{:?}: {what}", self.order))
    }
}

#[test]
fn a_life_ends_as_namely_says_whatever_order_its_turns_come_in() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        // Where Okta suspends nobody who has never signed in, who goes on leave before that waits for it.
        setup.okta.suspend_pending = true;
        let rig = Rig::settled(setup).await;
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut lives: Vec<Life> = (0..LIVES)
            .map(|number| {
                let mut order = TURNS.to_vec();
                order.shuffle(&mut random);
                Life::new(&rig, number, order)
            })
            .collect();
        for step in 0..TURNS.len() {
            for life in &mut lives {
                life.takes(&rig, life.order[step]);
            }
            rig.quiet().await;
        }
        let lacking = |okta: &Okta| -> Vec<String> { lives.iter().filter_map(|life| life.lacks(&rig, okta)).collect() };
        let ends = crate::common::rig::comes_true(async || lacking(&rig.world.okta.core()).is_empty()).await;
        assert!(ends, "seed {SEED}:\n{}", lacking(&rig.world.okta.core()).join("\n"));
        assert_eq!(rig.quarantined().await, []);
    });
}
