//! The OpenAPI document, made from the table of what can be asked.

use super::routes::{ROUTES, Route};
use serde_json::{Map, Value, json};

/// The OpenAPI document.
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let entry = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        entry[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "namely-okta-sync", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
    })
}

fn operation(route: &Route) -> Value {
    let parts = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        parts.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|f| {
        json!({ "name": f.name, "in": "query", "required": f.required, "description": f.about, "schema": f.kind.schema() })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let error = |about: &str| {
        json!({ "description": about, "content": { "application/json": { "schema": {
            "type": "object", "properties": { "error": { "type": "string" } }, "required": ["error"] } } } })
    };
    let mut operation = json!({
        "operationId": format!("{:?}", route.ask).to_lowercase(),
        "summary": route.about,
        "description": format!("Needs the role {}.", route.needs.holders()),
        "parameters": parameters,
        "responses": {
            "200": { "description": "done, or seen", "content": { "application/json": {} } },
            "400": error("the request cannot be understood; the error says what to change"),
            "401": error("no such token"),
            "403": error("the role of the token may not ask this; the error names the roles that may"),
            "404": error("nothing of that name"),
            "408": error("the body did not arrive in time"),
            "409": error("it is not so any more, or cannot be done now; the error says why"),
            "413": error("the body is too large"),
        },
    });
    if route.method == "POST" {
        let fields = route.body.iter();
        let properties: Map<String, Value> = fields
            .map(|f| {
                let mut schema = f.kind.schema();
                schema["description"] = json!(f.about);
                (f.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<&str> = route.body.iter().filter(|f| f.required).map(|f| f.name).collect();
        operation["requestBody"] = json!({ "required": !required.is_empty(), "content": { "application/json": {
            "schema": { "type": "object", "properties": properties, "required": required, "additionalProperties": false } } } });
    }
    operation
}
