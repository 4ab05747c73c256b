//! The functions of Okta's expression language that group rules use, and what they come to.

use serde_json::Value;
use std::collections::BTreeMap;

/// What an expression is evaluated for.
pub(super) struct Candidate<'a> {
    pub(super) id: &'a str,
    pub(super) status: &'a str,
    pub(super) profile: &'a BTreeMap<String, Value>,
    /// Id and name of each group that they are in.
    pub(super) groups: &'a [(&'a str, &'a str)],
    /// Whether `==` takes texts for the same that differ by case only.
    pub(super) ignores_case: bool,
}

/// What a part of an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Is {
    Null,
    Text(String),
    Number(f64),
    Truth(bool),
    List(Vec<String>),
}

/// The type of a part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Text,
    Number,
    Truth,
    List,
}

impl Kind {
    /// As errors call it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Truth => "true or false",
            Kind::List => "a list",
        }
    }

    /// The type of an attribute, by the word that the schema has for it.
    pub(super) fn of_schema(word: &str) -> Self {
        match word {
            "boolean" => Kind::Truth,
            "number" | "integer" => Kind::Number,
            "array" => Kind::List,
            _ => Kind::Text,
        }
    }
}

/// A function: what it is called, what it takes and what it gives.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) takes: &'static [Kind],
    /// Whether the last of what it takes may come several times.
    pub(super) repeats: bool,
    pub(super) gives: Kind,
}

const fn one(name: &'static str, takes: &'static [Kind], gives: Kind) -> Signature {
    Signature { name, takes, repeats: false, gives }
}

const fn many(name: &'static str, takes: &'static [Kind], gives: Kind) -> Signature {
    Signature { name, takes, repeats: true, gives }
}

static FUNCTIONS: [Signature; 20] = {
    use Kind::{List, Number, Text, Truth};
    [
        one("String.stringContains", &[Text, Text], Truth),
        one("String.startsWith", &[Text, Text], Truth),
        one("String.toUpperCase", &[Text], Text),
        one("String.toLowerCase", &[Text], Text),
        one("String.substringBefore", &[Text, Text], Text),
        one("String.substringAfter", &[Text, Text], Text),
        one("String.substring", &[Text, Number, Number], Text),
        one("String.len", &[Text], Number),
        one("String.removeSpaces", &[Text], Text),
        one("String.replace", &[Text, Text, Text], Text),
        one("String.replaceFirst", &[Text, Text, Text], Text),
        many("String.append", &[Text, Text], Text),
        one("Arrays.contains", &[List, Text], Truth),
        one("Arrays.isEmpty", &[List], Truth),
        one("isMemberOfGroup", &[Text], Truth),
        many("isMemberOfAnyGroup", &[Text], Truth),
        one("isMemberOfGroupName", &[Text], Truth),
        one("isMemberOfGroupNameStartsWith", &[Text], Truth),
        one("isMemberOfGroupNameContains", &[Text], Truth),
        one("user.getInternalProperty", &[Text], Text),
    ]
};

/// The function of this name.
pub(super) fn function(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.iter().find(|known| known.name == name)
}

/// What a function comes to. Nothing in gives nothing: a text function of no text is null, a condition about no text is false.
pub(super) fn evaluate(name: &str, given: &[Is], candidate: &Candidate) -> Is {
    let text = |n: usize| match given.get(n) {
        Some(Is::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let two = || text(0).zip(text(1));
    let new = |text: Option<String>| text.map_or(Is::Null, Is::Text);
    let in_group = |is: &dyn Fn(&(&str, &str)) -> bool| Is::Truth(candidate.groups.iter().any(is));
    let by_name =
        |is: &dyn Fn(&str, &str) -> bool| in_group(&|(_, name)| text(0).is_some_and(|sought| is(name, sought)));
    match name {
        "String.stringContains" => Is::Truth(two().is_some_and(|(text, part)| text.contains(part))),
        "String.startsWith" => Is::Truth(two().is_some_and(|(text, part)| text.starts_with(part))),
        "String.toUpperCase" => new(text(0).map(str::to_uppercase)),
        "String.toLowerCase" => new(text(0).map(str::to_lowercase)),
        "String.substringBefore" => {
            new(two().map(|(text, part)| text.split_once(part).map_or(text, |(before, _)| before).to_owned()))
        }
        "String.substringAfter" => {
            new(two().map(|(text, part)| text.split_once(part).map_or("", |(_, after)| after).to_owned()))
        }
        "String.substring" => new(text(0).map(|text| cut(text, given.get(1), given.get(2)))),
        #[expect(clippy::cast_precision_loss, reason = "no text of a profile is that long")]
        "String.len" => Is::Number(text(0).map_or(0, |text| text.chars().count()) as f64),
        "String.removeSpaces" => new(text(0).map(|text| text.replace(' ', ""))),
        "String.replace" => new(two().map(|(whole, part)| whole.replace(part, text(2).unwrap_or_default()))),
        "String.replaceFirst" => new(two().map(|(whole, part)| whole.replacen(part, text(2).unwrap_or_default(), 1))),
        "String.append" => Is::Text((0..given.len()).filter_map(text).collect()),
        "Arrays.contains" => Is::Truth(match given.first() {
            Some(Is::List(items)) => text(1).is_some_and(|sought| items.iter().any(|item| item == sought)),
            _ => false,
        }),
        "Arrays.isEmpty" => Is::Truth(!matches!(given.first(), Some(Is::List(items)) if !items.is_empty())),
        "isMemberOfGroup" | "isMemberOfAnyGroup" => {
            in_group(&|(id, _)| (0..given.len()).filter_map(text).any(|sought| sought == *id))
        }
        "isMemberOfGroupName" => by_name(&|name, sought| name == sought),
        "isMemberOfGroupNameStartsWith" => by_name(&|name, sought| name.starts_with(sought)),
        "isMemberOfGroupNameContains" => by_name(&|name, sought| name.contains(sought)),
        "user.getInternalProperty" => match text(0) {
            Some("status") => Is::Text(candidate.status.to_owned()),
            Some("id") => Is::Text(candidate.id.to_owned()),
            _ => Is::Null,
        },
        _ => Is::Null,
    }
}

/// The letters from one place to before another.
fn cut(text: &str, from: Option<&Is>, to: Option<&Is>) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a text, held above zero")]
    let place = |value: Option<&Is>, otherwise: usize| match value {
        Some(Is::Number(number)) => number.max(0.0) as usize,
        _ => otherwise,
    };
    let (from, to) = (place(from, 0), place(to, usize::MAX));
    text.chars().skip(from).take(to.saturating_sub(from)).collect()
}
