use super::super::outcome::Answered;
use super::*;

const NOW: Moment = Moment::from_secs(1000);

fn call(bucket: Bucket, write: bool) -> About {
    About { bucket, write, action: if write { "update" } else { "read" } }
}

fn answered(status: u16, body: &str) -> Reply {
    let request_id = (!body.starts_with('<')).then(|| "req1".to_owned());
    Reply::Answered(Answered { status, body: body.as_bytes().to_vec(), request_id, ..Answered::default() })
}

fn error(status: u16, code: &str) -> Reply {
    answered(status, &serde_json::json!({ "errorCode": code, "errorSummary": "s" }).to_string())
}

fn paused(changes: &[Notice]) -> Vec<Scope> {
    changes.iter().filter_map(|c| if let Notice::Paused { scope, .. } = c { Some(*scope) } else { None }).collect()
}

#[test]
fn a_refused_token_pauses_everything_and_one_call_at_a_time_tries_it() {
    let mut health = Health::default();
    for _ in 0..3 {
        health.on_send(call(Bucket::Users, true));
    }
    let refused = || symptom(&error(401, "E0000011"));
    assert_eq!(paused(&health.on_reply(call(Bucket::Users, true), None, refused(), NOW)), [Scope::Org]);
    for _ in 0..2 {
        assert_eq!(health.on_reply(call(Bucket::Users, true), None, refused(), NOW), [], "told once");
    }
    assert_eq!(health.admit(call(Bucket::Groups, false), NOW), Admission::Wait(NOW + PAUSES[0]));
    let later = NOW + PAUSES[0];
    assert_eq!(health.admit(call(Bucket::Groups, false), later), Admission::Try);
    health.on_send(call(Bucket::Groups, false));
    assert!(matches!(health.admit(call(Bucket::Users, true), later), Admission::Wait(_)), "one tries");
    health.on_reply(call(Bucket::Groups, false), None, refused(), later);
    assert_eq!(health.admit(call(Bucket::Users, true), later), Admission::Wait(later + PAUSES[1]), "longer each time");
    let much_later = later + PAUSES[1];
    health.on_send(call(Bucket::Users, true));
    let changes = health.on_reply(call(Bucket::Users, true), None, Symptom::Healthy, much_later);
    assert_eq!(changes, [Notice::Resumed { scope: Scope::Org }]);
    assert_eq!(health.admit(call(Bucket::Users, true), much_later), Admission::Yes);
}

#[test]
fn read_only_mode_stops_writes_and_not_reads_and_ends_by_a_write() {
    let mut health = Health::default();
    health.on_send(call(Bucket::Users, true));
    let changes = health.on_reply(call(Bucket::Users, true), None, symptom(&error(503, "E0000010")), NOW);
    assert_eq!(paused(&changes), [Scope::Writes]);
    assert_eq!(health.admit(call(Bucket::UserRead, false), NOW), Admission::Yes);
    assert!(matches!(health.admit(call(Bucket::Groups, true), NOW), Admission::Wait(_)));
    health.on_reply(call(Bucket::UserRead, false), None, Symptom::Healthy, NOW);
    assert!(matches!(health.admit(call(Bucket::Groups, true), NOW), Admission::Wait(_)), "a read proves nothing");
    health.on_reply(call(Bucket::Groups, true), None, Symptom::Healthy, NOW);
    assert_eq!(health.admit(call(Bucket::Groups, true), NOW), Admission::Yes);
}

#[test]
fn a_missing_scope_stops_its_counter_only() {
    let mut health = Health::default();
    let missing = answered(403, r#"{"error":"insufficient_scope"}"#);
    let changes = health.on_reply(call(Bucket::Groups, true), None, symptom(&missing), NOW);
    assert_eq!(paused(&changes), [Scope::Bucket { bucket: Bucket::Groups, write: true }]);
    assert_eq!(health.admit(call(Bucket::Groups, false), NOW), Admission::Yes);
    assert_eq!(health.admit(call(Bucket::Users, true), NOW), Admission::Yes);
}

#[test]
fn one_person_who_may_not_be_touched_is_no_pause_but_everybody_is() {
    let mut health = Health::default();
    let forbidden = || symptom(&error(403, "E0000006"));
    for _ in 0..FORBIDDEN - 1 {
        assert_eq!(health.on_reply(call(Bucket::UserWrite, true), None, forbidden(), NOW), []);
    }
    health.on_reply(call(Bucket::UserWrite, true), None, Symptom::Healthy, NOW);
    for _ in 0..FORBIDDEN - 1 {
        assert_eq!(health.on_reply(call(Bucket::UserWrite, true), None, forbidden(), NOW), [], "counted anew");
    }
    let changes = health.on_reply(call(Bucket::UserWrite, true), None, forbidden(), NOW);
    assert_eq!(paused(&changes), [Scope::Action { bucket: Bucket::UserWrite, action: "update" }]);
}

#[test]
fn one_person_who_is_refused_again_and_again_is_one_person() {
    let mut health = Health::default();
    let refused = || Symptom::Forbidden("no".into());
    for _ in 0..FORBIDDEN * 4 {
        assert_eq!(health.on_reply(call(Bucket::Users, true), Some(7), refused(), NOW), []);
    }
    let others = (8..).take(FORBIDDEN - 1);
    let message: Vec<_> =
        others.flat_map(|person| health.on_reply(call(Bucket::Users, true), Some(person), refused(), NOW)).collect();
    assert!(
        matches!(&message[..], [Notice::Paused { why, .. }] if why.contains("for 5 people in a row")),
        "{message:?}"
    );
}

#[test]
fn what_is_not_allowed_stops_nothing_else_and_nothing_else_lets_it_go_on() {
    let does = |action| About { bucket: Bucket::Users, write: true, action };
    let mut health = Health::default();
    for person in 0..5 {
        health.on_reply(does("suspend"), Some(person), Symptom::Forbidden("no".into()), NOW);
    }
    assert!(matches!(health.admit(does("suspend"), NOW), Admission::Wait(_)));
    assert_eq!(health.admit(does("create"), NOW), Admission::Yes);
    assert_eq!(health.bucket(Bucket::Users, true, NOW), Admission::Yes);
    assert_eq!(health.on_reply(does("create"), Some(9), Symptom::Healthy, NOW), []);
    assert!(matches!(health.admit(does("suspend"), NOW), Admission::Wait(_)));
    let later = NOW + PAUSES[0];
    health.on_send(does("suspend"));
    assert_eq!(health.on_reply(does("suspend"), Some(1), Symptom::Healthy, later).len(), 1, "it is allowed again");
    assert_eq!(health.admit(does("suspend"), later), Admission::Yes);
}

#[test]
fn what_goes_on_and_fails_again_waits_longer_than_before_and_after_a_while_it_is_forgotten() {
    let mut health = Health::default();
    let writes = call(Bucket::Users, true);
    let read_only = || Symptom::ReadOnly("E0000010".into());
    let mut now = NOW;
    for pause in PAUSES {
        health.on_reply(writes, None, read_only(), now);
        assert_eq!(health.admit(writes, now), Admission::Wait(now + pause));
        now = now + pause;
        health.on_send(writes);
        assert_eq!(health.on_reply(writes, None, Symptom::Healthy, now).len(), 1);
    }
    now = now + RELAPSE + PAUSES[0];
    health.on_reply(writes, None, read_only(), now);
    assert_eq!(health.admit(writes, now), Admission::Wait(now + PAUSES[0]));
}

#[test]
fn lost_answers_pause_only_when_nothing_else_comes() {
    let mut health = Health::default();
    for _ in 0..SILENT - 1 {
        assert_eq!(health.on_reply(call(Bucket::Users, true), None, Symptom::Silent("timed out".into()), NOW), []);
    }
    health.on_reply(call(Bucket::Users, true), None, Symptom::Healthy, NOW);
    let mut message = Vec::new();
    for _ in 0..SILENT {
        message.extend(health.on_reply(call(Bucket::Users, true), None, Symptom::Silent("timed out".into()), NOW));
    }
    assert_eq!(paused(&message), [Scope::Org]);
}

#[test]
fn what_answers_but_is_not_okta_is_told_apart() {
    let is_not_okta = |reply: Reply| matches!(symptom(&reply), Symptom::NotOkta(_));
    assert!(is_not_okta(answered(200, "<!DOCTYPE html><html>")));
    assert!(is_not_okta(answered(302, "")));
    assert!(is_not_okta(answered(403, "<html>blocked by the proxy</html>")));
    assert!(!is_not_okta(answered(502, "<html>Bad gateway</html>")));
    assert!(!is_not_okta(answered(200, "[]")));
    assert!(!is_not_okta(error(404, "E0000007")));
    assert_eq!(symptom(&error(429, "E0000047")), Symptom::Nothing);
}

#[test]
fn answers_about_other_people_stop_writes_but_no_termination_until_answers_are_right_again() {
    let write = |health: &Health, now| health.admit(call(Bucket::UserWrite, true), now);
    let mut health = Health::default();
    assert_eq!(health.on_identity(1, false, NOW), [], "one person is that person's trouble");
    assert_eq!(health.on_identity(1, false, NOW), []);
    assert_eq!(paused(&health.on_identity(2, false, NOW)), [Scope::Answers]);
    assert!(matches!(write(&health, NOW), Admission::Wait(_)));
    assert_eq!(health.admit(call(Bucket::UserRead, false), NOW), Admission::Yes, "reading shows when it is over");
    assert_eq!(health.may_end(call(Bucket::Users, true), NOW), Admission::Yes);
    health.on_reply(call(Bucket::UserWrite, true), None, Symptom::Healthy, NOW);
    assert!(matches!(write(&health, NOW), Admission::Wait(_)), "an answer that names nobody proves nothing");
    assert_eq!(health.on_identity(3, true, NOW), [], "too early");
    assert!(!health.are_answers_in_question(NOW));
    let later = NOW + WRONG_PAUSES[0];
    assert_eq!(health.on_identity(1, false, later), [], "still wrong: longer");
    assert_eq!(health.on_identity(3, true, later), []);
    let later = later + WRONG_PAUSES[1];
    assert!(health.are_answers_in_question(later), "somebody is read for whom nobody waits");
    health.on_nobody_read(later);
    assert!(!health.are_answers_in_question(later), "and after a while again");
    let later = later + WRONG_PAUSES[1];
    assert_eq!(health.on_identity(3, true, later), [Notice::Resumed { scope: Scope::Answers }]);
    assert_eq!(write(&health, later), Admission::Yes);
}

#[test]
fn five_wrong_answers_of_the_last_hundred_stop_writes_and_few_among_many_do_not() {
    let mut health = Health::default();
    let minutes = |n: u64| NOW + Duration::from_secs(60 * n);
    for n in 0..20 {
        (0..30)
            .for_each(|_| drop(health.on_reply(call(Bucket::UserRead, false), None, Symptom::Healthy, minutes(2 * n))));
        assert_eq!(health.on_identity(i64::try_from(n).unwrap_or(0), false, minutes(2 * n)), [], "{n}");
    }
    let mut message = Vec::new();
    for _ in 0..3 {
        message.extend(health.on_identity(7, false, minutes(60)));
    }
    assert_eq!(paused(&message), [Scope::Answers]);
}

#[test]
fn what_is_not_allowed_for_many_does_not_keep_the_next_leaver() {
    let mut health = Health::default();
    for person in 0..5 {
        health.on_reply(call(Bucket::Users, true), Some(person), Symptom::Forbidden("no".into()), NOW);
    }
    assert!(matches!(health.admit(call(Bucket::Users, true), NOW), Admission::Wait(_)));
    assert_eq!(health.may_end(call(Bucket::Users, true), NOW), Admission::Yes);
}

#[test]
fn a_call_that_never_left_is_not_the_try() {
    let mut health = Health::default();
    health.on_reply(call(Bucket::Users, true), None, Symptom::Unreachable("no route".into()), NOW);
    let later = NOW + PAUSES[0];
    health.on_send(call(Bucket::Users, true));
    health.on_not_sent(call(Bucket::Users, true));
    assert_eq!(health.admit(call(Bucket::Users, true), later), Admission::Try);
}

#[test]
fn odd_answers_about_one_person_pause_nothing_and_a_call_for_nobody_shows_whether_the_org_is_in_trouble() {
    let odd = || [symptom(&answered(302, "")), symptom(&error(401, "E0000011"))];
    for symptom in odd() {
        let mut health = Health::default();
        let users = call(Bucket::Users, true);
        for _ in 0..20 {
            assert_eq!(health.on_reply(users, Some(7), symptom.clone(), NOW), []);
        }
        assert_eq!(health.admit(users, NOW), Admission::Yes);
        assert!(health.is_in_question(NOW), "how is it for others?");
        health.on_reply(call(Bucket::UserRead, false), None, Symptom::Healthy, NOW);
        assert!(!health.is_in_question(NOW));
        health.on_reply(users, Some(7), symptom.clone(), NOW);
        let mut of_all = health.clone();
        let notice = health.on_reply(call(Bucket::UserRead, false), None, symptom.clone(), NOW);
        assert_eq!(paused(&notice), [Scope::Org], "a call for nobody meets it too");
        let notice = of_all.on_reply(users, Some(8), symptom, NOW);
        assert_eq!(paused(&notice), [Scope::Org], "somebody else meets it too");
    }
    let mut health = Health::default();
    for person in [7, SOME_ACCOUNT, SOME_ACCOUNT] {
        let odd = symptom(&answered(302, ""));
        assert_eq!(health.on_reply(call(Bucket::UserRead, false), Some(person), odd, NOW), [], "it may be theirs");
    }
    let mut health = Health::default();
    for _ in 0..SILENT * 3 {
        health.on_reply(call(Bucket::Users, true), Some(7), Symptom::Silent("reset".into()), NOW);
    }
    assert_eq!(health.org(NOW), Admission::Yes);
    assert!(health.is_in_question(NOW));
}

#[test]
fn whether_an_org_is_there_again_is_not_tried_with_a_call_that_may_fail_for_one_persons_sake() {
    let mut health = Health::default();
    let users = call(Bucket::Users, true);
    health.on_reply(users, None, Symptom::Unreachable("no route".into()), NOW);
    let later = NOW + PAUSES[0];
    assert_eq!(health.admit(users, later), Admission::Try);
    assert!(health.is_in_question(later) && !health.is_in_question(NOW));
    assert!(matches!(health.for_person(health.may_end(users, later), later), Admission::Wait(_)));
    let stopped = health.stopped().expect("a pause");
    assert_eq!(stopped, ("calls", "no route"));
    health.on_send(users);
    health.on_reply(users, None, Symptom::Healthy, later);
    assert_eq!((health.for_person(Admission::Yes, later), health.stopped()), (Admission::Yes, None));
}

#[test]
fn while_answers_are_about_others_the_whole_end_of_an_access_goes_out() {
    let mut health = Health::default();
    health.on_identity(1, false, NOW);
    health.on_identity(2, false, NOW);
    let groups = call(Bucket::Groups, true);
    assert!(matches!(health.admit(groups, NOW), Admission::Wait(_)));
    assert_eq!(health.may_follow(groups, NOW), Admission::Yes);
}
