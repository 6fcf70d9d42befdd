//! HTTP/1.1 to one place: connections are kept and used again; redirects are not followed, since calls carry a key.

use super::key::ApiKey;
use super::retry::{Fault, retry_after};
use crate::error::ChatError;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

type Sender = SendRequest<Full<Bytes>>;

/// A server's address with the connections to it.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// What is posted to: path alone, as HTTP/1.1 sends it.
    target: Uri,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Last used first: a burst's extra connections grow old together and are closed by the server.
    idle: Mutex<Vec<Sender>>,
}

pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Endpoint {
    /// `path` is added to the base URL's own.
    pub(super) fn new(
        base_url: &str,
        path: &str,
        key: Option<&ApiKey>,
        ca_file: Option<&Path>,
    ) -> Result<Endpoint, ChatError> {
        let wrong = |what: String| ChatError::Request(what);
        let uri: Uri =
            base_url.parse().map_err(|e| wrong(format!("the base URL is none ({e}); write http://HOST:PORT/v1")))?;
        let authority =
            uri.authority().ok_or_else(|| wrong("the base URL names no server; write http://HOST:PORT/v1".into()))?;
        if authority.as_str().contains('@') {
            return Err(wrong("the base URL holds a password; put the key in an environment variable".into()));
        }
        if uri.query().is_some() {
            return Err(wrong("the base URL has a query; leave it out".into()));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => {
                let name =
                    ServerName::try_from(host.clone()).map_err(|_| wrong(format!("`{host}` is no server's name")))?;
                Some((TlsConnector::from(Arc::new(tls_config(ca_file)?)), name))
            }
            other => {
                return Err(wrong(format!(
                    "the base URL is {}, not http or https",
                    other.unwrap_or("without a scheme")
                )));
            }
        };
        let mut headers = HeaderMap::new();
        let host_header = HeaderValue::from_str(authority.as_str()).map_err(|e| wrong(e.to_string()))?;
        headers.insert(HOST, host_header);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.header()?);
        }
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let target = format!("{}{path}", uri.path().trim_end_matches('/'));
        let target = target.parse().map_err(|e| wrong(format!("the base URL's path: {e}")))?;
        Ok(Endpoint { host, port, target, headers, tls, idle: Mutex::default() })
    }

    /// Posts and reads the whole answer.
    pub(super) async fn post(&self, body: Bytes, most: usize) -> Result<Answer, Fault> {
        let mut kept = self.kept().await;
        loop {
            let fresh = kept.is_none();
            let mut sender = match kept.take() {
                Some(sender) => sender,
                // Rare and large: kept out of every call's own future.
                None => Box::pin(self.connect()).await?,
            };
            match sender.send_request(self.request(body.clone())).await {
                Ok(response) => {
                    let answer = read(response, most).await?;
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
                    return Ok(answer);
                }
                // The server closed a connection it had kept just as it was used again; that says nothing about the call.
                Err(e) if !fresh && (e.is_canceled() || e.is_closed() || e.is_incomplete_message() || is_io(&e)) => {}
                Err(e) => return Err(connection(format!("the connection broke before a reply came: {}", causes(&e)))),
            }
        }
    }

    /// A kept connection that is still open.
    async fn kept(&self) -> Option<Sender> {
        loop {
            let mut sender = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    async fn connect(&self) -> Result<Sender, Fault> {
        let at = || format!("{}:{}", self.host, self.port);
        let stream = TcpStream::connect((self.host.as_str(), self.port));
        let stream = stream.await.map_err(|e| connection(format!("{} cannot be reached: {e}", at())))?;
        // Without it the last packet of a request waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => open(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                open(stream.map_err(|e| connection(format!("{} does not speak TLS as it should: {e}", at())))?).await
            }
        }
    }
}

async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Sender, Fault> {
    let opened = handshake(TokioIo::new(stream)).await;
    let (sender, driver) = opened.map_err(|e| connection(format!("no HTTP connection: {}", causes(&e))))?;
    // Ends when the sender is dropped or the server closes. What goes wrong is told to the call that waits.
    tokio::spawn(async move {
        let _ = driver.await;
    });
    Ok(sender)
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Answer, Fault> {
    let (parts, mut incoming) = response.into_parts();
    // Room for what the server promises, though on its word alone for no more than 64 KiB.
    let said = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    let mut body = Vec::with_capacity(said.min(most).min(64 << 10));
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|e| connection(format!("the connection broke within a reply: {}", causes(&e))))?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > most {
            return Err(Fault::malformed(format!("it is longer than {most} bytes"), &String::from_utf8_lossy(&body)));
        }
        body.extend_from_slice(&data);
    }
    let text = |name| parts.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let millis = parts.headers.get("retry-after-ms").and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let retry_after = millis.map(Duration::from_millis).or_else(|| retry_after(text(RETRY_AFTER)?, SystemTime::now()));
    Ok(Answer { status: parts.status.as_u16(), retry_after, location: text(LOCATION).map(str::to_owned), body })
}

fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, ChatError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let wrong = |e: &dyn std::fmt::Display| ChatError::Request(format!("{}: {e}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
            roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        }
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| ChatError::Request(format!("TLS: {e}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn connection(what: String) -> Fault {
    Fault::again(ChatError::Connection { what, attempts: 0 })
}

fn is_io(e: &hyper::Error) -> bool {
    std::error::Error::source(e).is_some_and(|s| s.is::<std::io::Error>())
}

/// An error with what caused it: hyper's own words alone say little.
fn causes(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(c) = cause {
        text.push_str(": ");
        text.push_str(&c.to_string());
        cause = c.source();
    }
    text
}
