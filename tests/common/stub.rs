//! A server that says exactly the bytes it is told to say, at its own pace.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it says to a request.
#[derive(Clone)]
pub enum Say {
    /// This, and then it closes the connection.
    All(Vec<u8>),
    /// This, and then a byte now and then, for ever.
    Trickle(Vec<u8>),
}

/// A running one.
#[derive(Clone)]
pub struct Stub {
    pub address: SocketAddr,
    /// The heads of all requests.
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub async fn start(say: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (say, known) = (Arc::new(say), heads.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (say, known) = (say.clone(), known.clone());
                tokio::spawn(async move {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") && socket.read_exact(&mut byte).await.is_ok() {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let answer = say(&head);
                    known.lock().expect("locks").push(head);
                    match answer {
                        Say::All(bytes) => {
                            let _ = socket.write_all(&bytes).await;
                            let _ = socket.shutdown().await;
                        }
                        Say::Trickle(bytes) => {
                            let mut alive = socket.write_all(&bytes).await;
                            while alive.is_ok() {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                                alive = socket.write_all(b" ").await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn calls(&self) -> usize {
        self.heads.lock().expect("locks").len()
    }
}

/// `200` with these headers, each with its line end, and this body; the length is said unless a header says it.
pub fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let lower = headers.to_ascii_lowercase();
    let length = match lower.contains("content-length") || lower.contains("transfer-encoding") {
        true => String::new(),
        false => format!("content-length: {}\r\n", body.len()),
    };
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{length}{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
