//! HR does anything, the network does its worst, the service is killed and stopped at any moment: afterwards every person is
//! as Namely says, nobody who left has access, and no account of anybody else was touched.
//!
//! A minute without anything said; `CHAOS_MINUTES=120` goes on for two hours, `CHAOS_SEED=7` has other rolls,
//! `CHAOS_KINDS=Mix,Refuse` has these mishaps alone, `CHAOS_KEEP=DIR` keeps store and log of a run that fails.

#[path = "../common"]
mod common {
    pub mod config;
    pub mod program;
    pub mod quick;
    pub mod running;
}
mod proxy;
mod tenant;

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::running::Running;
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Person;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use proxy::{Mishap, Proxy, Side};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tenant::{Office, differences, fingerprint, leavers_with_access};

const PEOPLE: usize = 60;
/// Seconds of calm, with the service up, after which nobody who left may still have access.
const BOUND: f64 = 60.0;
/// How long the end may take.
const SETTLE: Duration = Duration::from_secs(120);

/// Everything that takes part.
struct Chaos {
    world: World,
    proxies: [Proxy; 2],
    folder: tempfile::TempDir,
    config: PathBuf,
    log: PathBuf,
    service: Option<Running>,
    random: ChaCha8Rng,
    office: Office,
    /// Accounts that are nobody's, as they were at the start.
    strangers: BTreeMap<String, String>,
    kills: u64,
    stops: u64,
    /// Seconds of calm that leavers have kept their access, by profile.
    exposed: BTreeMap<String, f64>,
    longest: f64,
    /// Whom an account was somebody's first.
    owners: BTreeMap<String, String>,
    findings: BTreeSet<String>,
}

fn variable(name: &str) -> Option<f64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let clock = Clock::system();
        let scenario = Scenario::make("day", PEOPLE, seed, today(clock.now())).expect("a scenario");
        let mut okta = quick_okta();
        okta.suspend_pending = true;
        let world = World::start(&scenario, quick_namely(), okta, clock.clone()).expect("ports");
        let mut office = Office::new(seed, PEOPLE, &clock);
        let strangers = strangers(&mut world.okta.core(), &mut office, clock.now());
        let proxies = [
            Proxy::start(Side::Namely, world.namely.address, seed + 1, clock.clone()),
            Proxy::start(Side::Okta, world.okta.address, seed + 2, clock.clone()),
        ];
        let folder = tempfile::tempdir().expect("a folder");
        let config = config_file(&world, folder.path());
        let text = std::fs::read_to_string(&config).expect("reads");
        let text = text
            .replace(&world.namely.url(), &format!("http://{}", proxies[0].address))
            .replace(&world.okta.url(), &format!("http://{}", proxies[1].address))
            .replace("adopt = \"automatic\"", "adopt = \"automatic\"\ntimeout = \"3s\"")
            .replace("time_zone = \"America/New_York\"", "time_zone = \"America/New_York\"\ntimeout = \"3s\"");
        std::fs::write(&config, text).expect("writes");
        let log = folder.path().join("log");
        Self {
            world,
            proxies,
            config,
            log,
            service: None,
            random: ChaCha8Rng::seed_from_u64(seed),
            office,
            strangers,
            kills: 0,
            stops: 0,
            exposed: BTreeMap::new(),
            longest: 0.0,
            owners: BTreeMap::new(),
            findings: BTreeSet::new(),
            folder,
        }
    }

    fn now(&self) -> Moment {
        self.world.clock.monotonic()
    }

    fn people(&self) -> Vec<Person> {
        self.world.namely.core().people().cloned().collect()
    }

    /// A storm: some kinds of mishap at once, more or less of each.
    fn storm(&mut self, kinds: &[Mishap]) {
        for side in 0..2 {
            let mut weather = BTreeMap::new();
            for kind in kinds {
                if self.random.random_bool((2.0 / kinds.len() as f64).clamp(0.4, 1.0)) {
                    weather.insert(*kind, self.random.random_range(0.02..0.2));
                }
            }
            self.proxies[side].weather(weather);
        }
    }

    fn calm(&self) {
        self.proxies.iter().for_each(|proxy| proxy.weather(BTreeMap::new()));
    }

    fn start(&mut self) {
        self.service = Some(Running::service(&self.config, &self.log, None));
    }

    /// The service is killed, or told to end and killed if it does not.
    fn end(&mut self, kill: bool) {
        let Some(mut service) = self.service.take() else { return };
        if kill {
            self.kills += 1;
            service.kill();
            return;
        }
        self.stops += 1;
        let message = Command::new("kill").arg(service.0.id().to_string()).status().expect("kill");
        assert!(message.success());
        let begun = self.now();
        while !service.has_ended() {
            if self.now().since(begun) > Duration::from_secs(60) {
                self.findings.insert("a service that was told to end did not within a minute".into());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = service.0.wait().expect("ends");
        // Told before the program came to listen, it ends as if it was killed.
        if !status.success() && status.signal() != Some(15) {
            self.findings.insert(format!("a clean stop ended with {status}"));
        }
    }

    /// Looks at everybody, whatever goes on; `calm` is how long nothing was in the way.
    fn read(&mut self, calm: f64) {
        if self.service.as_mut().is_some_and(Running::has_ended) {
            self.findings.insert("the service ended by itself".into());
            self.start();
        }
        let people = self.people();
        let okta = self.world.okta.core();
        let leavers = leavers_with_access(&people, &okta, today(self.world.clock.now()));
        for user in okta.users() {
            if let Some(anchor) = user.profile.get("namelyId").and_then(|anchor| anchor.as_str()) {
                let owner = self.owners.entry(user.id.clone()).or_insert_with(|| anchor.to_owned());
                if owner != anchor {
                    self.findings
                        .insert(format!("takeover: the account {} of {owner} became that of {anchor}", user.id));
                }
            }
        }
        for (id, was) in &self.strangers {
            let is = okta.users().find(|user| user.id == *id).map(|user| fingerprint(user, &okta));
            if is.as_ref() != Some(was) {
                self.findings.insert(format!("takeover: {id}, which is nobody's, was {was} and is {is:?}"));
            }
        }
        self.exposed.retain(|id, _| leavers.contains(id));
        for id in leavers {
            let exposed = self.exposed.entry(id.clone()).or_default();
            *exposed += calm;
            self.longest = self.longest.max(*exposed);
            if *exposed > BOUND {
                self.findings.insert(format!("{id} left and kept access for more than {BOUND} s of calm"));
            }
        }
    }

    /// Lets everything happen at once.
    fn rage(&mut self, span: Duration, kinds: &[Mishap]) {
        let begun = self.now();
        self.start();
        let (mut weather_until, mut stormy) = (begun, true);
        let mut ends_at = begun + Duration::from_secs(4);
        while self.now().since(begun) < span {
            let now = self.now();
            if now >= weather_until {
                stormy = !stormy;
                if stormy {
                    self.storm(kinds)
                } else {
                    self.calm()
                }
                let most = if stormy { 9000 } else { 4000 };
                weather_until = now + Duration::from_millis(self.random.random_range(2000..most));
            }
            if now >= ends_at {
                let kill = self.random.random_bool(0.6);
                self.end(kill);
                std::thread::sleep(Duration::from_millis(self.random.random_range(0..1500))); // it is down for a while
                self.start();
                ends_at = now + Duration::from_millis(self.random.random_range(1500..12_000));
            }
            self.office.act(&self.world);
            let nap = Duration::from_millis(self.random.random_range(10..120));
            std::thread::sleep(nap); // the pace of HR
            let calm = if stormy { 0.0 } else { self.now().since(now).as_secs_f64() };
            self.read(calm);
        }
        self.calm();
    }

    /// Waits until nothing more is found; returns what is left then. Every now and then somebody asks for whoever is quarantined.
    fn settle(
        &mut self,
        retry: bool,
        mut left: impl FnMut(&Self) -> BTreeMap<String, String>,
    ) -> (BTreeMap<String, String>, f64) {
        let begun = self.now();
        for round in 0_u64.. {
            let rest = left(self);
            let took = self.now().since(begun);
            if rest.is_empty() || took > SETTLE {
                return (rest, took.as_secs_f64());
            }
            if retry && round % 25 == 0 {
                self.ask(&["quarantine", "retry", "--all", "--by", "chaos"]);
            }
            std::thread::sleep(Duration::from_millis(200));
            self.read(0.0);
        }
        unreachable!("the rounds do not end before the time does")
    }

    fn differences(&self) -> BTreeMap<String, String> {
        let people = self.people();
        let mut okta = self.world.okta.core();
        okta.settle(self.world.clock.now());
        differences(&people, &okta, today(self.world.clock.now()), &self.office.namesakes)
    }

    fn leavers(&self) -> BTreeMap<String, String> {
        let people = self.people();
        let mut okta = self.world.okta.core();
        okta.settle(self.world.clock.now());
        let leavers = leavers_with_access(&people, &okta, today(self.world.clock.now()));
        leavers.into_iter().map(|id| (id, "left and has access".to_owned())).collect()
    }

    fn ask(&self, arguments: &[&str]) -> (bool, String) {
        let output = program().args(arguments).arg("--config").arg(&self.config).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// What the service says of somebody, and what happened to their calls.
    fn story(&self, profile: &str) -> String {
        let ids: Vec<String> = {
            let okta = self.world.okta.core();
            okta.user_by_anchor(profile).map(|user| user.id.clone()).into_iter().collect()
        };
        let mut lines = vec![self.ask(&["explain", profile]).1];
        for name in ids.iter().map(String::as_str).chain([profile]) {
            for proxy in &self.proxies {
                lines.extend(proxy.reported_by(name).into_iter().rev().take(6));
            }
        }
        lines.join("\n  ")
    }
}

/// Accounts of the org that are nobody's in Namely: an administrator, services, and people whom HR does not know.
fn strangers(okta: &mut Okta, office: &mut Office, now: Moment) -> BTreeMap<String, String> {
    let names = ["Break Glass", "Backup Service", "External Auditor", "Board Member", "Old Contractor"];
    let mut ids = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let login = format!("stranger{n}@example.com");
        let (first, last) = name.split_once(' ').expect("two words");
        let profile =
            json!({ "login": login, "email": login, "firstName": first, "lastName": last, "title": "None of HR's" });
        let id = okta.seed_user(profile, Status::Active, &[], now);
        if n == 0 {
            okta.seed_administrator(&id);
        }
        if std::env::var_os("CHAOS_NAMESAKES").is_some() {
            office.bait.push(login);
        }
        ids.push(id);
    }
    ids.into_iter()
        .filter_map(|id| {
            let fingerprint = okta.users().find(|user| user.id == id).map(|user| fingerprint(user, okta));
            Some((id, fingerprint?))
        })
        .collect()
}

#[test]
fn whatever_happens_in_the_end_everybody_is_as_namely_says_and_nobody_else_was_touched() {
    let seed = variable("CHAOS_SEED").map_or(11, |seed| seed as u64);
    let minutes = variable("CHAOS_MINUTES").unwrap_or(1.0);
    eprintln!("chaos: CHAOS_SEED={seed}, {minutes} minutes");
    let kinds: Vec<Mishap> = match std::env::var("CHAOS_KINDS") {
        Ok(words) => Mishap::ALL.into_iter().filter(|kind| words.contains(&format!("{kind:?}"))).collect(),
        Err(_) => Mishap::ALL.to_vec(),
    };
    let mut chaos = Chaos::new(seed);
    let begun = chaos.now();
    chaos.rage(Duration::from_secs_f64(minutes * 60.0), &kinds);
    // The faults are over. Access ends by itself; what was refused for good is tried again because somebody asks for it.
    let (leavers, ended) = chaos.settle(false, Chaos::leavers);
    let (mut lost, settled) = chaos.settle(true, Chaos::differences);
    // What waits for a decision, and says so, is not lost.
    let all = lost.len();
    lost.retain(|id, what| {
        let message = chaos.ask(&["explain", id]).1;
        let waits = message.contains("waits for a decision") || message.contains("see `review show");
        if waits {
            eprintln!("held: {what}: {}", message.lines().take(3).collect::<Vec<_>>().join(" | "));
        }
        !waits
    });
    let held = all - lost.len();
    let stories: Vec<String> =
        leavers.iter().chain(&lost).take(8).map(|(id, what)| format!("{id}: {what}\n  {}", chaos.story(id))).collect();
    let takeovers = chaos.findings.iter().filter(|finding| finding.starts_with("takeover")).count();
    chaos.end(false);
    let (good, verdict) = chaos.ask(&["audit", "verify"]);
    let faults: BTreeMap<String, u64> = chaos
        .proxies
        .iter()
        .flat_map(|proxy| {
            let side = if proxy.address == chaos.proxies[0].address { "Namely" } else { "Okta" };
            proxy.struck().into_iter().map(move |(kind, count)| (format!("{side} {kind:?}"), count))
        })
        .collect();
    eprintln!(
        "chaos: seed {seed}; {} HR changes {:?}; {} kills, {} clean stops; {} faults {faults:?}; {} calls to Namely, {} to Okta; \
         longest access after leaving {:.1} s of calm; leavers ended {ended:.1} s after the faults, everybody {settled:.1} s later, {held} held; {:.0} s in all",
        chaos.office.changes.values().sum::<u64>(),
        chaos.office.changes,
        chaos.kills,
        chaos.stops,
        faults.values().sum::<u64>(),
        chaos.proxies[0].calls(),
        chaos.proxies[1].calls(),
        chaos.longest,
        chaos.now().since(begun).as_secs_f64(),
    );
    let clean = leavers.is_empty() && lost.is_empty() && takeovers == 0 && chaos.findings.is_empty() && good;
    if !clean && let Some(keep) = std::env::var_os("CHAOS_KEEP") {
        let folder = chaos.folder.path().to_owned();
        let _ = Command::new("cp").arg("-r").arg(folder).arg(keep).status();
    }
    assert!(
        clean,
        "CHAOS_SEED={seed}: leavers with access {leavers:?}; takeovers {takeovers}; lost {lost:#?}; findings {:#?}; audit: {verdict}\n{}",
        chaos.findings,
        stories.join("\n")
    );
}
