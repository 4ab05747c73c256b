//! Why somebody should hold what they should: every attribute and group with the rule and the inputs that gave it, or why
//! not.

use crate::domain::mapping::desired::{Mapping, Shown, attribute};
use crate::domain::mapping::expr::{Bound, Engine, Expr};
use crate::domain::mapping::rules::{GroupRule, Positions, WhenEmpty};
use crate::domain::record::person::Position;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the mapping says of one person.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub attributes: Vec<AttributeReason>,
    pub groups: Vec<GroupReason>,
    pub apps: Vec<AppReason>,
}

/// One attribute.
#[derive(Clone, Debug, Serialize)]
pub struct AttributeReason {
    pub attribute: String,
    pub value: Value,
    pub expression: String,
    pub inputs: BTreeMap<String, Value>,
    /// What happens to it, where that is not plain: left alone because it is empty, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One group rule for one position.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReason {
    pub rule: String,
    /// Profile of the position.
    pub profile: String,
    pub groups: BTreeSet<String>,
    /// The condition, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    pub inputs: BTreeMap<String, Value>,
    /// Why it gives nothing, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<String>,
}

/// One app rule.
#[derive(Clone, Debug, Serialize)]
pub struct AppReason {
    pub rule: String,
    pub app: String,
    pub assigned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<String>,
}

/// Explains what `mapping` says of the person of `shown`.
pub fn explain(mapping: &Mapping, shown: &Shown) -> Explanation {
    let bound = mapping.bind(shown);
    let engine = mapping.engine();
    let attributes = mapping
        .attribute_rules()
        .iter()
        .map(|rule| {
            let (value, failed) = match attribute(rule, &bound) {
                Ok(value) => (value, None),
                Err(e) => (Value::Null, Some(format!("failed: {}", e.message))),
            };
            let empty = match rule.empty {
                WhenEmpty::Clear => None,
                WhenEmpty::Keep => Some("empty: what Okta has stays"),
                WhenEmpty::Ignore => Some("empty: not ours"),
            };
            let empty = empty.filter(|_| value.is_null()).map(str::to_owned);
            let positions = (rule.positions != Positions::Primary && bound.len() > 1)
                .then(|| format!("from {} positions", bound.len()));
            AttributeReason {
                attribute: rule.name.clone(),
                value,
                expression: rule.value.source().to_owned(),
                inputs: bound.first().map(|(_, bound)| inputs(engine, &rule.value, bound)).unwrap_or_default(),
                note: failed.or(empty).or(positions),
            }
        })
        .collect();
    let groups = mapping
        .group_rules()
        .iter()
        .flat_map(|rule| {
            let counted = if rule.primary_only { 1 } else { bound.len() };
            bound[..counted].iter().map(move |(position, bound)| group(engine, rule, position, bound))
        })
        .collect();
    let apps = mapping
        .app_rules()
        .iter()
        .map(|rule| {
            let given = bound.first().map(|(_, bound)| rule.give(bound));
            let (assigned, not) = match given {
                Some(Ok(Some(_))) => (true, None),
                Some(Ok(None)) | None => (false, rule.when.as_ref().map(|when| format!("not {}", when.source()))),
                Some(Err(e)) => (false, Some(e.to_string())),
            };
            AppReason { rule: rule.label.clone(), app: rule.app.clone(), assigned, not }
        })
        .collect();
    Explanation { attributes, groups, apps }
}

fn group(engine: &Engine, rule: &GroupRule, position: &Position, bound: &Bound) -> GroupReason {
    let (groups, not) = match rule.give(bound, engine.tables()) {
        Ok(Some(groups)) if groups.is_empty() => (groups, Some("it gives no group".to_owned())),
        Ok(Some(groups)) => (groups, None),
        Ok(None) => (BTreeSet::new(), Some("its condition is false".to_owned())),
        Err(e) => (BTreeSet::new(), Some(format!("failed: {}", e.message))),
    };
    GroupReason {
        rule: rule.label.clone(),
        profile: position.employee.id.clone(),
        groups,
        when: rule.when.as_ref().map(|when| when.source().to_owned()),
        inputs: rule.exprs().flat_map(|expr| inputs(engine, expr, bound)).collect(),
        not,
    }
}

/// The values of the fields that an expression reads.
fn inputs(engine: &Engine, expr: &Expr, bound: &Bound) -> BTreeMap<String, Value> {
    let fields = expr.reads().fields.iter().filter(|field| *field != "custom" && *field != "groups").cloned();
    let custom = expr.reads().custom.iter().map(|field| format!("custom['{field}']"));
    let manager = |field: &str| if field == "manager" { "manager.name".to_owned() } else { field.to_owned() };
    let value = |field: String| {
        let name = field.replace("['", ".").replace("']", "");
        let field = manager(&field);
        let value = engine.compile(&format!("employee.{field}")).ok()?.evaluate(bound).ok()?;
        Some((name, value))
    };
    fields.chain(custom).filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::usual;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;

    #[test]
    fn every_attribute_and_group_is_explained_by_its_rule_and_inputs_or_why_not() {
        let employee = Employee { employee_type: "Contractor".into(), ..an_employee() };
        let position = Position { tenant: "acme".into(), employee };
        let shown = Shown { org: "main", login: "x@example.com", manager_login: None, positions: &[&position] };
        let message = explain(&usual(), &shown);
        let title = message.attributes.iter().find(|a| a.attribute == "title").expect("a title");
        assert_eq!((&title.value, title.expression.as_str()), (&"Accountant".into(), "employee.job_title"));
        assert_eq!(title.inputs["job_title"], "Accountant");
        let [everybody, departments] = message.groups.as_slice() else { panic!("{:?}", message.groups) };
        assert_eq!(everybody.groups.iter().collect::<Vec<_>>(), ["Staff"]);
        assert_eq!(departments.not.as_deref(), Some("its condition is false"));
        assert_eq!(departments.inputs["employee_type"], "Contractor");
    }
}
