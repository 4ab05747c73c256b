//! Everything that decides about people, compiled from the configuration: who is routed where, what their dates mean,
//! who is whom, which login they get, what they should hold.
//!
//! **Invariant:** pure; a rulebook never changes while it is used.

use crate::clock::Moment;
use crate::domain::account::user::AccountStatus;
use crate::domain::mapping::desired::{Desired, Mapping, Shown};
use crate::domain::mapping::explain::{Explanation, explain};
use crate::domain::mapping::expr::MappingError;
use crate::domain::mapping::expr::{Bound, Engine, Expr};
use crate::domain::mapping::login::LoginRules;
use crate::domain::mapping::view::Reads;
use crate::domain::mapping::view::Seen;
use crate::domain::matching::correlation::MatchRule;
use crate::domain::plan::case::Case;
use crate::domain::plan::limits::Safeguards;
use crate::domain::record::employee::Employee;
use crate::domain::record::facts::Facts;
use crate::domain::record::lifecycle::{self, Entitlement, Lifecycle, Policies, Terms};
use crate::domain::record::person::{Person, Position};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// A Namely tenant, as far as decisions need it.
#[derive(Clone, Debug)]
pub struct TenantRules {
    pub name: String,
    /// The zone in which its dates are meant where nothing else is said.
    pub zone: TimeZone,
}

/// What becomes of somebody none of whose profiles is routed to an org any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unrouted {
    /// They are kept as they are and reported.
    #[default]
    Keep,
    /// Their access ends.
    End,
}

/// An Okta org, as far as decisions need it.
pub struct OrgRules {
    pub name: String,
    /// The Namely tenants whose people go there.
    pub tenants: Vec<String>,
    /// Which of their people; all without it.
    pub people: Option<Expr>,
    pub unrouted: Unrouted,
    /// The linked object relation that leads to the manager; no links without it.
    pub manager_relation: Option<String>,
}

/// The rules.
pub struct Rulebook {
    pub tenants: Vec<TenantRules>,
    pub orgs: Vec<OrgRules>,
    pub policies: Policies,
    /// Whether somebody is on leave.
    pub leave: Option<Expr>,
    /// Name of the zone in which somebody's dates are meant; empty for the tenant's.
    pub zone: Option<Expr>,
    /// Which of several positions is the primary one.
    pub primary: Option<Expr>,
    pub matching: Vec<MatchRule>,
    pub login: LoginRules,
    pub mapping: Mapping,
    pub safeguards: Safeguards,
}

/// The zone in which the dates of somebody are meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Theirs, or that of their tenant.
    pub zone: TimeZone,
    /// Whether it is known to be theirs: nothing in the configuration says where people are, or it says it of them.
    pub is_of_person: bool,
    /// What HR should know about it.
    pub remark: Option<String>,
}

impl Rulebook {
    fn engine(&self) -> &Engine {
        self.mapping.engine()
    }

    /// The same rules under another mapping, with what is read with it; the error says what cannot be compiled with its functions.
    pub fn under(&self, mapping: Mapping, login: LoginRules, zone: Option<Expr>) -> Result<Self, String> {
        let engine = mapping.engine();
        let again = |expr: &Expr| engine.compile(expr.source());
        let maybe = |expr: &Option<Expr>| expr.as_ref().map(again).transpose();
        let org = |org: &OrgRules| {
            Ok(OrgRules {
                name: org.name.clone(),
                tenants: org.tenants.clone(),
                people: maybe(&org.people)?,
                unrouted: org.unrouted,
                manager_relation: org.manager_relation.clone(),
            })
        };
        let matching = |rule: &MatchRule| {
            let (name, attribute) = (rule.name.clone(), rule.attribute.clone());
            Ok(MatchRule { name, attribute, value: again(&rule.value)?, confidence: rule.confidence })
        };
        Ok(Self {
            tenants: self.tenants.clone(),
            orgs: self.orgs.iter().map(org).collect::<Result<_, String>>()?,
            policies: self.policies.clone(),
            leave: maybe(&self.leave)?,
            primary: maybe(&self.primary)?,
            matching: self.matching.iter().map(matching).collect::<Result<_, String>>()?,
            safeguards: self.safeguards.clone(),
            zone,
            login,
            mapping,
        })
    }

    /// The rules of an org.
    pub fn org(&self, name: &str) -> Option<&OrgRules> {
        self.orgs.iter().find(|org| org.name == name)
    }

    /// The orgs that people of a tenant may go to.
    pub fn orgs_of<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a OrgRules> {
        self.orgs.iter().filter(move |org| org.tenants.iter().any(|t| t == tenant))
    }

    fn bind(&self, org: &str, position: &Position, reads: &Reads) -> Bound<'_> {
        let seen = Seen { tenant: &position.tenant, org, ..Seen::of(&position.employee) };
        self.engine().bind(&seen, reads)
    }

    /// Whether a profile is routed to an org; the error says which expression failed.
    pub fn routes(&self, org: &OrgRules, position: &Position) -> Result<bool, MappingError> {
        let Some(people) = &org.people else { return Ok(true) };
        let label = format!("okta {} people", org.name);
        people
            .holds(&self.bind(&org.name, position, people.reads()))
            .map_err(|message| MappingError::of(&label, people, message))
    }

    /// The zone in which the dates of a position are meant.
    pub fn zone_of(&self, position: &Position) -> Zone {
        let tenant = self.tenants.iter().find(|tenant| tenant.name == position.tenant);
        let tenant = tenant.map_or(TimeZone::UTC, |tenant| tenant.zone.clone());
        let of_tenant = |remark| Zone { zone: tenant.clone(), is_of_person: false, remark };
        let Some(expr) = &self.zone else { return Zone { is_of_person: true, ..of_tenant(None) } };
        match expr.text(&self.bind("", position, expr.reads())) {
            Ok(name) if name.is_empty() => of_tenant(None),
            Ok(name) => match TimeZone::get(&name) {
                Ok(zone) => Zone { zone, is_of_person: true, remark: None },
                Err(_) => of_tenant(Some(format!("{name:?} is not a time zone; dates are taken in the tenant's"))),
            },
            Err(why) => {
                of_tenant(Some(format!("the time zone cannot be told ({why}); dates are taken in the tenant's")))
            }
        }
    }

    fn position_lifecycle(&self, position: &Position, ended_at: Option<Moment>, now: Moment) -> Lifecycle {
        let Zone { zone, is_of_person, remark } = self.zone_of(position);
        let on_leave = self.leave.as_ref().map_or(Ok(false), |leave| {
            let on_leave = leave.holds(&self.bind("", position, leave.reads()));
            on_leave.map_err(|message| MappingError::of("leave.when", leave, message).to_string())
        });
        let terms = Terms { policies: &self.policies, zone: &zone, is_of_person, on_leave, ended_at };
        let mut lifecycle = lifecycle::lifecycle(&position.employee, &terms, now);
        lifecycle.remarks.extend(remark);
        lifecycle
    }

    /// The person of these profiles, the primary position first: what grants most, then what `primary` says, then the
    /// order of the tenants, then who began first.
    pub fn person(&self, positions: Vec<Position>, ended_at: Option<Moment>, now: Moment) -> Option<Person> {
        if positions.len() < 2 {
            return Person::new(positions);
        }
        let mut ordered: Vec<_> = positions
            .into_iter()
            .map(|position| {
                let lifecycle = self.position_lifecycle(&position, ended_at, now);
                let chosen = self.primary.as_ref();
                let chosen = chosen.is_some_and(|p| p.holds(&self.bind("", &position, p.reads())) == Ok(true));
                let tenant = self.tenants.iter().position(|tenant| tenant.name == position.tenant);
                let (start, id) = (position.employee.start_date, position.employee.id.clone());
                ((!lifecycle.entitlement.counts(), !chosen, tenant, start, id), position)
            })
            .collect();
        ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
        Person::new(ordered.into_iter().map(|(_, position)| position).collect())
    }

    /// What the record grants a person in an org now. Who is not routed there any more is kept or ended, as the org says;
    /// whose status or dates say that access is over is ended in every org; so is whose access somebody has ended.
    pub fn lifecycle(&self, case: &Case, now: Moment) -> Lifecycle {
        let says = self.recorded(case, now);
        match &case.end_now {
            Some(asked) => asked.over(says, now),
            None => says,
        }
    }

    /// The same, whatever anybody has asked for beside the record.
    pub fn recorded(&self, case: &Case, now: Moment) -> Lifecycle {
        let all: Vec<&Position> = case.person.positions().iter().chain(&case.elsewhere).collect();
        let ended_at = self.ended_at(&all, case.ended_at, now);
        let of = |positions: &[Position]| {
            lifecycle::together(positions.iter().map(|p| self.position_lifecycle(p, ended_at, now)).collect())
        };
        let mut here = of(case.person.positions());
        // An account that was never activated gives no access, and is prepared for the start.
        let account = case.account.as_ref().filter(|account| account.status != AccountStatus::Staged);
        if let Some(since) = case.ended_at.filter(|_| account.is_some()) {
            here = here.after_leaving(since, &self.policies, now);
        }
        let unrouted = self.org(&case.org).map(|org| org.unrouted).unwrap_or_default();
        match (case.routed, unrouted) {
            (true, Unrouted::Keep) if !case.elsewhere.is_empty() => kept_by(here, of(&case.elsewhere), &case.org),
            (true, _) => here,
            (false, Unrouted::Keep) if here.entitlement.is_over() => here,
            (false, Unrouted::Keep) => {
                let why = format!("{}: {}", unrouted_to(&case.org), hint_for_kept());
                Lifecycle { entitlement: Entitlement::Unclear(why), ..here }
            }
            (false, Unrouted::End) => Lifecycle { entitlement: Entitlement::Ended(unrouted_to(&case.org)), ..here },
        }
    }

    /// Since when access by any of a person's positions is over, if it is: by that it is told whether a pending one is a newer hire.
    fn ended_at(&self, positions: &[&Position], known: Option<Moment>, now: Moment) -> Option<Moment> {
        let is_over_now = || positions.len() > 1 && positions.iter().any(|one| self.is_over(one, now));
        known.or_else(|| is_over_now().then_some(now))
    }

    /// Which of several positions of a person are over, beside the others.
    pub fn over_beside<'a>(
        &'a self,
        all: &[&Position],
        known: Option<Moment>,
        now: Moment,
    ) -> impl Fn(&Position) -> bool + 'a {
        let ended_at = self.ended_at(all, known, now);
        move |one| self.position_lifecycle(one, ended_at, now).entitlement.is_over()
    }

    /// What these profiles say together, wherever they are routed; nothing if there are none.
    pub fn says(&self, positions: &[Position], ended_at: Option<Moment>, now: Moment) -> Option<Entitlement> {
        let all: Vec<&Position> = positions.iter().collect();
        let ended_at = self.ended_at(&all, ended_at, now);
        let each = positions.iter().map(|one| self.position_lifecycle(one, ended_at, now)).collect();
        (!positions.is_empty()).then(|| lifecycle::together(each).entitlement)
    }

    /// Whether access by this position alone is over.
    pub fn is_over(&self, position: &Position, now: Moment) -> bool {
        self.position_lifecycle(position, None, now).entitlement.is_over()
    }

    /// When time alone changes what a position means.
    pub fn changes_at(&self, position: &Position, now: Moment) -> Option<Moment> {
        self.position_lifecycle(position, None, now).changes_at
    }

    /// A profile as it was known, with what it says about access now, where the rest of it cannot be read.
    pub fn follow(&self, known: &Position, facts: &Facts, now: Moment) -> Employee {
        facts.over(&known.employee, |employee| {
            let position = Position { tenant: known.tenant.clone(), employee: employee.clone() };
            self.position_lifecycle(&position, None, now).entitlement
        })
    }

    /// The positions that count for attributes and groups; the primary one if none does.
    pub fn counting<'a>(&self, case: &'a Case, now: Moment) -> Vec<&'a Position> {
        let positions = case.person.positions();
        if let [only] = positions {
            return vec![only];
        }
        let counts = |p: &&Position| self.position_lifecycle(p, case.ended_at, now).entitlement.counts();
        let counting: Vec<&Position> = positions.iter().filter(counts).collect();
        if counting.is_empty() { vec![case.person.primary()] } else { counting }
    }

    /// What Okta should hold for a person who is entitled; the anchor stays with a position that counts.
    pub fn desired(&self, case: &Case, now: Moment) -> Result<Desired, String> {
        let counting = self.counting(case, now);
        let chosen = case.login.as_ref().map_err(String::clone)?;
        let manager_login = case.manager.login();
        let shown = Shown { org: &case.org, login: &chosen.login, manager_login, positions: &counting };
        let mut desired = self.mapping.desired(&shown).map_err(|e| e.to_string())?;
        // What Okta mails for a login goes to whoever has it: who has not got the one that they are to have keeps their address with it.
        let own = case.account.as_ref().and_then(|account| account.profile.get("email"));
        if let (Some(own), Some(email)) = (own.filter(|_| chosen.until.is_some()), desired.attributes.get_mut("email"))
        {
            email.clone_from(own);
        }
        let carried = case.account.as_ref().and_then(|account| account.anchor.as_deref());
        let kept = carried.filter(|anchor| counting.iter().any(|p| p.employee.id == *anchor));
        let anchor = kept.unwrap_or(&counting[0].employee.id);
        desired.attributes.insert(self.mapping.anchor().to_owned(), anchor.into());
        Ok(desired)
    }

    /// What the mapping gives somebody, each part with its rule and what it has read.
    pub fn explain(&self, case: &Case, now: Moment) -> Explanation {
        let positions = self.counting(case, now);
        let login = case.login.as_ref().map_or("", |chosen| &chosen.login);
        let manager_login = case.manager.login();
        explain(&self.mapping, &Shown { org: &case.org, login, manager_login, positions: &positions })
    }

    /// The logins that a person would like, in order.
    pub fn wanted_logins(&self, org: &str, person: &Person) -> Result<Vec<String>, MappingError> {
        self.login.wanted(&self.bind(org, person.primary(), &self.login.reads()))
    }

    /// What the rules of correlation look a profile up by: rule and value, without empty ones. What a rule gives that fails is
    /// not known: see `unkeyed`.
    pub fn keys(&self, position: &Position) -> Vec<(&MatchRule, String)> {
        let keys = self.matching.iter().filter_map(|rule| Some((rule, self.key(rule, position).ok()?)));
        keys.filter(|(_, key)| !key.is_empty()).collect()
    }

    /// Why it is not known what a rule of correlation looks a profile up by, of the first that fails: that nobody matches says
    /// nothing then.
    pub fn unkeyed(&self, position: &Position) -> Option<String> {
        let failure = |rule: &MatchRule| Some((rule.name.clone(), self.key(rule, position).err()?));
        let (rule, why) = self.matching.iter().find_map(failure)?;
        Some(format!(
            "the correlation rule {rule:?} cannot be evaluated for this profile ({why}), so it is not known whether they have an \
             account: correct the profile in Namely, or the rule"
        ))
    }

    fn key(&self, rule: &MatchRule, position: &Position) -> Result<String, String> {
        let value = rule.value.text(&self.bind("", position, rule.value.reads()))?;
        Ok(crate::domain::text::login_key(&value))
    }

    /// Everything that is read of a profile.
    pub fn reads(&self) -> Reads {
        let mut all = self.mapping.reads().clone();
        all.add(&self.login.reads());
        let single = [&self.leave, &self.zone, &self.primary].into_iter().flatten();
        let routes = self.orgs.iter().filter_map(|org| org.people.as_ref());
        for expr in single.chain(routes).chain(self.matching.iter().map(|rule| &rule.value)) {
            all.add(expr.reads());
        }
        all
    }

    /// Whether they write this attribute: the mapping, or as the place of a former login.
    pub fn writes(&self, attribute: &str) -> bool {
        self.mapping.attribute_names().any(|mapped| mapped == attribute)
            || self.login.former.as_deref() == Some(attribute)
    }

    /// Attributes of accounts that are read: those that are written, those that correlation needs, and the name.
    pub fn account_attributes(&self) -> BTreeSet<String> {
        let written = self.mapping.attribute_names().map(str::to_owned);
        let matched = self.matching.iter().map(|rule| rule.attribute.clone());
        let former = self.login.former.clone();
        written.chain(matched).chain(former).chain(["firstName", "lastName"].map(str::to_owned)).collect()
    }
}

fn unrouted_to(org: &str) -> String {
    format!("no profile of theirs is routed to {org:?} any more")
}

const fn hint_for_kept() -> &'static str {
    "kept as they are; route them there again, or set unrouted = \"end\" for this org"
}

/// What profiles that are routed `here` take is not taken while one that is kept from `elsewhere` grants more.
fn kept_by(here: Lifecycle, elsewhere: Lifecycle, org: &str) -> Lifecycle {
    let takes = matches!(here.entitlement, Entitlement::Ended(_) | Entitlement::Suspended(_) | Entitlement::OnLeave(_));
    let changes_at = here.changes_at.into_iter().chain(elsewhere.changes_at).min();
    if !(takes && elsewhere.entitlement.keeps_from(&here.entitlement)) {
        return Lifecycle { changes_at, ..here };
    }
    let why = format!(
        "a profile that is routed to {org:?} asks for {}, and another one of theirs, which is not routed there any more, \
         does not: {}",
        here.entitlement.as_str(),
        hint_for_kept(),
    );
    Lifecycle { entitlement: Entitlement::Unclear(why), changes_at, remarks: here.remarks }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod routes_tests;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::usual;
    use crate::domain::mapping::login::DeactivatedHolders;
    use crate::domain::matching::correlation::Confidence;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;

    /// One tenant, one org, the usual mapping; logins are emails.
    pub(crate) fn rulebook() -> Rulebook {
        let mapping = usual();
        let compile = |source: &str| mapping.engine().compile(source).expect("compiles");
        Rulebook {
            tenants: vec![TenantRules { name: "acme".into(), zone: TimeZone::UTC }],
            orgs: vec![org("main", &["acme"])],
            policies: Policies::default(),
            leave: Some(compile("employee.groups.size() == 0")),
            zone: None,
            primary: None,
            matching: vec![MatchRule {
                name: "login".into(),
                attribute: "login".into(),
                value: compile("employee.email"),
                confidence: Confidence::Certain,
            }],
            login: LoginRules {
                candidates: vec![compile("employee.email")],
                number: false,
                reserved: BTreeSet::new(),
                keep: false,
                former: None,
                deactivated_holders: DeactivatedHolders::Review,
            },
            mapping,
            safeguards: Safeguards::default(),
        }
    }

    pub(crate) fn org(name: &str, tenants: &[&str]) -> OrgRules {
        OrgRules {
            name: name.into(),
            tenants: tenants.iter().map(|t| (*t).to_owned()).collect(),
            people: None,
            unrouted: Unrouted::Keep,
            manager_relation: Some("manager".into()),
        }
    }

    fn now() -> Moment {
        Moment::from_secs(1_800_000_000)
    }

    fn position(tenant: &str, id: &str, change: impl FnOnce(&mut Employee)) -> Position {
        let mut employee = Employee { id: id.into(), ..an_employee() };
        change(&mut employee);
        Position { tenant: tenant.into(), employee }
    }

    #[test]
    fn the_primary_position_is_the_one_that_counts_then_the_one_the_rule_names() {
        let mut rules = rulebook();
        rules.tenants.push(TenantRules { name: "globex".into(), zone: TimeZone::UTC });
        let first = |rules: &Rulebook, positions| {
            rules.person(positions, None, now()).expect("somebody").primary().employee.id.clone()
        };
        let ended = || position("acme", "a", |e| e.user_status = crate::domain::record::employee::UserStatus::Inactive);
        let second = || position("globex", "b", |e| e.employee_type = "Part Time".into());
        assert_eq!(first(&rules, vec![ended(), second()]), "b");
        let active = || position("acme", "a", |_| {});
        assert_eq!(first(&rules, vec![second(), active()]), "a", "the order of the tenants");
        rules.primary = Some(rules.mapping.engine().compile("same(employee.employee_type, 'part time')").expect("ok"));
        assert_eq!(first(&rules, vec![active(), second()]), "b");
    }

    #[test]
    fn a_leaver_is_not_kept_by_a_pending_profile_that_began_before_they_left() {
        use crate::domain::record::employee::UserStatus::{Active, Inactive, Pending};
        let rules = rulebook();
        let day = |text: &str| text.parse().ok();
        let means = |first: crate::domain::record::employee::UserStatus, start: &str| {
            let positions = vec![
                position("acme", "a", |e| e.user_status = first),
                position("acme", "b", |e| (e.user_status, e.start_date) = (Pending, day(start))),
            ];
            let person = rules.person(positions, None, now()).expect("somebody");
            rules.lifecycle(&Case { routed: true, ..Case::new("main", person) }, now()).entitlement
        };
        assert!(matches!(means(Inactive, "2024-03-01"), Entitlement::Ended(_)), "nobody is active");
        assert_eq!(means(Inactive, "2027-01-15"), Entitlement::Prehire { due: true }, "it begins today");
        assert!(matches!(means(Inactive, "2027-01-18"), Entitlement::Suspended(_)), "it begins soon");
        assert_eq!(means(Active, "2024-03-01"), Entitlement::Entitled);
    }

    #[test]
    fn whose_end_was_not_carried_out_yet_is_not_kept_by_a_start_that_lies_ahead() {
        use crate::domain::record::employee::UserStatus::{Other, Pending};
        let rules = rulebook();
        let expected = |start: &str, status: Option<AccountStatus>, ended_at| {
            let start_date = start.parse().ok();
            let person =
                Person::new(vec![position("acme", "a", |e| (e.user_status, e.start_date) = (Pending, start_date))]);
            let account = status.map(|status| crate::domain::account::user::Account {
                status,
                ..crate::domain::account::user::tests::bare("00u1", "x@example.com", Some("a"))
            });
            rules
                .recorded(&Case { account, ended_at, ..Case::new("main", person.expect("somebody")) }, now())
                .entitlement
        };
        let (left, active) = (Some(now()), Some(AccountStatus::Active));
        assert!(matches!(expected("2027-03-01", active, left), Entitlement::Ended(_)));
        assert!(matches!(expected("2027-01-18", active, left), Entitlement::Suspended(_)));
        assert_eq!(expected("2027-03-01", active, None), Entitlement::NotYet, "who has not left is kept");
        let staged = Some(AccountStatus::Staged);
        assert_eq!(expected("2027-01-18", staged, left), Entitlement::Prehire { due: false }, "prepared for the start");
        assert_eq!(
            expected("2027-01-18", None, left),
            Entitlement::Prehire { due: false },
            "one is made for the start"
        );
        let person = Person::of("acme", Employee { user_status: Other("archived".into()), ..an_employee() });
        let account = Some(crate::domain::account::user::tests::bare("00u1", "x@example.com", Some("a")));
        let case = Case { account, ended_at: left, ..Case::new("main", person) };
        assert!(matches!(rules.recorded(&case, now()).entitlement, Entitlement::Suspended(_)), "nobody can tell");
    }

    #[test]
    fn the_anchor_stays_with_a_position_that_counts_and_moves_from_one_that_ended() {
        let rules = rulebook();
        let two = |a: crate::domain::record::employee::UserStatus| {
            let positions = vec![position("acme", "a", |e| e.user_status = a), position("acme", "b", |_| {})];
            let person = rules.person(positions, None, now()).expect("somebody");
            let account = crate::domain::account::user::tests::bare("00u1", "x@example.com", Some("a"));
            Case { account: Some(account), ..Case::new("main", person) }
        };
        let anchor = |case: &Case| rules.desired(case, now()).expect("maps").attributes["namelyId"].clone();
        assert_eq!(anchor(&two(crate::domain::record::employee::UserStatus::Active)), "a");
        assert_eq!(anchor(&two(crate::domain::record::employee::UserStatus::Inactive)), "b");
    }

    #[test]
    fn a_zone_comes_from_the_rule_and_a_wrong_one_is_told_and_not_used() {
        let mut rules = rulebook();
        let compile = |rules: &Rulebook, source: &str| Some(rules.mapping.engine().compile(source).expect("compiles"));
        rules.zone = compile(&rules, "employee.office == 'Lyon' ? 'Europe/Paris' : ''");
        let lyon = position("acme", "a", |_| {});
        assert_eq!(rules.zone_of(&lyon).zone.iana_name(), Some("Europe/Paris"));
        let elsewhere = position("acme", "a", |e| e.offices.clear());
        assert_eq!(rules.zone_of(&elsewhere).zone, TimeZone::UTC);
        rules.zone = compile(&rules, "employee.office");
        let Zone { zone, is_of_person, remark } = rules.zone_of(&lyon);
        assert_eq!((zone, is_of_person), (TimeZone::UTC, false));
        assert!(remark.is_some_and(|r| r.contains("Lyon")));
    }

    #[test]
    fn a_rule_that_fails_for_somebody_gives_no_key_and_says_so() {
        let mut rules = rulebook();
        let value = rules.mapping.engine().compile("employee.email.split('@')[7]").expect("compiles");
        let badge =
            MatchRule { name: "badge".into(), attribute: "badge".into(), value, confidence: Confidence::Certain };
        let who = position("acme", "a", |_| ());
        assert_eq!(rules.unkeyed(&who), None);
        rules.matching.push(badge);
        let names: Vec<&str> = rules.keys(&who).into_iter().map(|(rule, _)| rule.name.as_str()).collect();
        assert_eq!(names, ["login"]);
        let why = rules.unkeyed(&who).expect("fails");
        assert!(why.contains("\"badge\"") && why.contains("not known whether they have an account"), "{why}");
    }
}
