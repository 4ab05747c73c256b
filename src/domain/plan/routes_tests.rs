use super::tests::{org, rulebook};
use super::*;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::record::employee::{Employee, UserStatus};

const STATES: [&str; 4] = ["active", "ended", "leave", "unclear"];

fn now() -> Moment {
    Moment::from_secs(1_800_000_000)
}

fn profile(tenant: &str, state: &str) -> Position {
    let active = Employee { id: tenant.into(), ..an_employee() };
    let employee = match state {
        "active" => active,
        "ended" => Employee { user_status: UserStatus::Inactive, ..active },
        "leave" => Employee { groups: Default::default(), ..active },
        _ => Employee { user_status: UserStatus::Other("furloughed".into()), ..active },
    };
    Position { tenant: tenant.into(), employee }
}

fn rules(unrouted: Unrouted) -> Rulebook {
    let mut rules = rulebook();
    rules.tenants.push(TenantRules { name: "globex".into(), zone: TimeZone::UTC });
    rules.orgs = vec![OrgRules { unrouted, ..org("main", &["acme", "globex"]) }];
    rules
}

fn granted(rules: &Rulebook, here: Position, routed: bool, elsewhere: Vec<Position>) -> &'static str {
    let person = Person::new(vec![here]).expect("a person");
    rules.lifecycle(&Case { routed, elsewhere, ..Case::new("main", person) }, now()).entitlement.as_str()
}

#[test]
fn who_is_routed_is_what_their_record_says_whatever_becomes_of_others() {
    for unrouted in [Unrouted::Keep, Unrouted::End] {
        let found = STATES.map(|state| granted(&rules(unrouted), profile("acme", state), true, Vec::new()));
        assert_eq!(found, ["entitled", "ended", "on_leave", "unclear"]);
    }
}

#[test]
fn who_is_not_routed_any_more_is_kept_or_ended_as_the_org_says_and_a_leaver_is_ended_either_way() {
    let of = |unrouted| STATES.map(|state| granted(&rules(unrouted), profile("acme", state), false, Vec::new()));
    assert_eq!(of(Unrouted::Keep), ["unclear", "ended", "unclear", "unclear"]);
    assert_eq!(of(Unrouted::End), ["ended"; 4]);
}

#[test]
fn a_profile_elsewhere_keeps_what_it_grants_and_never_gives_more() {
    // Rows: the profile that is routed here; columns: the one that is not any more.
    let matrix = |unrouted| {
        STATES.map(|here| {
            STATES.map(|other| granted(&rules(unrouted), profile("globex", here), true, vec![profile("acme", other)]))
        })
    };
    let [active, leave, unclear] = [["entitled"; 4], ["on_leave"; 4], ["unclear"; 4]];
    let ended = ["unclear", "ended", "unclear", "unclear"];
    let kept_from_leave = ["unclear", "on_leave", "on_leave", "on_leave"];
    assert_eq!(matrix(Unrouted::Keep), [active, ended, kept_from_leave, unclear]);
    assert_eq!(matrix(Unrouted::End), [active, ["ended"; 4], leave, unclear]);
}

#[test]
fn a_last_day_of_somebody_who_is_kept_is_waited_for_and_ends_them() {
    let rules = rules(Unrouted::Keep);
    let mut here = profile("acme", "active");
    here.employee.departure_date = Some(jiff::civil::date(2027, 2, 1));
    let case = Case { routed: false, ..Case::new("main", Person::new(vec![here]).expect("a person")) };
    let before = rules.lifecycle(&case, now());
    assert_eq!(before.entitlement.as_str(), "unclear");
    let end = before.changes_at.expect("the end of the last day");
    assert_eq!(rules.lifecycle(&case, end).entitlement.as_str(), "ended");
}

#[test]
fn a_grace_is_given_to_whoever_is_kept_and_leaves() {
    let mut rules = rules(Unrouted::Keep);
    rules.policies.termination.grace = std::time::Duration::from_secs(86_400);
    assert_eq!(granted(&rules, profile("acme", "ended"), false, Vec::new()), "suspended");
}
