//! A receiver that takes nothing, or not all, costs nobody else a message, and somebody hears of it.

use crate::common::mail_server::MailServer;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{Unreached, vitals};
use std::time::{Duration, Instant};

const MAIL: &str = "[[notify]]\nname = \"hr\"\nkind = \"mail\"\nserver = \"env:SMTP\"\nfrom = \"sync@example.com\"\n\
                    to = [\"ann@example.com\", \"bob@example.com\", \"eve@example.com\"]\nevery = \"1s\"\n\
                    events = [\"leaver_done\"]\n";

pub async fn rig(extra: &str, variables: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(Setup::of(20));
    rig.extra = extra.to_owned();
    rig.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig
}

/// Somebody leaves, who manages nobody; returns the last name.
fn leaves(rig: &Rig, nth: usize) -> String {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    let is_plain = |n: usize| people[n].last_name.is_ascii() && people[n].first_name.is_ascii();
    let stays = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n) && is_plain(*n);
    let who = (0..people.len()).filter(stays).nth(nth).expect("somebody");
    rig.edit(who, |p| p.status = Hired::Inactive);
    people[who].last_name.clone()
}

async fn unreached(rig: &Rig) -> Vec<Unreached> {
    let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
    rig.store().run(move |c| vitals(c, &rules, now)).await.expect("reads").unreached
}

async fn audited(rig: &Rig, kind: &str) -> usize {
    let rows = rig.pairs("SELECT kind, row FROM audit WHERE kind IN ('reached', 'unreached')").await;
    rows.iter().filter(|(of, _)| of == kind).count()
}

fn header(mail: &str, name: &str) -> String {
    mail.lines().find(|line| line.starts_with(name)).expect("the header").to_owned()
}

#[test]
fn a_recipient_who_is_refused_costs_the_others_no_mail_and_is_named_until_accepted_again() {
    on_a_system(async {
        let (server, slack) = (MailServer::default(), Receiver::default());
        server.refuse("bob@example.com", true);
        let it = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevents = [\"channel\"]\n";
        let rig = rig(&format!("{MAIL}\n{it}"), &[("SMTP", &server.start()), ("SLACK", &slack.start())]).await;
        let name = leaves(&rig, 0);
        rig.until("bob was refused twice", async |_| server.refusals() >= 2).await;
        for other in ["ann@example.com", "eve@example.com"] {
            rig.until("the other one has it", async |_| !server.taken_for(other).is_empty()).await;
            let mails = server.taken_for(other);
            assert!(mails.len() == 1 && mails[0].contains(&name), "{other}: {name} in {mails:?}");
        }
        let named = unreached(&rig).await;
        assert!(
            named.len() == 1
                && named[0].recipient.as_deref() == Some("bob@example.com")
                && named[0].said.contains("550")
                && named[0].said.contains("no such user here"),
            "{named:?}"
        );
        assert_eq!(audited(&rig, "unreached").await, 1, "once, however often it is tried");
        rig.until("somebody else hears of it", async |_| slack.bodies().join("").contains("bob@example.com")).await;
        server.refuse("bob@example.com", false);
        rig.until("bob has it", async |_| !server.taken_for("bob@example.com").is_empty()).await;
        rig.until("nobody is named", async |rig| unreached(rig).await.is_empty()).await;
        let of = |who: &str| server.taken_for(who);
        assert!(of("bob@example.com")[0].contains(&name) && audited(&rig, "reached").await == 1);
        assert_eq!((of("ann@example.com").len(), of("bob@example.com").len(), of("eve@example.com").len()), (1, 1, 1));
        assert!(header(&of("bob@example.com")[0], "Message-ID:").contains("@example.com>"));
    });
}

#[test]
fn a_mail_that_arrived_and_was_not_confirmed_is_sent_again_under_the_same_name() {
    on_a_system(async {
        let server = MailServer::default();
        let mail = MAIL.replace("\"bob@example.com\", \"eve@example.com\"", "").replace(", ]", "]");
        let rig = rig(&mail, &[("SMTP", &server.start())]).await;
        server.hang_up_once();
        leaves(&rig, 0);
        rig.until("it is sent again", async |_| server.taken_for("ann@example.com").len() == 2).await;
        let second = leaves(&rig, 1);
        rig.until("the next one comes too", async |_| server.taken_for("ann@example.com").len() == 3).await;
        let names: Vec<String> =
            server.taken_for("ann@example.com").iter().map(|mail| header(mail, "Message-ID:")).collect();
        assert!(names[0] == names[1] && names[1] != names[2], "{names:?}");
        let third = server.taken_for("ann@example.com").swap_remove(2);
        assert!(third.contains(&second), "{second} in {third}");
        assert!(unreached(&rig).await.is_empty(), "a connection that breaks is nobody's refusal");
    });
}

#[test]
fn a_channel_that_takes_less_gets_less_and_never_nothing() {
    on_a_system(async {
        let slack = Receiver::default();
        let template = tempfile::tempdir().expect("a folder");
        let file = template.path().join("long.txt");
        std::fs::write(&file, "{% for n in range(400) %}line {{ n }} of {{ events[0].count }}\n{% endfor %}")
            .expect("writes");
        let it = format!(
            "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"1s\"\ntemplate = \"{}\"\n",
            file.display()
        );
        let rig = rig(&it, &[("SLACK", &slack.start())]).await;
        slack.take_at_most(500);
        leaves(&rig, 0);
        rig.until("one line arrives", async |_| !slack.bodies().is_empty()).await;
        let line = slack.bodies()[0].clone();
        assert!(line.contains("leavers done: 1") && line.contains("audit list"), "{line}");
        assert!(slack.tried().len() >= 3, "all, half, one line");
        assert!(unreached(&rig).await.is_empty());
    });
}

#[test]
fn a_channel_that_is_gone_is_said_by_another_one_and_told_what_it_missed_when_it_is_back() {
    on_a_system(async {
        let (slack, teams) = (Receiver::default(), Receiver::default());
        let channels = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"1s\"\n\n\
                        [[notify]]\nname = \"hr\"\nkind = \"teams\"\nurl = \"env:TEAMS\"\nevents = [\"return\"]\n";
        let rig = rig(channels, &[("SLACK", &slack.start()), ("TEAMS", &teams.start())]).await;
        for status in [404, 410] {
            slack.refuse(Some(status), None);
            let name = leaves(&rig, usize::from(status == 410));
            let said = format!("it answered {status}");
            rig.until("Teams hears of it", async |_| teams.bodies().join("").contains(&said)).await;
            let named = unreached(&rig).await;
            assert!(named.len() == 1 && named[0].channel == "it" && named[0].said.contains("no_service"), "{named:?}");
            slack.refuse(None, None);
            rig.until("it is told", async |_| slack.bodies().join("").contains(&name)).await;
            rig.until("nobody is named", async |rig| unreached(rig).await.is_empty()).await;
        }
        assert!(audited(&rig, "unreached").await == 2 && audited(&rig, "reached").await == 2);
        assert!(!slack.bodies().join("").contains("takes no messages"), "it is not told of itself");
    });
}

#[test]
fn a_channel_that_asks_to_be_left_alone_is_left_alone_for_so_long() {
    on_a_system(async {
        let slack = Receiver::default();
        let it = "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:SLACK\"\nevery = \"1s\"\nevents = [\"leaver_done\"]\n";
        let rig = rig(it, &[("SLACK", &slack.start())]).await;
        slack.refuse(Some(429), Some("2"));
        leaves(&rig, 0);
        rig.until("it is tried", async |_| slack.tried().len() == 1).await;
        slack.refuse(None, None);
        rig.until("it is told", async |_| !slack.bodies().is_empty()).await;
        let tried: Vec<Instant> = slack.tried().into_iter().map(|(_, at)| at).collect();
        assert!(tried[1] - tried[0] >= Duration::from_secs(2), "{:?}", tried[1] - tried[0]);
    });
}
