//! A mail server that keeps what it is sent, and can refuse it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was sent; shared by all its clones.
#[derive(Clone, Default)]
pub struct Mailbox {
    mails: Arc<Mutex<Vec<Mail>>>,
    refuses: Arc<Mutex<bool>>,
    /// It takes no mail with more bytes.
    largest: Arc<Mutex<Option<usize>>>,
    /// How many were too large.
    too_large: Arc<Mutex<usize>>,
}

/// One mail.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub to: Vec<String>,
    /// Headers and parts.
    pub text: String,
}

impl Mailbox {
    /// Serves on a free port; returns the address as the configuration has it.
    pub fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || state.talk(stream));
            }
        });
        format!("smtp://{address}")
    }

    /// From now on it takes no mail, or takes it again.
    pub fn refuse(&self, refuses: bool) {
        *self.refuses.lock().expect("locks") = refuses;
    }

    /// From now on a mail with more bytes is too large for it.
    pub fn take_at_most(&self, bytes: Option<usize>) {
        *self.largest.lock().expect("locks") = bytes;
    }

    /// How many mails were too large.
    pub fn too_large(&self) -> usize {
        *self.too_large.lock().expect("locks")
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("locks").clone()
    }

    fn talk(&self, stream: TcpStream) -> Option<()> {
        let mut say = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut mail = Mail::default();
        say.write_all(b"220 here\r\n").ok()?;
        while let Some(line) = lines.next() {
            let answer = match line.split([' ', ':']).next().unwrap_or_default().to_uppercase().as_str() {
                "EHLO" => "250 here",
                "RCPT" => {
                    mail.to.push(line.to_lowercase());
                    "250 fine"
                }
                "DATA" => {
                    say.write_all(b"354 go on\r\n").ok()?;
                    let text: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                    mail.text = text.join("\n").replace("=\n", "");
                    let mail = std::mem::take(&mut mail);
                    let largest = *self.largest.lock().expect("locks");
                    if *self.refuses.lock().expect("locks") {
                        "554 not now"
                    } else if largest.is_some_and(|largest| text.join("\n").len() > largest) {
                        *self.too_large.lock().expect("locks") += 1;
                        "552 5.3.4 message too big for system"
                    } else {
                        self.mails.lock().expect("locks").push(mail);
                        "250 taken"
                    }
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            say.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
        Some(())
    }
}
