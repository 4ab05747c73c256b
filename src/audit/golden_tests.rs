//! Rows that were written before events were typed, at least one of each kind, and what was said of them.

use super::words::in_former_words;
use super::{Event, Record, Row};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ROWS: &str = include_str!("golden/rows.jsonl");
const DESCRIPTIONS: &str = include_str!("golden/descriptions.txt");

fn rows() -> impl Iterator<Item = (&'static str, Row)> {
    ROWS.lines().map(|text| (text, Row::read(text).expect("a row")))
}

const ROWS_NOW: &str = include_str!("golden/rows-2.jsonl");

/// The row as it would be written now.
fn written(row: Row) -> String {
    let Row { seq, at, target, org, tenant, profile, rev, event } = row;
    let at = at.parse::<jiff::Timestamp>().expect("a time").into();
    Record { at, target, org, tenant, profile, rev, event }.text(seq).expect("a row")
}

#[test]
fn a_row_of_every_kind_is_written_with_the_bytes_that_were_hashed() {
    for text in ROWS_NOW.lines() {
        assert_eq!(written(Row::read(text).expect("a row")), text);
    }
}

#[test]
fn a_row_of_every_kind_that_was_written_in_former_words_says_the_same_as_one_of_now() {
    let mut kinds = BTreeSet::new();
    let now: Vec<&str> = ROWS_NOW.lines().collect();
    assert_eq!(rows().count(), now.len());
    for ((_, row), now) in rows().zip(now) {
        assert!(!matches!(row.event, Event::Unknown { .. } | Event::Misfit { .. }), "{row:?}");
        kinds.insert(row.event.kind().to_owned());
        assert_eq!(row, Row::read(now).expect("a row"));
        assert_eq!(written(row), now);
    }
    assert_eq!(kinds, Event::KINDS.iter().map(|kind| (*kind).to_owned()).collect(), "a golden row for each kind");
}

#[test]
fn a_receiver_of_former_words_gets_the_rows_that_it_got_before() {
    for (former, now) in ROWS.lines().zip(ROWS_NOW.lines()) {
        assert_eq!(in_former_words(now).expect("a row"), former);
        assert_eq!(in_former_words(former).expect("a row"), former, "a row of before is as it was");
    }
}

#[test]
fn a_row_of_every_kind_is_described_as_before() {
    let described: Vec<String> = rows().map(|(_, row)| row.describe()).collect();
    assert_eq!(described, DESCRIPTIONS.lines().collect::<Vec<_>>());
}

#[test]
fn a_row_of_a_newer_version_is_kept_and_shown_as_it_is() {
    let text =
        r#"{"at":"2027-01-01T00:00:00.000Z","detail":{"by":"Ann","until":"noon"},"kind":"snoozed","seq":7,"v":2}"#;
    let row = Row::read(text).expect("a row");
    assert_eq!(row.event, Event::Unknown { kind: "snoozed".into(), detail: json!({ "by": "Ann", "until": "noon" }) });
    assert_eq!(row.describe(), r#"snoozed: {"by":"Ann","until":"noon"}"#);
    assert_eq!(written(row), text);
}

#[test]
fn a_row_whose_detail_does_not_fit_is_kept_and_says_so() {
    let text = r#"{"at":"2027-01-01T00:00:00.000Z","detail":{"hold":"seven"},"kind":"held","seq":7,"v":2}"#;
    let row = Row::read(text).expect("a row");
    let message = row.describe();
    assert!(message.starts_with("held, which this version cannot read (invalid type: string \"seven\""), "{message}");
    assert!(message.ends_with(r#"): {"hold":"seven"}"#), "{message}");
    assert_eq!(written(row), text);
}

#[test]
fn no_detail_of_any_kind_makes_a_row_disappear() {
    for kind in Event::KINDS {
        for detail in [Value::Null, json!([]), json!(3), json!({ "why": [] }), json!({ "step": { "step": "moved" } })] {
            let row = Row::of(&json!({ "seq": 1, "at": "", "kind": kind, "detail": detail }));
            assert_eq!(row.event.kind(), *kind);
            assert!(matches!(&row.event, Event::Misfit { detail: kept, .. } if *kept == detail), "{row:?}");
            assert!(row.describe().contains(&detail.to_string()), "{}", row.describe());
        }
    }
}

#[test]
fn a_field_that_a_newer_version_adds_hides_nothing_of_a_row() {
    let detail = json!({ "remark": null, "took_ms": 1500, "proof": "read" });
    let row = Row::of(&json!({ "seq": 1, "at": "", "kind": "done", "detail": detail }));
    assert_eq!(row.describe(), "Okta holds what Namely says, 1.5 s after it was seen");
}
