//! `attention`: everything that waits for a person, the most urgent first: who has left and has access, what keeps the service from
//! its work, what is paused, held or
//! quarantined, who cannot be read, matches to decide about, and what is remarkable about people who are done. What has one cause is
//! one line.

use super::backend::{Asking, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::store::AttentionItem;
use serde_json::json;
use std::process::ExitCode;

/// People of one cause who are named before they are only counted.
const NAMED: usize = 3;
/// What there is, the most urgent first; anything else comes last.
const ORDER: [&str; 15] = [
    "leaver with access",
    "credential",
    "source",
    "org",
    "not ready",
    "paused",
    "first contact",
    "access ended",
    "held",
    "quarantined",
    "unreadable",
    "ambiguous",
    "missing",
    "channel",
    "review",
];

/// Prints the list.
pub async fn attention(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Attention, &[], json!({})).await?;
    let hidden: Option<Vec<String>> = part(message.clone(), "hidden")?;
    let hidden = hidden.unwrap_or_default();
    let items: Vec<AttentionItem> = part(message, "items")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&items)?);
    } else if items.is_empty() {
        println!("nothing waits for anybody");
    } else {
        let mut rows = table(&["what", "who", "org", "profile", "why"]);
        for cause in causes(items) {
            rows.add_row([&cause.what, &cause.who(), &cause.location, &cause.profile(), &cause.why]);
        }
        println!("{rows}");
    }
    if !asking.json {
        hidden.iter().for_each(|what| println!("hidden for your role: {what}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What has one cause, and whom it concerns.
#[derive(Debug)]
struct Cause {
    what: String,
    location: String,
    why: String,
    /// Name and profile of each.
    people: Vec<(String, String)>,
}

impl Cause {
    fn who(&self) -> String {
        let named: Vec<&str> =
            self.people.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
        match named.len() {
            0 | 1 => named.concat(),
            n if n <= NAMED => named.join(", "),
            n => format!("{n} people: {} and {} more", named[..NAMED].join(", "), n - NAMED),
        }
    }

    /// The profile, where it is one.
    fn profile(&self) -> String {
        if let [(_, profile)] = self.people.as_slice() { profile.clone() } else { String::new() }
    }
}

/// Puts together what has one cause; the most urgent first, in the order in which it came.
fn causes(items: Vec<AttentionItem>) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for item in items {
        let (what, location, why) = (item.what, item.org.unwrap_or(item.tenant), item.why);
        let person = (item.name, item.profile);
        let same = found.iter_mut().find(|one| one.what == what && one.location == location && one.why == why);
        match same {
            Some(one) if !one.people.contains(&person) => one.people.push(person),
            Some(_) => {}
            None => found.push(Cause { what, location, why, people: vec![person] }),
        }
    }
    found.sort_by_key(|one| ORDER.iter().position(|what| *what == one.what).unwrap_or(ORDER.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(what: &str, name: &str, why: &str) -> AttentionItem {
        let (name, profile) = (name.to_owned(), format!("profile of {name}"));
        AttentionItem {
            what: what.into(),
            org: Some("main".into()),
            tenant: "acme".into(),
            profile,
            name,
            why: why.into(),
        }
    }

    #[test]
    fn one_cause_is_one_line_with_a_count_and_the_most_urgent_stands_first() {
        let mut items = vec![item("review", "Zoe", "twins"), item("quarantined", "Ian", "no login is free")];
        items.extend(["Ada", "Ben", "Cem", "Dana"].map(|name| item("leaver with access", name, "hold 1")));
        items.push(item("quarantined", "Ian", "no login is free"));
        let causes = causes(items);
        let whats: Vec<&str> = causes.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(whats, ["leaver with access", "quarantined", "review"]);
        assert_eq!(causes[0].who(), "4 people: Ada, Ben, Cem and 1 more");
        assert_eq!((causes[1].who(), causes[1].profile()), ("Ian".to_owned(), "profile of Ian".to_owned()));
    }
}
