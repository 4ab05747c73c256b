//! Which page to ask Namely for next: a hot pass over what was edited last, and a rolling walk over everybody.
//!
//! **Invariant:** a walk is evidence only if complete: every page up to the empty one was read, and as many distinct
//! profiles were seen as Namely says there are. An incomplete walk may add and update, never remove.

use super::hot::{Hot, Shows};
use super::incomplete::Incomplete;
use crate::clock::Moment;
use crate::domain::record::employee::ContentHash;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

/// How a tenant is polled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// `GET`s per sliding minute; Namely throttles the 101st (`namely-api.md §6.1`).
    pub per_minute: usize,
    /// From one hot pass to the next.
    pub hot_interval: Duration,
    /// From the start of one walk to the start of the next, at least.
    pub walk_interval: Duration,
    /// Pages of the walk that are asked for at once; a page can take 8 s.
    pub pages_in_flight: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            per_minute: 90,
            hot_interval: Duration::from_secs(5),
            walk_interval: Duration::from_secs(60),
            pages_in_flight: 8,
        }
    }
}

impl Pace {
    /// From one hot pass to the next: passes spend a third of the requests at most, so that none waits because a minute is spent.
    pub fn between_passes(&self) -> Duration {
        self.hot_interval.max(MINUTE / u32::try_from(self.per_minute / 3).unwrap_or(u32::MAX).max(1))
    }
}

/// A page to ask for. Pages count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fetch {
    /// Of the profiles edited last.
    Hot { page: usize },
    /// Of the walk with this number.
    Walk { walk: u64, page: usize },
    /// One profile, because somebody has asked for it: of neither pass.
    One,
}

impl Fetch {
    /// Whether it is a page of a walk over everybody.
    pub const fn is_of_walk(self) -> bool {
        matches!(self, Fetch::Walk { .. })
    }
}

/// What a page showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub ids: Vec<String>,
    pub total_count: Option<u64>,
    /// How many of the profiles had changed.
    pub changed: usize,
}

/// Why a page was not read.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// 406 or 429: Namely throttles.
    Throttled,
    /// Anything else.
    Failed(String),
}

/// The end of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkEnd {
    pub walk: u64,
    pub profiles: u64,
    pub seconds: f64,
    /// `Err` says what is missing: then the walk proves nothing.
    pub complete: Result<(), Incomplete>,
    /// When it began, on the monotonic time line.
    pub started: Moment,
    /// Whom it has shown, and whom the other pass has shown meanwhile.
    pub shown: Shown,
}

/// Profiles that were shown, by the hash of their id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown(HashSet<[u8; 16]>);

impl Shown {
    /// These profiles.
    pub fn of<'i>(ids: impl IntoIterator<Item = &'i str>) -> Self {
        Self(ids.into_iter().map(|id| ContentHash::of(id.as_bytes()).0).collect())
    }

    /// Whether a profile was shown.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(&ContentHash::of(id.as_bytes()).0)
    }
}

const THROTTLE_PAUSE: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 3;

/// Pages of a walk that may show nobody new: whoever is hired or leaves meanwhile moves some people to a page that was read
/// already, but not whole pages of them.
const PAGES_OF_NOBODY_NEW: usize = 3;
/// Profiles of one tenant, at most.
const MOST_PROFILES: usize = 2_000_000;
/// A walk may show so many profiles more than Namely says there are: people are hired while it goes on.
const HIRED_MEANWHILE: u64 = 1000;

struct Walk {
    number: u64,
    started: Moment,
    next_page: usize,
    retry: Vec<usize>,
    in_flight: BTreeMap<usize, ()>,
    attempts: BTreeMap<usize, u32>,
    /// The first page that was empty.
    end: Option<usize>,
    distinct: HashSet<[u8; 16]>,
    /// Whom other pages have shown meanwhile: they are there, whatever this walk has read before.
    beside: Vec<String>,
    /// Pages that showed people, and nobody who was not seen before.
    stale_pages: usize,
    total: Option<u64>,
    failure: Option<Incomplete>,
}

impl Walk {
    /// What a page showed.
    fn saw(&mut self, page: usize, seen: &Seen) {
        if seen.ids.is_empty() {
            self.end = Some(self.end.map_or(page, |end| end.min(page)));
        }
        let before = self.distinct.len();
        self.distinct.extend(seen.ids.iter().map(|id| ContentHash::of(id.as_bytes()).0));
        self.total = seen.total_count.or(self.total);
        if !seen.ids.is_empty() && self.distinct.len() == before {
            self.stale_pages += 1;
        }
        if self.failure.is_none() {
            self.failure = self.endless(page);
        }
    }

    /// Why this walk would never end.
    fn endless(&self, page: usize) -> Option<Incomplete> {
        let shown = self.distinct.len();
        if self.stale_pages > PAGES_OF_NOBODY_NEW {
            return Some(Incomplete::Repeats { page, shown });
        }
        if shown > MOST_PROFILES {
            return Some(Incomplete::Endless { page, shown });
        }
        let passed = self.total.filter(|total| shown as u64 > total.saturating_add(HIRED_MEANWHILE.max(total / 10)));
        passed.map(|total| Incomplete::TooMany { total, page, shown })
    }

    fn new(number: u64, started: Moment) -> Self {
        Self {
            number,
            started,
            next_page: 1,
            retry: Vec::new(),
            in_flight: BTreeMap::new(),
            attempts: BTreeMap::new(),
            end: None,
            distinct: HashSet::new(),
            beside: Vec::new(),
            stale_pages: 0,
            total: None,
            failure: None,
        }
    }

    fn next(&mut self) -> Option<usize> {
        if self.failure.is_some() {
            return None;
        }
        let page = self.retry.pop().or_else(|| {
            let page = self.next_page;
            self.end.is_none().then(|| {
                self.next_page += 1;
                page
            })
        })?;
        self.in_flight.insert(page, ());
        Some(page)
    }

    fn has_next(&self) -> bool {
        self.failure.is_none() && (!self.retry.is_empty() || self.end.is_none())
    }

    fn is_over(&self) -> bool {
        self.in_flight.is_empty() && !self.has_next()
    }

    fn verdict(&self) -> Result<(), Incomplete> {
        if let Some(why) = &self.failure {
            return Err(why.clone());
        }
        let seen = self.distinct.len() as u64;
        match self.total {
            Some(total) if total == seen => Ok(()),
            Some(total) => Err(Incomplete::Missing { total, seen }),
            None => Err(Incomplete::NoTotal),
        }
    }
}

/// The schedule of one tenant. All times are of the monotonic clock.
pub struct Walker {
    pace: Pace,
    sent: VecDeque<Moment>,
    /// Of those, the profiles that somebody has asked for.
    ones: VecDeque<Moment>,
    paused_until: Option<Moment>,
    hot: Hot,
    walk: Option<Walk>,
    walk_due: Moment,
    walks: u64,
}

impl Walker {
    /// Another pace from now on.
    pub fn set_pace(&mut self, pace: Pace, now: Moment) {
        self.pace = pace;
        self.hot.due = self.hot.due.min(now + pace.between_passes());
        self.walk_due = self.walk_due.min(now + pace.walk_interval);
    }

    /// A walker that starts both passes at `now`.
    pub fn new(pace: Pace, now: Moment) -> Self {
        Self {
            pace,
            sent: VecDeque::new(),
            ones: VecDeque::new(),
            paused_until: None,
            hot: Hot::new(now),
            walk: None,
            walk_due: now,
            walks: 0,
        }
    }

    /// The pages to ask for now. They count as sent.
    pub fn due(&mut self, now: Moment) -> Vec<Fetch> {
        while self.sent.front().is_some_and(|sent| now.since(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        if self.paused_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.paused_until = None;
        let mut fetches = Vec::new();
        if !self.hot.in_flight && self.sent.len() < self.pace.per_minute && now >= self.hot.due {
            fetches.push(Fetch::Hot { page: self.hot.send(now + self.pace.between_passes()) });
            self.sent.push_back(now);
        }
        if self.walk.is_none() && now >= self.walk_due {
            self.walks += 1;
            self.walk_due = now + self.pace.walk_interval;
            self.walk = Some(Walk::new(self.walks, now));
        }
        let for_walk = self.pace.per_minute.saturating_sub(self.hot_share());
        if let Some(walk) = &mut self.walk {
            while self.sent.len() < for_walk && walk.in_flight.len() < self.pace.pages_in_flight {
                let Some(page) = walk.next() else { break };
                fetches.push(Fetch::Walk { walk: walk.number, page });
                self.sent.push_back(now);
            }
        }
        fetches
    }

    /// Whether one profile may be asked for now, besides the passes; it counts as sent.
    pub fn one(&mut self, now: Moment) -> bool {
        let of_minute = |sent: &VecDeque<Moment>| sent.iter().filter(|sent| now.since(**sent) < MINUTE).count();
        self.ones.retain(|sent| now.since(*sent) < MINUTE);
        let spent = of_minute(&self.sent) >= self.pace.per_minute || self.ones.len() >= self.ones_share();
        let paused = self.paused_until.is_some_and(|until| now < until);
        if !spent && !paused {
            self.sent.push_back(now);
            self.ones.push_back(now);
        }
        !spent && !paused
    }

    /// When `due` may have something new without an answer arriving.
    pub fn next_wake(&self, now: Moment) -> Option<Moment> {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        let room_at = |limit: usize| match self.sent.len() {
            n if n < limit => now,
            n => self.sent.get(n - limit.max(1)).map_or(now, |sent| *sent + MINUTE),
        };
        let hot = (!self.hot.in_flight).then(|| self.hot.due.max(room_at(self.pace.per_minute)));
        let for_walk = room_at(self.pace.per_minute.saturating_sub(self.hot_share()));
        let walk = match &self.walk {
            None => Some(self.walk_due),
            Some(walk) if walk.in_flight.len() < self.pace.pages_in_flight && walk.has_next() => Some(for_walk),
            Some(_) => None,
        };
        hot.into_iter().chain(walk).min()
    }

    /// A page was read, and what it showed is committed.
    pub fn on_page(&mut self, fetch: Fetch, seen: &Seen, now: Moment) -> Option<WalkEnd> {
        match fetch {
            Fetch::One => {
                self.saw_beside(seen);
                None
            }
            Fetch::Hot { page } => {
                self.saw_beside(seen);
                let shows = match (seen.ids.is_empty(), seen.changed) {
                    (true, _) => Shows::Nobody,
                    (false, 0) => Shows::NoNews,
                    (false, _) => Shows::News,
                };
                self.hot.on_page(page, shows, now);
                None
            }
            Fetch::Walk { walk: number, page } => {
                let walk = self.walk.as_mut().filter(|w| w.number == number)?;
                walk.in_flight.remove(&page);
                walk.saw(page, seen);
                self.finish_if_over(now)
            }
        }
    }

    /// A page was not read.
    pub fn on_failure(&mut self, fetch: Fetch, failure: &Failure, now: Moment) -> Option<WalkEnd> {
        if *failure == Failure::Throttled {
            self.paused_until = Some(now + THROTTLE_PAUSE);
        }
        match fetch {
            Fetch::One => None,
            Fetch::Hot { page } => {
                self.hot.on_failure(page);
                None
            }
            Fetch::Walk { walk: number, page } => {
                let walk = self.walk.as_mut().filter(|w| w.number == number)?;
                walk.in_flight.remove(&page);
                let attempts = walk.attempts.entry(page).or_default();
                match failure {
                    Failure::Throttled => walk.retry.push(page),
                    Failure::Failed(_) if *attempts + 1 < ATTEMPTS => {
                        *attempts += 1;
                        walk.retry.push(page);
                    }
                    Failure::Failed(why) => walk.failure = Some(Incomplete::Page { page, why: why.clone() }),
                }
                self.finish_if_over(now)
            }
        }
    }

    fn saw_beside(&mut self, seen: &Seen) {
        if let Some(walk) = &mut self.walk {
            walk.beside.extend(seen.ids.iter().cloned());
        }
    }

    fn finish_if_over(&mut self, now: Moment) -> Option<WalkEnd> {
        let mut walk = self.walk.take_if(|walk| walk.is_over())?;
        let (profiles, complete) = (walk.distinct.len() as u64, walk.verdict());
        let beside = std::mem::take(&mut walk.beside);
        walk.distinct.extend(beside.iter().map(|id| ContentHash::of(id.as_bytes()).0));
        Some(WalkEnd {
            walk: walk.number,
            profiles,
            seconds: now.since(walk.started).as_secs_f64(),
            complete,
            started: walk.started,
            shown: Shown(walk.distinct),
        })
    }

    /// Profiles in a minute that may be asked for beside the passes: whoever asks for more does not blind them.
    fn ones_share(&self) -> usize {
        (self.pace.per_minute / 4).max(1)
    }

    /// Requests per minute kept for the hot pass.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful")]
    fn hot_share(&self) -> usize {
        let passes = MINUTE.as_secs_f64() / self.pace.between_passes().as_secs_f64().max(0.001);
        (passes.ceil() as usize).min(self.pace.per_minute / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("u-{n}")).collect()
    }

    /// Runs until the end of a walk over `people` with 50 on a page; `answer` may change what a page shows.
    fn run(people: usize, answer: impl Fn(usize, Seen) -> Result<Seen, Failure>) -> (WalkEnd, Vec<Moment>) {
        let mut now = Moment::from_secs(1000);
        let mut walker = Walker::new(Pace::default(), now);
        let mut times = Vec::new();
        loop {
            for fetch in walker.due(now) {
                times.push(now);
                let page = match fetch {
                    Fetch::Hot { page } | Fetch::Walk { page, .. } => page,
                    Fetch::One => unreachable!("nobody has asked for one profile"),
                };
                let all = ids(0..people);
                let shown: Vec<String> = all.into_iter().skip((page - 1) * 50).take(50).collect();
                let seen = Seen { ids: shown, total_count: Some(people as u64), changed: 0 };
                let end = match (fetch, answer(page, seen.clone())) {
                    (Fetch::Hot { .. } | Fetch::One, _) => walker.on_page(fetch, &seen, now),
                    (_, Ok(seen)) => walker.on_page(fetch, &seen, now),
                    (_, Err(failure)) => walker.on_failure(fetch, &failure, now),
                };
                if let Some(end) = end {
                    return (end, times);
                }
            }
            now = walker.next_wake(now).expect("something is due").max(now + Duration::from_millis(1));
        }
    }

    #[test]
    fn a_walk_over_every_page_that_shows_everybody_is_complete() {
        let (end, _) = run(120, |_, seen| Ok(seen));
        assert_eq!((end.profiles, end.complete), (120, Ok(())));
    }

    #[test]
    fn a_page_that_ends_early_makes_the_walk_prove_nothing() {
        let (end, _) = run(500, |page, seen| if page == 3 { Ok(Seen { ids: vec![], ..seen }) } else { Ok(seen) });
        assert!(end.complete.is_err_and(|why| why.to_string().contains("500")));
        let (end, _) = run(500, |page, mut seen| {
            if page == 3 {
                seen.ids.truncate(10);
            }
            Ok(seen)
        });
        assert!(end.complete.is_err_and(|why| why.to_string().contains("showed 460")));
    }

    #[test]
    fn a_failing_page_is_tried_again_and_then_ends_the_walk_as_incomplete() {
        let (end, _) = run(200, |page, seen| match page {
            2 => Err(Failure::Failed("HTTP 504".into())),
            _ => Ok(seen),
        });
        assert!(end.complete.is_err_and(|why| why.to_string().contains("page 2: HTTP 504")));
    }

    #[test]
    fn the_budget_of_a_sliding_minute_is_never_exceeded() {
        let (end, times) = run(10_000, |_, seen| Ok(seen));
        assert_eq!(end.complete, Ok(()));
        assert!(times.len() > 200);
        for (i, at) in times.iter().enumerate() {
            let in_minute = times[..=i].iter().filter(|t| at.since(**t) < MINUTE).count();
            assert!(in_minute <= Pace::default().per_minute, "{in_minute}");
        }
        assert!(end.seconds < 200.0, "{}", end.seconds);
    }

    #[test]
    fn a_throttle_pauses_both_passes_for_a_minute_and_loses_no_page() {
        let mut now = Moment::from_secs(0);
        let mut walker = Walker::new(Pace::default(), now);
        let fetches = walker.due(now);
        let walk_page = fetches.iter().find(|f| matches!(f, Fetch::Walk { .. })).copied().expect("a page of the walk");
        walker.on_failure(walk_page, &Failure::Throttled, now);
        now = now + Duration::from_secs(59);
        assert_eq!(walker.due(now), []);
        now = now + Duration::from_secs(1);
        assert!(walker.due(now).contains(&walk_page));
    }

    #[test]
    fn passes_that_are_wanted_too_often_are_made_evenly_whatever_the_walk_asks_for() {
        let pace = Pace { hot_interval: Duration::from_secs(1), ..Pace::default() };
        let (mut walker, mut passes) = (Walker::new(pace, Moment::from_secs(0)), Vec::new());
        for second in 0..240 {
            for fetch in walker.due(Moment::from_secs(second)) {
                passes.extend(matches!(fetch, Fetch::Hot { .. }).then_some(second));
                let page = if let Fetch::Walk { page, .. } = fetch { page } else { 1 };
                let seen = Seen { ids: ids(page * 50..page * 50 + 50), total_count: Some(1_000_000), changed: 0 };
                walker.on_page(fetch, &seen, Moment::from_secs(second));
            }
        }
        assert_eq!(passes.windows(2).map(|two| two[1] - two[0]).max(), Some(2));
    }

    #[test]
    fn another_pace_brings_the_next_pass_forward() {
        let now = Moment::from_secs(0);
        let slow = Pace { hot_interval: Duration::from_secs(3600), ..Pace::default() };
        let mut walker = Walker::new(slow, now);
        assert!(walker.due(now).contains(&Fetch::Hot { page: 1 }));
        walker.on_page(Fetch::Hot { page: 1 }, &Seen::default(), now);
        let later = now + Duration::from_secs(3);
        assert!(!walker.due(later).contains(&Fetch::Hot { page: 1 }));
        walker.set_pace(Pace { hot_interval: Duration::from_secs(2), ..slow }, later);
        assert!(walker.due(later + Duration::from_secs(2)).contains(&Fetch::Hot { page: 1 }));
    }

    /// Answers every page of a walk until it ends; returns its end and how many pages were asked for.
    fn walked(mut show: impl FnMut(usize) -> Seen) -> (WalkEnd, usize) {
        let mut now = Moment::from_secs(0);
        let pace = Pace { per_minute: 100_000, hot_interval: Duration::from_secs(86_400), ..Pace::default() };
        let mut walker = Walker::new(pace, now);
        let mut asked = 0;
        loop {
            now = now + Duration::from_secs(1);
            for fetch in walker.due(now) {
                let Fetch::Walk { page, .. } = fetch else { continue };
                asked += 1;
                if let Some(end) = walker.on_page(fetch, &show(page), now) {
                    return (end, asked);
                }
            }
        }
    }

    #[test]
    fn a_namely_that_ignores_the_page_or_never_ends_is_told_and_proves_nothing() {
        let same = |_| Seen { ids: ids(0..50), total_count: Some(50), changed: 0 };
        let (end, asked) = walked(same);
        assert!(
            end.complete.is_err_and(|why| why.to_string().contains("ignores `page`")),
            "with the right number of people"
        );
        assert!(asked < 20, "{asked}");
        let turns = |page| Seen { ids: ids(page % 3 * 50..page % 3 * 50 + 50), total_count: Some(150), changed: 0 };
        assert!(walked(turns).0.complete.is_err_and(|why| why.to_string().contains("ignores `page`")));
        for total_count in [Some(100), Some(0)] {
            let (end, asked) = walked(|page| Seen { ids: ids(page * 50..page * 50 + 50), total_count, changed: 0 });
            assert!(end.complete.is_err_and(|why| why.to_string().contains("does not end")), "{total_count:?}");
            assert!(asked < 60, "{asked}");
        }
    }

    #[test]
    fn people_who_move_to_an_earlier_page_do_not_end_a_walk() {
        let (end, _) = walked(|page| Seen {
            ids: match page {
                1 => ids(0..50),
                2 => ids(49..99),
                3 => ids(98..99),
                _ => Vec::new(),
            },
            total_count: Some(99),
            changed: 0,
        });
        assert_eq!(end.complete, Ok(()));
    }

    #[test]
    fn whom_the_hot_pass_shows_during_a_walk_is_there_although_the_walk_has_passed_them() {
        let now = Moment::from_secs(0);
        let mut walker = Walker::new(Pace { pages_in_flight: 1, ..Pace::default() }, now);
        let first = walker.due(now).into_iter().find(|fetch| fetch.is_of_walk()).expect("a page of the walk");
        let shows = |ids: Vec<String>| Seen { ids, total_count: Some(2), changed: 0 };
        assert_eq!(walker.on_page(first, &shows(ids(0..2)), now), None);
        walker.on_page(Fetch::Hot { page: 1 }, &shows(vec!["u-new".into()]), now);
        let last = walker.due(now).into_iter().find(|fetch| fetch.is_of_walk()).expect("the last page");
        let end = walker.on_page(last, &shows(Vec::new()), now).expect("the walk is over");
        assert_eq!((end.profiles, &end.complete), (2, &Ok(())));
        assert!(end.shown.has("u-0") && end.shown.has("u-new") && !end.shown.has("u-2"));
    }

    #[test]
    fn one_profile_that_is_asked_for_spends_the_same_minute() {
        let now = Moment::from_secs(0);
        let mut walker = Walker::new(Pace { per_minute: 20, ..Pace::default() }, now);
        walker.due(now);
        assert_eq!((0..90).filter(|_| walker.one(now)).count(), 5, "a quarter of the minute at most");
        assert!(walker.one(now + MINUTE), "a minute later there is room again");
        walker.on_failure(Fetch::Hot { page: 1 }, &Failure::Throttled, now + MINUTE);
        assert!(!walker.one(now + MINUTE), "not while Namely throttles");
    }
}
