//! A mail server that refuses whom it is told to refuse, and keeps what it takes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it has taken, and whom it refuses; shared by all its clones.
#[derive(Clone, Default)]
pub struct MailServer {
    refused: Arc<Mutex<BTreeSet<String>>>,
    /// It takes the next message and hangs up before it says so.
    hangs_up: Arc<Mutex<bool>>,
    taken: Arc<Mutex<Vec<(String, String)>>>,
    refusals: Arc<Mutex<usize>>,
}

impl MailServer {
    /// Serves on a free port; returns the URL.
    pub fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("its address"));
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || server.talk(stream).unwrap_or_default());
            }
        });
        url
    }

    /// From here on this recipient is refused, or not any more.
    pub fn refuse(&self, recipient: &str, refused: bool) {
        let mut all = self.refused.lock().expect("locks");
        if refused {
            all.insert(recipient.to_owned())
        } else {
            all.remove(recipient)
        };
    }

    /// The next message is taken, and nobody is told so.
    pub fn hang_up_once(&self) {
        *self.hangs_up.lock().expect("locks") = true;
    }

    /// What was taken for a recipient, from the first header to the end.
    pub fn taken_for(&self, recipient: &str) -> Vec<String> {
        let taken = self.taken.lock().expect("locks");
        taken.iter().filter(|(to, _)| to == recipient).map(|(_, text)| text.clone()).collect()
    }

    /// How often somebody was refused.
    pub fn refusals(&self) -> usize {
        *self.refusals.lock().expect("locks")
    }

    fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (mut out, mut lines) = (stream.try_clone()?, BufReader::new(stream).lines());
        let mut say = move |text: &str| out.write_all(format!("{text}\r\n").as_bytes());
        let mut to = Vec::new();
        say("220 test")?;
        while let Some(line) = lines.next().transpose()? {
            let word = line.to_uppercase();
            if word.starts_with("RCPT TO:") {
                let one = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                if self.refused.lock().expect("locks").contains(&one) {
                    *self.refusals.lock().expect("locks") += 1;
                    say("550 5.1.1 no such user here")?;
                    continue;
                }
                to.push(one);
                say("250 ok")?;
            } else if word == "DATA" {
                say("354 go on")?;
                let text: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                let all = to.drain(..).map(|one| (one, text.join("\n")));
                self.taken.lock().expect("locks").extend(all);
                if std::mem::take(&mut *self.hangs_up.lock().expect("locks")) {
                    return Ok(());
                }
                say("250 taken")?;
            } else if word.starts_with("QUIT") {
                return say("221 bye");
            } else {
                say("250 ok")?;
            }
        }
        Ok(())
    }
}
