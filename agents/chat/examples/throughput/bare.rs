//! The least a client on hyper does: it posts bytes and reads the answer's bytes. No JSON, deadline, retry, switch or account.
//! What the real client reaches beside it is what all that costs; what this one does not reach, no client on this machine's
//! cores would.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

pub struct Bare {
    authority: String,
    places: Semaphore,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Bare {
    pub fn new(base_url: &str, concurrency: usize) -> Bare {
        let authority = base_url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
        Bare { authority, places: Semaphore::new(concurrency), idle: Mutex::default() }
    }

    /// Posts a body and returns the answer's length.
    pub async fn call(&self, body: Bytes) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let _place = self.places.acquire().await?;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(&self.authority).await?;
                stream.set_nodelay(true)?;
                let (sender, driver) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(driver);
                sender
            }
        };
        sender.ready().await?;
        let request = Request::builder().method(Method::POST).uri("/v1/chat/completions");
        let request = request.header("host", &self.authority).header("content-type", "application/json");
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let length = answer.into_body().collect().await?.to_bytes().len();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Ok(length)
    }
}
