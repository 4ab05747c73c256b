//! Every screen of the command line as a terminal of 80 and of 120 columns shows it, from one world: no line is longer than the
//! terminal, and a change of what people see is seen in a review (`cargo insta review`, or INSTA_UPDATE=always).

use crate::common::program::tokens;
use crate::stories::{Night, usual_limits};
use namely_okta_sync::sandbox::population::{Hr, Person};
use namely_okta_sync::sandbox::world::today;
use std::path::Path;
use std::process::Command;

/// What a command writes into a terminal of so many columns.
fn shown(night: &Night, columns: usize, args: &[&str]) -> String {
    let mut terminal = Command::new("python3");
    terminal.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/terminal.py")).arg(columns.to_string());
    terminal.arg(env!("CARGO_BIN_EXE_namely-okta-sync")).args(args);
    if !args.contains(&"--help") {
        terminal.arg("--config").arg("acme.toml");
    }
    terminal.current_dir(night.folder()).env("NO_COLOR", "1").envs(tokens());
    terminal.env_remove("COLUMNS").env_remove("RUST_LOG");
    let output = terminal.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The same text with what differs from run to run made equal, and everything as wide as it was.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:@+".contains(c);
    for c in text.chars().chain(['\n']) {
        if is_part(c) {
            word.push(c);
            continue;
        }
        out.push_str(&equal(&std::mem::take(&mut word)));
        out.push(c);
    }
    let lines = out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    counted(&lines)
}

/// A word without what differs: digits of times, ids, codes and ports.
fn equal(word: &str) -> String {
    let digits = |word: &str| word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    let bytes = word.as_bytes();
    let is_date =
        bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[7] == b'-';
    let is_time = word.contains(':') && bytes.first().is_some_and(u8::is_ascii_digit);
    let is_id = |begin: &&str| word.len() >= 12 && word.starts_with(begin);
    let is_hex = word.len() >= 8
        && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
        && word.chars().any(|c| c.is_ascii_digit());
    let is_number = word.contains('.') && word.parse::<f64>().is_ok();
    // Limits that are switched off, and what is left of them.
    let is_large = word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    if is_date || is_time || is_number || is_large || word.contains("127.0.0.1") {
        return digits(word);
    }
    if let Some(begin) = ["00u", "00g", "0oa", "req", "ra1"].iter().find(|begin| is_id(begin)) {
        return format!("{begin}{}", "x".repeat(word.len() - begin.len()));
    }
    if is_hex { word.chars().map(|c| if c == '-' { c } else { 'x' }).collect() } else { word.to_owned() }
}

/// Whether a time stands there that has two digits: then lines are broken elsewhere.
fn takes_long(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_time =
        |pair: &[&str]| ["s", "min"].contains(&pair[1].trim_end_matches([',', ';', ':'])) && pair[0].contains('.');
    words.windows(2).any(|pair| is_time(pair) && pair[0].parse::<f64>().is_ok_and(|time| time >= 10.0))
}

/// Lines that count what goes on say how much only in form.
fn counted(text: &str) -> String {
    let line = |line: &str| match line {
        line if line.starts_with("audit: ") || line.contains("left of this minute") || line.contains("a minute") => {
            let mut out = String::new();
            for c in line.chars() {
                match c {
                    c if c.is_ascii_digit() && out.ends_with('#') => {}
                    c if c.is_ascii_digit() => out.push('#'),
                    c => out.push(c),
                }
            }
            out
        }
        line => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Somebody who starts in some days, and somebody whose login somebody else has.
fn hires(night: &Night) -> [Person; 2] {
    let now = night.now();
    let mut one = Hr::new(71, today(now)).joiner(1);
    let mut other = Hr::new(72, today(now)).joiner(1);
    one.email = "starts.soon@example.com".into();
    one.start_date = today(now).saturating_add(jiff::Span::new().days(3));
    other.email = night.people()[night.workers()[20]].email.clone();
    [one, other]
}

#[test]
fn every_screen_fits_a_terminal_of_80_and_of_120_columns_and_shows_what_it_showed() {
    let night = Night::begin(60, usual_limits, |_| {});
    let who = night.workers();
    let mover = night.people()[who[13]].email.clone();
    night.edit(&who[13..14], |person| person.department = (person.department + 1) % 8);
    hires(&night).into_iter().for_each(|person| night.hire(person));
    // Whoever starts soon counts among those who have an account; the other of the two waits for a person.
    night.until("who starts soon has an account", || night.has_account("starts.soon@example.com"));
    night.settle_but(1);
    night.leave(&who[..12]);
    let (id, _) = night.hold_of(12);
    night.ok(&["pause", "--change", "change_login", "--why", "payroll is being moved", "--by", "ann"]);
    night.until("every row of the audit is delivered", || !night.cli(&["status"]).1.contains(" for file"));
    std::fs::copy(night.folder().join("config.toml"), night.folder().join("acme.toml")).expect("copies");
    let hold = ["holds", "show", id.as_str()];
    let timeline = ["timeline", mover.as_str()];
    let explain = ["explain", mover.as_str()];
    let screens: [(&str, &[&str]); 17] = [
        ("help", &["--help"]),
        ("help_holds", &["holds", "--help"]),
        ("help_plan", &["plan", "--help"]),
        ("status", &["status"]),
        ("attention", &["attention"]),
        ("holds_list", &["holds", "list"]),
        ("holds_show", &hold),
        ("plan", &["plan"]),
        ("reconcile", &["reconcile"]),
        ("timeline", &timeline),
        ("explain", &explain),
        ("starters", &["starters"]),
        ("quarantine_list", &["quarantine", "list"]),
        ("review_list", &["review", "list"]),
        ("missing_list", &["missing", "list"]),
        ("pause_list", &["pause", "--list"]),
        ("check", &["check"]),
    ];
    let mut long = Vec::new();
    for columns in [80, 120] {
        for (name, args) in screens {
            let text = shown(&night, columns, args);
            // A line with a command is left to the terminal: whoever copies it needs it whole.
            let too_long = text.lines().filter(|line| line.chars().count() > columns && !is_command(line));
            // How the help of one command is laid out is clap's.
            let too_long = too_long.filter(|_| !name.starts_with("help_"));
            long.extend(too_long.map(|line| format!("{name} at {columns}: {line}")));
            if takes_long(&text) {
                eprintln!("SKIPPED: {name} at {columns}: this machine was so slow that another width stands there");
                continue;
            }
            for (wrong, _) in text.match_indices("1 people") {
                let before = text[..wrong].chars().next_back();
                assert!(before.is_some_and(|c| c.is_ascii_digit()), "{name}: 1 people");
            }
            if name == "status" {
                // What is left of each counter, and how long each thing has lasted, decides where its lines break.
                continue;
            }
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}_{columns}"), redacted(&text));
            });
        }
    }
    assert!(long.is_empty(), "longer than the terminal:\n{}", long.join("\n"));
}

/// Whether a line holds a command that somebody may copy.
fn is_command(line: &str) -> bool {
    line.contains(" --") || line.contains('`')
}
