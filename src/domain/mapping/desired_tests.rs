use super::*;
use crate::domain::mapping::functions::{Table, Tables};
use crate::domain::mapping::rules::{Grants, OnDrift};
use crate::domain::pattern::Pattern;
use crate::domain::record::employee::Employee;
use crate::domain::record::employee::tests::an_employee;

/// An attribute of the primary position that is cleared when it is empty.
pub(crate) fn plain(engine: &Engine, name: &str, source: &str) -> AttributeRule {
    let value = engine.compile(source).expect("compiles");
    AttributeRule {
        name: name.to_owned(),
        value,
        empty: WhenEmpty::Clear,
        positions: Positions::Primary,
        drift: OnDrift::Correct,
    }
}

/// The default attributes.
pub(crate) fn default_attributes(engine: &Engine) -> Vec<AttributeRule> {
    DEFAULT_ATTRIBUTES.iter().map(|(name, source)| plain(engine, name, source)).collect()
}

fn group(label: &str, grants: Grants) -> GroupRule {
    GroupRule { label: label.into(), when: None, grants, create: false, required: false, primary_only: false }
}

/// Default attributes, one listed group, one group per department.
pub(crate) fn usual() -> Mapping {
    let engine = Engine::default();
    let compile = |source: &str| engine.compile(source).expect("compiles");
    let attributes = default_attributes(&engine);
    let departments = Grants::Computed {
        names: compile("employee.departments.map(d, 'Department ' + d)"),
        owns: Pattern::new("Department *"),
    };
    let groups = vec![
        group("groups[1] \"everybody\"", Grants::Listed(vec!["Staff".into()])),
        GroupRule {
            when: Some(compile("employee.employee_type != 'Contractor'")),
            create: true,
            required: false,
            ..group("groups[2] \"departments\"", departments)
        },
    ];
    Mapping::new(engine, "namelyId", attributes, groups)
}

/// A mapping of one attribute, with what happens when somebody else changes it.
pub(crate) fn with_drift(name: &str, drift: OnDrift) -> Mapping {
    let engine = Engine::default();
    let rules = vec![AttributeRule { drift, ..plain(&engine, name, "employee.job_title") }];
    Mapping::new(engine, "namelyId", rules, Vec::new())
}

/// What `mapping` gives for people of one profile each.
fn desired(mapping: &Mapping, employees: &[Employee]) -> Result<Desired, MappingError> {
    let positions: Vec<Position> =
        employees.iter().map(|e| Position { tenant: e.custom_tenant(), employee: e.clone() }).collect();
    let positions: Vec<&Position> = positions.iter().collect();
    let shown = Shown { org: "main", login: &employees[0].email, manager_login: None, positions: &positions };
    mapping.desired(&shown)
}

impl Employee {
    /// The tenant of a test's profile: its pay group, which these tests do not use otherwise.
    fn custom_tenant(&self) -> String {
        self.pay_group.clone()
    }
}

fn with_attribute(rule: impl FnOnce(&Engine) -> AttributeRule) -> Mapping {
    let engine = Engine::default();
    let rules = vec![rule(&engine)];
    Mapping::new(engine, "namelyId", rules, Vec::new())
}

#[test]
fn the_default_mapping_describes_an_ordinary_person() {
    let desired = desired(&usual(), &[an_employee()]).expect("maps");
    assert_eq!(desired.attributes["login"], "ines.duval@example.com");
    assert_eq!(desired.attributes["displayName"], "Ines Duval");
    assert_eq!(desired.attributes["department"], "Finance");
    assert_eq!(desired.attributes["middleName"], Value::Null, "an empty field is an attribute that is not set");
    assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Department Finance", "Staff"]);
}

#[test]
fn a_condition_keeps_a_rule_from_people_it_is_not_for() {
    let contractor = Employee { employee_type: "Contractor".into(), ..an_employee() };
    let desired = desired(&usual(), &[contractor]).expect("maps");
    assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Staff"]);
}

#[test]
fn a_failing_expression_names_the_rule_the_expression_and_the_error() {
    let mapping = with_attribute(|engine| plain(engine, "nickName", "employee.departments[3]"));
    let error = desired(&mapping, &[an_employee()]).expect_err("there is no fourth department");
    assert_eq!(error.rule, "attribute nickName");
    assert!(error.to_string().contains("employee.departments[3]"), "{error}");
}

#[test]
fn a_computed_group_outside_what_its_rule_owns_is_refused() {
    let engine = Engine::default();
    let names = engine.compile("'Domain Admins'").expect("compiles");
    let rule = group("groups[1]", Grants::Computed { names, owns: Pattern::new("Department *") });
    let mapping = Mapping::new(engine, "namelyId", Vec::new(), vec![rule]);
    assert!(desired(&mapping, &[an_employee()]).is_err_and(|e| e.message.contains("Domain Admins")));
}

#[test]
fn an_empty_attribute_is_cleared_or_left_alone_as_its_rule_says() {
    for (empty, is_written) in [(WhenEmpty::Clear, true), (WhenEmpty::Keep, false), (WhenEmpty::Ignore, false)] {
        let rule = |engine: &Engine| AttributeRule { empty, ..plain(engine, "nickName", "employee.preferred_name") };
        let desired = desired(&with_attribute(rule), &[an_employee()]).expect("maps");
        assert_eq!(desired.attributes.contains_key("nickName"), is_written, "{empty:?}");
    }
}

#[test]
fn several_positions_give_the_union_of_their_groups_and_the_attributes_of_the_primary_one() {
    let second = Employee { departments: vec!["Research".into()], job_title: "Adviser".into(), ..an_employee() };
    let desired = desired(&usual(), &[an_employee(), second]).expect("maps");
    assert_eq!(desired.attributes["title"], "Accountant");
    assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Department Finance", "Department Research", "Staff"]);
}

#[test]
fn an_attribute_can_list_all_positions_or_prefer_a_tenant() {
    let first = Employee { pay_group: "acme".into(), ..an_employee() };
    let second = Employee { job_title: "Adviser".into(), pay_group: "globex".into(), ..an_employee() };
    let third = Employee { job_title: String::new(), pay_group: "initech".into(), ..an_employee() };
    let people = [first, second, third];
    let title = |positions: Positions| {
        let rule = |engine: &Engine| AttributeRule { positions, ..plain(engine, "title", "employee.job_title") };
        desired(&with_attribute(rule), &people).expect("maps").attributes["title"].clone()
    };
    assert_eq!(title(Positions::Primary), "Accountant");
    assert_eq!(title(Positions::All { join: Some("; ".into()) }), "Accountant; Adviser");
    assert_eq!(title(Positions::All { join: None }), serde_json::json!(["Accountant", "Adviser"]));
    let prefer = |tenants: &[&str]| Positions::First { tenants: tenants.iter().map(|t| (*t).to_owned()).collect() };
    assert_eq!(title(prefer(&["globex"])), "Adviser");
    assert_eq!(title(prefer(&["initech", "globex"])), "Adviser", "the first that gives something");
}

#[test]
fn groups_come_from_tables_by_key_and_all_values_of_the_table_are_managed() {
    let mut tables = Tables::default();
    let mut roles = Table::default();
    roles.add("Accountant", "Ledger");
    roles.add("Accountant", "Expenses");
    roles.add("Welder", "Workshop");
    tables.insert("roles", roles.clone());
    let engine = Engine::new(tables);
    let key = engine.compile("employee.job_title").expect("compiles");
    let rule = group("groups[1]", Grants::looked_up("roles", &roles, key));
    let mapping = Mapping::new(engine, "namelyId", Vec::new(), vec![rule]);
    let desired = desired(&mapping, &[an_employee()]).expect("maps");
    assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Expenses", "Ledger"]);
    let is_managed = |name: &str| mapping.manages(&Group { id: "00g1".into(), name: name.into(), writable: true });
    assert!(is_managed("Workshop") && !is_managed("Chess Club"));
}
