//! Whether what the mapping writes fits the org: attributes that exist, of the right type, and none that is missing
//! (`okta-api.md §3.6, §6`).

use crate::domain::Rulebook;
use crate::domain::mapping::desired::LOGIN;
use crate::domain::mapping::expr::Kind;
use crate::domain::mapping::rules::Positions;
use serde_json::Value;

/// What does not fit, one sentence each, given the answer of `GET /meta/schemas/user/default`.
pub fn misfits(schema: &Value, rules: &Rulebook) -> Vec<String> {
    let property =
        |name: &str| ["base", "custom"].iter().find_map(|part| schema["definitions"][part]["properties"].get(name));
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
            "custom": { "properties": { "isManager": { "type": "boolean" } }, "required": ["badge"] }
        } });
        let found = misfits(&schema, &rules).join("\n");
        for words in ["no attribute title", "attribute shoeSize is a integer", "demands the attribute badge"] {
            assert!(found.contains(words), "{words}: {found}");
        }
        assert!(!found.contains("isManager"), "{found}");
    }
}
