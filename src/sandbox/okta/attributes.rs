//! The attributes that users have: those of every user type, and those that somebody has added to one (`okta-api.md §3.6, §6`).

use super::objects::{DEFAULT_TYPE, time};
use crate::clock::Moment;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An attribute that every user type has.
#[derive(Debug)]
pub struct BaseAttribute {
    pub name: &'static str,
    title: &'static str,
    pub shortest: usize,
    pub longest: usize,
    /// Whether the schema says how long it may be: recorded schemas do so for very few.
    announced: bool,
    format: Option<&'static str>,
    /// What the user may do with it.
    own: &'static str,
}

const fn announced(name: &'static str, title: &'static str, shortest: usize, longest: usize) -> BaseAttribute {
    BaseAttribute { name, title, shortest, longest, announced: true, format: None, own: "READ_WRITE" }
}

const fn plain(name: &'static str, title: &'static str, longest: usize) -> BaseAttribute {
    BaseAttribute { name, title, shortest: 0, longest, announced: false, format: None, own: "READ_ONLY" }
}

const fn hidden(name: &'static str, title: &'static str, longest: usize) -> BaseAttribute {
    BaseAttribute { own: "HIDE", ..plain(name, title, longest) }
}

const fn formatted(name: &'static str, title: &'static str, longest: usize, format: &'static str) -> BaseAttribute {
    BaseAttribute { format: Some(format), ..plain(name, title, longest) }
}

/// All of them. Beyond the longest text a call is refused, whether that is announced or not.
pub const BASE_ATTRIBUTES: &[BaseAttribute] = &[
    announced("login", "Username", 5, 100),
    announced("firstName", "First name", 1, 50),
    announced("lastName", "Last name", 1, 50),
    BaseAttribute { shortest: 5, own: "READ_WRITE", ..formatted("email", "Primary email", 100, "email") },
    plain("middleName", "Middle name", 255),
    plain("honorificPrefix", "Honorific prefix", 255),
    plain("honorificSuffix", "Honorific suffix", 255),
    plain("title", "Title", 255),
    plain("displayName", "Display name", 255),
    plain("nickName", "Nickname", 255),
    formatted("profileUrl", "Profile Url", 1024, "uri"),
    BaseAttribute { own: "READ_WRITE", ..formatted("secondEmail", "Secondary email", 100, "email") },
    announced("mobilePhone", "Mobile phone", 0, 100),
    BaseAttribute { own: "HIDE", ..announced("primaryPhone", "Primary phone", 0, 100) },
    hidden("streetAddress", "Street address", 1024),
    hidden("city", "City", 128),
    hidden("state", "State", 128),
    hidden("zipCode", "Zip code", 50),
    BaseAttribute { format: Some("country-code"), ..hidden("countryCode", "Country code", 2) },
    hidden("postalAddress", "Postal Address", 4096),
    formatted("preferredLanguage", "Preferred language", 255, "language-code"),
    formatted("locale", "Locale", 255, "locale"),
    formatted("timezone", "Time zone", 255, "timezone"),
    plain("userType", "User type", 255),
    plain("employeeNumber", "Employee number", 255),
    plain("costCenter", "Cost center", 255),
    plain("organization", "Organization", 255),
    plain("division", "Division", 255),
    plain("department", "Department", 255),
    plain("managerId", "ManagerId", 255),
    plain("manager", "Manager", 255),
];

impl BaseAttribute {
    /// The attribute of this name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        BASE_ATTRIBUTES.iter().find(|base| base.name == name)
    }

    /// As a schema shows it.
    pub(super) fn json(&self) -> Value {
        let mut shown = shown(self.title, "string", self.own);
        let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
        if self.announced {
            put("maxLength", json!(self.longest));
            if self.shortest > 0 {
                put("minLength", json!(self.shortest));
            }
        }
        if let Some(format) = self.format {
            put("format", json!(format));
        }
        if REQUIRED.contains(&self.name) {
            put("required", json!(true));
        }
        Value::Object(shown)
    }
}

/// What nobody can be without.
pub(super) const REQUIRED: [&str; 4] = ["login", "email", "firstName", "lastName"];
/// How long a text may be for which nothing is said.
const LONGEST: usize = 255;

fn shown(title: &str, kind: &str, own: &str) -> Map<String, Value> {
    let shown = json!({
        "title": title, "type": kind, "mutability": "READ_WRITE", "scope": "NONE",
        "permissions": [{ "principal": "SELF", "action": own }], "master": { "type": "PROFILE_MASTER" }
    });
    shown.as_object().cloned().unwrap_or_default()
}

/// A custom attribute, as it was defined.
#[derive(Clone, Debug)]
pub struct Property(Map<String, Value>);

impl Property {
    /// One of this type.
    pub(super) fn new(title: &str, kind: &str) -> Self {
        Self::defined(title, &json!({ "title": title, "type": kind }))
    }

    /// What a body says about the attribute `name`.
    pub(super) fn defined(name: &str, sent: &Value) -> Self {
        let mut fields = shown(name, "string", "READ_ONLY");
        fields.extend(sent.as_object().cloned().unwrap_or_default());
        Self(fields)
    }

    /// `string`, `boolean`, `number`, `integer` or `array`.
    pub(super) fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap_or("string")
    }

    pub(super) fn lengths(&self) -> (usize, usize) {
        let number = |key: &str| self.0.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        (number("minLength").unwrap_or(0), number("maxLength").unwrap_or(LONGEST))
    }

    pub(super) fn is_unique(&self) -> bool {
        self.0.get("unique").and_then(Value::as_str).is_some_and(|unique| unique.ends_with("VALIDATED"))
    }

    /// Whether a value is one of those that are listed, if any are: of an array every item has to be.
    pub(super) fn lists(&self, value: &Value) -> bool {
        let listed = |of: &Value| -> Option<Vec<Value>> {
            let consts = || of["oneOf"].as_array().map(|all| all.iter().map(|one| one["const"].clone()).collect());
            of["enum"].as_array().cloned().or_else(consts)
        };
        let whole = Value::Object(self.0.clone());
        let one_of = |value: &Value| listed(&whole).is_none_or(|listed| listed.contains(value));
        match value {
            Value::Array(items) => items
                .iter()
                .all(|item| one_of(item) && listed(&whole["items"]).is_none_or(|listed| listed.contains(item))),
            other => one_of(other),
        }
    }

    pub(super) fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// A type of users, with attributes of its own.
#[derive(Clone, Debug)]
pub struct UserType {
    pub name: String,
    display: String,
    description: Option<String>,
    created: Moment,
    updated: Moment,
    /// Id of its schema.
    pub(super) schema: String,
    pub(super) custom: BTreeMap<String, Property>,
    pub(super) schema_updated: Moment,
}

impl UserType {
    pub(super) fn new(name: &str, schema: String, custom: BTreeMap<String, Property>, now: Moment) -> Self {
        Self {
            name: name.to_owned(),
            display: name.to_owned(),
            description: None,
            created: now,
            updated: now,
            schema,
            custom,
            schema_updated: now,
        }
    }

    /// Takes over what a body says; a full body also what it leaves out.
    pub(super) fn describe(&mut self, body: &Value, full: bool, now: Moment) {
        if let Some(display) = body["displayName"].as_str() {
            display.clone_into(&mut self.display);
        }
        if full || body.get("description").is_some() {
            self.description = body["description"].as_str().map(str::to_owned);
        }
        self.updated = now;
    }

    pub(super) fn json(&self, id: &str, base: &str) -> Value {
        json!({
            "id": id, "name": self.name, "displayName": self.display, "description": self.description,
            "default": id == DEFAULT_TYPE, "created": time(self.created), "createdBy": "sprsandbox",
            "lastUpdated": time(self.updated), "lastUpdatedBy": "sprsandbox",
            "_links": {
                "self": { "href": format!("{base}/api/v1/meta/types/user/{id}"), "method": "GET" },
                "schema": { "rel": "schema", "href": format!("{base}/api/v1/meta/schemas/user/{}", self.schema), "method": "GET" }
            }
        })
    }

    pub(super) fn schema_json(&self, base: &str) -> Value {
        let base_properties: Map<String, Value> =
            BASE_ATTRIBUTES.iter().map(|attribute| (attribute.name.to_owned(), attribute.json())).collect();
        let custom: Map<String, Value> =
            self.custom.iter().map(|(name, property)| (name.clone(), property.json())).collect();
        json!({
            "id": format!("{base}/meta/schemas/user/{}", self.schema), "$schema": "http://json-schema.org/draft-04/schema#",
            "name": self.name, "title": self.display, "type": "object",
            "created": time(self.created), "lastUpdated": time(self.schema_updated),
            "definitions": {
                "base": { "id": "#base", "type": "object", "properties": base_properties, "required": REQUIRED },
                "custom": { "id": "#custom", "type": "object", "properties": custom, "required": [] }
            },
            "properties": { "profile": { "allOf": [{ "$ref": "#/definitions/custom" }, { "$ref": "#/definitions/base" }] } },
            "_links": {
                "self": { "href": format!("{base}/api/v1/meta/schemas/user/{}", self.schema), "method": "GET" },
                "type": { "rel": "type", "href": format!("{base}/api/v1/meta/types/user"), "method": "GET" }
            }
        })
    }
}

/// The default type, as a new org has it here: with the attribute `namelyId`.
pub(super) fn default_type(now: Moment) -> UserType {
    let custom = BTreeMap::from([("namelyId".to_owned(), Property::new("Namely ID", "string"))]);
    let kind = UserType::new("user", "osc1sandboxdefault00".to_owned(), custom, now);
    UserType { display: "User".to_owned(), description: Some("Okta user profile template".to_owned()), ..kind }
}
