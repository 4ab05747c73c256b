//! A company of one's own in the simulators, and the twin of a real one in which nobody is named.

use crate::common::program::program;
use namely_okta_sync::sandbox::data::{Contents, Format};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

/// A simulator that was started as anybody starts one; it ends with the test.
struct Simulated {
    child: Child,
    url: String,
    greeting: String,
    /// What it goes on to say; it must be able to.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn simulate(side: &str, more: &[&str]) -> Simulated {
    let mut command = program();
    command.args(["simulate", side, "--listen", "127.0.0.1:0", "--no-limits", "--latency", "0"]).args(more);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let greeting = lines.next().and_then(Result::ok).expect("a greeting");
    let url = greeting.split_whitespace().find(|word| word.starts_with("http")).expect("an address").to_owned();
    Simulated { child, url, greeting, _said: lines }
}

fn ask(method: &str, url: &str, authorization: &str, body: Option<&Value>) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let request = reqwest::Client::new().request(method.parse().expect("a method"), url);
        let mut request = request.header("authorization", authorization);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    })
}

const HR: &str = "Bearer sandbox-namely-token";
const ORG: &str = "SSWS 00sandbox-token";

/// A table of so many people, whose managers are the first of every ten.
fn table(people: usize) -> String {
    let mut text =
        "email,first_name,last_name,user_status,start_date,job_title,job_tier,department,office,employee_type,\
                    reports_to,t_shirt\n"
            .to_owned();
    for n in 0..people {
        let (title, tier) = if n % 10 == 0 { ("Head", "Manager") } else { ("Clerk", "Staff") };
        let boss = if n == 0 { String::new() } else { format!("p{}@example.com", (n - 1) / 10 * 10) };
        let boss = if n % 10 == 0 && n > 0 { "p0@example.com".to_owned() } else { boss };
        let department = ["Mail Room", "Sorting", "Night Shift"][n % 3];
        writeln!(
            text,
            "p{n}@example.com,P{n},Q,active,2024-01-31,{title},{tier},{department},Oslo,Full Time,{boss},XL"
        )
        .expect("writes");
    }
    text
}

#[test]
fn both_sides_can_be_filled_from_an_hr_table_and_its_people_change_in_its_own_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("contents.csv");
    std::fs::write(&file, table(12)).expect("writes");
    let file = file.to_str().expect("a path");
    let namely = simulate("namely", &["--data", file]);
    assert!(namely.greeting.ends_with("with 12 people"), "{}", namely.greeting);
    let (_, found) = ask("GET", &format!("{}/profiles?filter%5Bemail%5D=p3@example.com", namely.url), HR, None);
    let profile = &found["profiles"][0];
    assert_eq!((&profile["job_title"]["title"], &profile["t_shirt"]), (&json!("Clerk"), &json!("XL")));
    assert_eq!(
        (&profile["links"]["groups"][0]["name"], &profile["reports_to"][0]["email"]),
        (&json!("Mail Room"), &json!("p0@example.com"))
    );
    let (_, fields) = ask("GET", &format!("{}/profiles/fields", namely.url), HR, None);
    assert!(fields["fields"].as_array().is_some_and(|fields| fields.iter().any(|field| field["name"] == "t_shirt")));
    let path = format!("{}/profiles/{}", namely.url, profile["id"].as_str().expect("an id"));
    let change = json!({ "profiles": [{ "job_title": "Head", "t_shirt": "S", "links": { "groups": [{ "name": "Night Shift" }, { "name": "Oslo" }] } }] });
    let (status, changed) = ask("PUT", &path, HR, Some(&change));
    assert_eq!(status, 200, "{changed}");
    let changed = &changed["profiles"][0];
    assert_eq!((&changed["links"]["groups"][0]["name"], &changed["t_shirt"]), (&json!("Night Shift"), &json!("S")));
    assert_eq!(changed["job_title"]["title"], "Head");

    let okta = simulate("okta", &["--data", file]);
    let (_, user) = ask("GET", &format!("{}/api/v1/users/p3@example.com", okta.url), ORG, None);
    assert_eq!(
        (&user["profile"]["department"], &user["profile"]["managerId"]),
        (&json!("Mail Room"), &json!("p0@example.com"))
    );
    assert_eq!(user["profile"]["namelyId"], profile["id"]);
    let (_, groups) = ask("GET", &format!("{}/api/v1/groups?q=Department", okta.url), ORG, None);
    assert_eq!(groups.as_array().map(Vec::len), Some(3));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_numbers_of_its_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("contents.ndjson");
    std::fs::write(&file, "{\"email\":\"a@example.com\"}\nnonsense\n").expect("writes");
    let path = file.to_str().expect("a path");
    for arguments in
        [&["simulate", "namely", "--listen", "127.0.0.1:0", "--data", path][..], &["sandbox", "--data", path]]
    {
        let output = program().args(arguments).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains("line 1: first_name is missing") && said.contains("line 2: is no JSON"), "{said}");
    }
}

#[test]
fn a_day_is_played_on_a_company_of_ones_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("contents.csv");
    let left = "x@example.com,X,Y,inactive,2024-01-31,Clerk,Staff,Sorting,Oslo,Full Time,,\n";
    std::fs::write(&file, table(60) + left).expect("writes");
    let mut command = program();
    command.args(["sandbox", "--scenario", "reorg", "--time-scale", "20", "--report", "json", "--data"]).arg(&file);
    let output = command.output().expect("runs");
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{said}");
    assert!(said.contains("1 people of"), "who has left is left out, and that is said: {said}");
    let report: Value = serde_json::from_str(&out).expect("a report");
    assert_eq!((&report["employees"], &report["lost"]), (&json!(60), &json!(0)), "{report:#}");
    assert_eq!(report["okta_calls"], report["okta_calls_minimal"]);
}

/// Every text of a document.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, into)),
        _ => {}
    }
}

#[test]
fn the_twin_of_a_company_has_its_shape_and_no_value_of_its_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let people = ["--employees", "40"];
    let (namely, okta) = (simulate("namely", &people), simulate("okta", &people));
    let config = format!(
        "[[namely]]\nname = \"acme\"\nurl = {:?}\ntoken = \"env:NAMELY_TOKEN\"\ntime_zone = \"America/New_York\"\n\
         [[okta]]\nname = \"acme\"\nurl = {:?}\ntoken = \"env:OKTA_TOKEN\"\n\
         [leave]\nwhen = \"employee.custom.leave_status == 'On leave'\"\n\
         [[mapping.groups]]\nname = \"departments\"\ntemplate = \"Department {{employee.department}}\"\n",
        namely.url, okta.url
    );
    let path = folder.path().join("acme.toml");
    std::fs::write(&path, config).expect("writes");
    let twin = folder.path().join("twin.ndjson");
    let export = |to: &Path| {
        let mut command = program();
        command.args(["export-twin", "--keep-field", "leave_status", "--config"]).arg(&path).arg("--output").arg(to);
        command.output().expect("runs")
    };
    let output = export(&twin);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("40 people of acme, 41 accounts and 8 groups of acme"), "{said}");
    assert!(!export(&twin).status.success(), "what is there is not written over");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&twin).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600, "it is its owner's alone");

    let text = std::fs::read_to_string(&twin).expect("reads");
    let mut written = Vec::new();
    text.lines().for_each(|line| texts(&serde_json::from_str(line).expect("JSON"), &mut written));
    let written: BTreeSet<String> = written.into_iter().collect();
    let (_, real) = ask("GET", &format!("{}/profiles?per_page=50", namely.url), HR, None);
    let real = real["profiles"].as_array().expect("profiles");
    for profile in real {
        for key in ["id", "email", "first_name", "last_name", "preferred_name", "employee_id", "office_direct_dial"] {
            let value = profile[key].as_str().unwrap_or_default();
            assert!(value.is_empty() || !written.contains(value), "{key} {value:?} is in the twin");
        }
        let email = profile["email"].as_str().expect("an address");
        assert!(!text.contains(email) && !text.contains(profile["id"].as_str().expect("an id")), "{email}");
    }
    for secret in
        ["000-00-0000", "1980-01-01", "12345", "someone@example.org", "sandbox-namely-token", "00sandbox-token"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
    let contents = Contents::read(&text, Format::Lines).unwrap_or_else(|bad| panic!("{bad}"));
    assert_eq!((contents.people.len(), contents.accounts.len(), contents.groups.len()), (40, 41, 8));
    let departments = |people: &mut dyn Iterator<Item = String>| {
        let mut all: Vec<String> = people.collect();
        all.sort();
        all
    };
    let before =
        departments(&mut real.iter().map(|p| p["links"]["groups"][0]["name"].as_str().expect("a name").to_owned()));
    assert_eq!(departments(&mut contents.people.iter().map(|p| p.department().to_owned())), before);
    let with_manager = real.iter().filter(|p| p["reports_to"][0]["id"] != "no_guid").count();
    assert_eq!(contents.people.iter().filter(|p| p.manager.is_some()).count(), with_manager);

    // Both sides of the twin know one another: everybody has the account that they had.
    let file = twin.to_str().expect("a path");
    let again = simulate("okta", &["--data", file]);
    let anchored = |id: &str| {
        let search = format!("{}/api/v1/users?search=profile.namelyId%20eq%20%22{id}%22", again.url);
        ask("GET", &search, ORG, None).1
    };
    for person in contents.people.iter().take(5) {
        let found = anchored(&person.id);
        assert_eq!(found[0]["profile"]["login"], json!(person.email), "{found}");
        assert_eq!(found[0]["profile"]["department"], json!(person.department()));
    }
}
