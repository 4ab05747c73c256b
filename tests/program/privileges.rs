//! What the documents say that Okta has to permit is what the service calls.

use super::docs::root;
use namely_okta_sync::privileges::{CALLS, Call, When, includes, permissions, scopes};

/// The rows of a table: what is named for whatever is configured first, then what a setting adds.
fn rows(
    named: impl Fn(&dyn Fn(When) -> bool) -> Vec<&'static str>,
    takes: impl Fn(&Call, &str) -> bool,
) -> Vec<String> {
    let mut before: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for when in When::ALL {
        let used = |one: When| one == When::Always || one == when;
        for name in named(&used) {
            if before.contains(&name) {
                continue;
            }
            let mut purposes: Vec<&str> = Vec::new();
            for call in CALLS.iter().filter(|call| used(call.when) && takes(call, name)) {
                if !purposes.contains(&call.purpose) {
                    purposes.push(call.purpose);
                }
            }
            let setting = if when == When::Always { String::new() } else { format!("`{}`", when.setting()) };
            rows.push(format!("| `{name}` | {} | {setting} |", purposes.join(", ")).replace("|  |", "| |"));
            before.push(name);
        }
    }
    rows
}

#[test]
fn the_documented_scopes_and_permissions_are_those_of_the_table_in_the_code() {
    let text = std::fs::read_to_string(root().join("docs/operations.md")).expect("reads");
    let is_row = |line: &&str| line.starts_with("| `okta.") && line.matches('|').count() == 4;
    let documented: Vec<&str> = text.lines().filter(is_row).collect();
    let scopes = rows(|used| scopes(used), |call, scope| includes(scope, call.scope));
    let permissions = rows(|used| permissions(used), |call, permission| call.permissions.contains(&permission));
    let expected: Vec<String> = scopes.into_iter().chain(permissions).collect();
    assert!(documented == expected, "docs/operations.md has to say:\n{}", expected.join("\n"));
}
