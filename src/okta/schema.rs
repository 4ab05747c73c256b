//! Whether what the mapping writes fits the org: attributes that exist, of the right type, and none that is missing
//! (`okta-api.md §3.6, §6`).

use crate::domain::Rulebook;
use crate::domain::mapping::desired::LOGIN;
use crate::domain::mapping::expr::Kind;
use crate::domain::mapping::rules::Positions;
use serde_json::Value;

/// Where a schema says what an attribute may be.
fn property<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    ["base", "custom"].iter().find_map(|part| schema["definitions"][part]["properties"].get(name))
}

/// Why Okta would refuse a value, as far as its schema says: the length, or a list of what is allowed.
pub fn unfit(schema: &Value, name: &str, value: &Value) -> Option<String> {
    let property = property(schema, name)?;
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if let Some(most) = property["maxLength"].as_u64().filter(|most| length > *most) {
            return Some(format!("longer than the {most} characters that Okta takes"));
        }
        if let Some(least) = property["minLength"].as_u64().filter(|least| length < *least) {
            return Some(format!("shorter than the {least} characters that Okta wants"));
        }
    }
    let listed = property["enum"].as_array().into_iter().flatten();
    let titled = property["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    let allowed: Vec<&Value> = listed.chain(titled).filter(|allowed| !allowed.is_null()).collect();
    let values = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
    let is_allowed = |value: &&Value| value.is_null() || allowed.contains(value);
    (!allowed.is_empty() && !values.iter().all(is_allowed)).then(|| "none of the values that Okta allows".to_owned())
}

/// What does not fit, one sentence each, given the answer of `GET /meta/schemas/user/default`.
pub fn misfits(schema: &Value, rules: &Rulebook) -> Vec<String> {
    let property = |name: &str| property(schema, name);
    let mut found = Vec::new();
    let mapping = &rules.mapping;
    let names = mapping.attribute_names().chain(rules.login.former.as_deref());
    let unknown: Vec<&str> = names.filter(|name| property(name).is_none()).collect();
    if !unknown.is_empty() {
        found.push(format!(
            "there is no attribute {}; add it under Directory > Profile Editor, or take it out of the mapping",
            unknown.join(", ")
        ));
    }
    let read_only = |name: &&str| property(name).is_some_and(|p| p["mutability"] == "READ_ONLY");
    let read_only: Vec<&str> = mapping.attribute_names().filter(read_only).collect();
    if !read_only.is_empty() {
        found.push(format!(
            "nobody may write the attribute {}: Okta has it as read-only; make it writable under Directory > Profile Editor, or \
             take it out of the mapping",
            read_only.join(", ")
        ));
    }
    for rule in mapping.attribute_rules() {
        let Some(kind) = property(&rule.name).and_then(|p| p["type"].as_str()) else { continue };
        let lists = matches!(rule.positions, Positions::All { join: None });
        let given = mapping.engine().kinds(&rule.value);
        let wrong =
            given.into_iter().map(|kind| if lists { Kind::List } else { kind }).find(|given| !fits(*given, kind));
        if let Some(wrong) = wrong {
            found.push(format!("attribute {} is a {kind} in Okta, but its expression gives {wrong:?}", rule.name));
        }
    }
    let written: Vec<&str> = mapping.attribute_names().collect();
    for part in ["base", "custom"] {
        let definition = &schema["definitions"][part];
        let required = definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !written.contains(name) && *name != LOGIN) {
            found.push(format!("the org demands the attribute {name} of everybody: map it, or make it optional"));
        }
    }
    found
}

/// Whether a value of this kind may be written to an attribute of this type.
fn fits(given: Kind, kind: &str) -> bool {
    match given {
        Kind::Nothing => true,
        Kind::Text => kind == "string",
        Kind::Boolean => kind == "boolean",
        Kind::Number => matches!(kind, "number" | "integer"),
        Kind::List => kind == "array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::{default_attributes, plain};
    use crate::domain::plan::rulebook::tests::rulebook;
    use serde_json::json;

    #[test]
    fn what_okta_would_refuse_of_a_value_is_known_beforehand() {
        let schema = json!({ "definitions": {
            "base": { "properties": { "title": { "type": "string", "minLength": 2, "maxLength": 5 } } },
            "custom": { "properties": {
                "costCenter": { "type": "string", "enum": ["CC-1", "CC-2"] },
                "sites": { "type": "array", "oneOf": [{ "const": "LIS", "title": "Lisbon" }] }
            } }
        } });
        let of = |name: &str, value: Value| unfit(&schema, name, &value);
        assert_eq!(of("title", json!("Clerk")), None);
        assert!(of("title", json!("Emperor")).is_some_and(|why| why.contains("the 5 characters")));
        assert!(of("title", json!("E")).is_some_and(|why| why.contains("the 2 characters")));
        assert_eq!((of("costCenter", json!("CC-1")), of("costCenter", json!(null))), (None, None));
        assert!(of("costCenter", json!("CC-9")).is_some_and(|why| why.contains("allows")));
        assert_eq!(of("sites", json!(["LIS"])), None);
        assert!(of("sites", json!(["LIS", "BER"])).is_some());
        assert_eq!(of("unknown", json!("x")), None, "that it is missing is said of the mapping");
    }

    #[test]
    fn attributes_that_are_missing_of_another_type_or_demanded_are_told() {
        let mut rules = rulebook();
        let engine = crate::domain::mapping::expr::Engine::default();
        let mut attributes = default_attributes(&engine);
        attributes.push(plain(&engine, "isManager", "employee.job_tier == 'Manager'"));
        attributes.push(plain(&engine, "shoeSize", "'42'"));
        rules.mapping = crate::domain::Mapping::new(engine, "namelyId", attributes, Vec::new());
        let names = rules.mapping.attribute_names().filter(|name| *name != "title" && *name != "isManager");
        let base: serde_json::Map<String, Value> = names
            .map(|name| (name.to_owned(), json!({ "type": if name == "shoeSize" { "integer" } else { "string" } })))
            .collect();
        let schema = json!({ "definitions": {
            "base": { "properties": base, "required": ["login", "email"] },
            "custom": { "properties": { "isManager": { "type": "boolean", "mutability": "READ_ONLY" } }, "required": ["badge"] }
        } });
        let found = misfits(&schema, &rules).join("\n");
        let all = ["no attribute title", "attribute shoeSize is a integer", "demands the attribute badge", "read-only"];
        for words in all {
            assert!(found.contains(words), "{words}: {found}");
        }
        assert!(found.contains("may write the attribute isManager"), "{found}");
    }
}
