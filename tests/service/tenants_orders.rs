//! Whatever comes first, in two companies and two orgs: all orders of small sets of events that end in one state, of which a few
//! are drawn by a seed. `ORDERS=all` plays every one of them, `ORDERS=12` so many of each story; `ORDERS_SEED=7` draws others.

use super::tenants_joined::World;
use crate::common::rig::{comes_true, on_a_system};
use namely_okta_sync::sandbox::merger::{MergedPerson, Merger, mark};
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SEED: u64 = 20_261_127;
/// Orders of each story that are drawn where nothing is said.
const DRAWN: usize = 5;

/// What HR does, in one company or in the other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    /// The other company shows a profile of its own.
    HiredThere,
    /// It is marked for the second org.
    MarkedThere,
    /// It gets another department there.
    TransferredThere,
    /// The first company lets the person go.
    EndedHere,
    /// The first company gives the person another title.
    PromotedHere,
    /// Two people of the first company get one another's address, one after the other.
    FirstAddress,
    SecondAddress,
}

use Event::{EndedHere, FirstAddress, HiredThere, MarkedThere, PromotedHere, SecondAddress, TransferredThere};

/// Who a story is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One human, who goes from the first company to the other one and to the second org.
    Mover,
    /// One who leaves the first company, and another of the same name who begins in the other one.
    Namesakes,
    /// Two who swap their addresses while one of them leaves.
    Swap,
}

const STORIES: [(Kind, &[Event]); 3] = [
    (Kind::Mover, &[HiredThere, MarkedThere, TransferredThere, EndedHere]),
    (Kind::Namesakes, &[HiredThere, TransferredThere, PromotedHere, EndedHere]),
    (Kind::Swap, &[FirstAddress, SecondAddress, PromotedHere, EndedHere]),
];
/// People of the first company in one story.
const PEOPLE: usize = 2;

/// A story in one order, with everybody as HR has them by now.
struct Story {
    kind: Kind,
    order: Vec<Event>,
    here: [usize; PEOPLE],
    ours: [Person; PEOPLE],
    theirs: Person,
    /// Their place in the other company, once they are shown.
    there: Option<usize>,
}

impl Story {
    fn new(world: &World, number: usize, kind: Kind, order: Vec<Event>) -> Self {
        let here = [number * PEOPLE, number * PEOPLE + 1];
        let ours = here.map(|n| world.merger.people[0][n].clone());
        let mut theirs = Person {
            id: format!("7c000000-0000-4000-8000-{number:012}"),
            department: (ours[0].department + 1) % 8,
            manager: None,
            ..ours[0].clone()
        };
        if kind == Kind::Namesakes {
            theirs.email = format!("namesake{number}@globex.example.com");
        }
        Self { kind, order, here, ours, theirs, there: None }
    }

    fn takes(&mut self, world: &World, event: Event) {
        let addresses = self.here.map(|n| world.merger.people[0][n].email.clone());
        match event {
            HiredThere => {
                self.there = Some(world.tenants.namely[1].core().hire(self.theirs.clone(), world.tenants.clock.now()));
            }
            MarkedThere => mark(&mut self.theirs, true),
            TransferredThere => self.theirs.department = (self.theirs.department + 2) % 8,
            EndedHere => self.ours[0].status = Hired::Inactive,
            PromotedHere => self.ours[0].title = (self.ours[0].title + 1) % 4,
            FirstAddress => self.ours[0].email.clone_from(&addresses[1]),
            SecondAddress => self.ours[1].email.clone_from(&addresses[0]),
        }
        let after = self.theirs.clone();
        if let Some(there) = self.there.filter(|_| matches!(event, MarkedThere | TransferredThere)) {
            world.tenants.edit(1, there, |person| *person = after);
        }
        for (n, after) in self.here.into_iter().zip(self.ours.clone()) {
            if *world.tenants.namely[0].core().person(n) != after {
                world.tenants.edit(0, n, |person| *person = after);
            }
        }
    }

    /// Who they are in the end.
    fn merged(&self) -> Vec<MergedPerson> {
        let [first, second] = self.here.map(Some);
        let one = |positions, moves| MergedPerson { positions, moves };
        let rest = one([second, None], false);
        match self.kind {
            Kind::Mover => vec![one([first, self.there], true), rest],
            Kind::Namesakes => vec![one([first, None], false), one([None, self.there], false), rest],
            Kind::Swap => vec![one([first, None], false), rest],
        }
    }
}

/// Every order of some events.
fn permutations(events: &[Event]) -> Vec<Vec<Event>> {
    let [] = events else {
        let with = |n: usize| {
            let mut rest = events.to_vec();
            let first = rest.remove(n);
            permutations(&rest).into_iter().map(move |order| [vec![first], order].concat())
        };
        return (0..events.len()).flat_map(with).collect();
    };
    vec![Vec::new()]
}

/// The orders that are played, and the seed that has drawn them.
fn drawn() -> (Vec<(Kind, Vec<Event>)>, u64) {
    let said = |name: &str| std::env::var(name).ok();
    let seed = said("ORDERS_SEED").and_then(|text| text.parse().ok()).unwrap_or(SEED);
    let most = match said("ORDERS").as_deref() {
        Some("all") => usize::MAX,
        Some(text) => text.parse().expect("ORDERS is a number, or all"),
        None => DRAWN,
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let orders = STORIES.into_iter().flat_map(|(kind, events)| {
        let mut orders = permutations(events);
        orders.shuffle(&mut random);
        orders.truncate(most);
        orders.into_iter().map(move |order| (kind, order))
    });
    (orders.collect(), seed)
}

#[test]
fn there_are_as_many_orders_as_there_can_be() {
    for (_, events) in STORIES {
        let mut orders = permutations(events);
        assert_eq!(orders.len(), (1..=events.len()).product::<usize>());
        orders.dedup();
        assert_eq!(orders.len(), 24, "no order comes twice");
    }
}

#[test]
fn two_companies_and_two_orgs_end_as_hr_says_whatever_order_its_events_come_in() {
    on_a_system(async {
        let (orders, seed) = drawn();
        let size = orders.len() * PEOPLE;
        let world = World::settled(size).await;
        let mut stories: Vec<Story> = orders
            .into_iter()
            .enumerate()
            .map(|(number, (kind, order))| Story::new(&world, number, kind, order))
            .collect();
        let steps = stories.iter().map(|story| story.order.len()).max().unwrap_or_default();
        for step in 0..steps {
            for story in &mut stories {
                let event = story.order[step];
                story.takes(&world, event);
            }
            let pages = || world.tenants.namely.each_ref().map(|namely| namely.core().history().exchanges().len());
            let before = pages();
            let read = || pages().into_iter().zip(before).all(|(now, before)| now > before + 4);
            world.until("both companies were looked at", async |world| read() && world.is_quiet().await).await;
        }
        let mut people = [world.merger.people[0].clone(), vec![stories[0].theirs.clone(); stories.len()]];
        for story in &stories {
            story.here.into_iter().zip(&story.ours).for_each(|(n, person)| people[0][n] = person.clone());
            if let Some(there) = story.there {
                people[1][there] = story.theirs.clone();
            }
        }
        let everybody: Vec<MergedPerson> = stories.iter().flat_map(Story::merged).collect();
        let ends = Merger { people, everybody };
        let ended = comes_true(async || ends.differences(&world.tenants).is_empty()).await;
        let orders: Vec<String> = stories.iter().map(|s| format!("{:?} {:?} {:?}", s.here, s.kind, s.order)).collect();
        let wrong = ends.differences(&world.tenants).join("\n");
        assert!(ended, "seed {seed}:\n{wrong}\n{}", orders.join("\n"));
    });
}
