//! A server with a certificate of its own. Those in `tls/` and the key beside them exist for this test alone.

use bedside_chat::testing::completion;
use bedside_chat::{ApiKey, ChatBackend, ChatRequest, Dialect, Message, OpenAi, OpenAiConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// Its port, and how many requests were read by it.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).expect("a pair")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                counted.fetch_add(1, Ordering::Relaxed);
                let body = completion("in private");
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_certificate_is_checked_before_the_key_is_sent() {
    let (port, heard) = server().await;
    let call = |host: &'static str, ca: Option<&str>| {
        let config = OpenAiConfig {
            key: Some(ApiKey::new("K", "sk-secret").expect("a key")),
            attempts: 1,
            ca_file: ca.map(fixture),
            ..OpenAiConfig::new(format!("https://{host}:{port}/v1"), Dialect::Hosted)
        };
        let client = OpenAi::new(config).expect("a client");
        async move { client.chat(&ChatRequest::new("m", vec![Message::user("a")])).await }
    };
    // Trusted by nobody; trusted, but made out to another name.
    for (host, ca) in [("localhost", None), ("127.0.0.1", Some("authority.pem"))] {
        let why = call(host, ca).await.expect_err("it must not trust this");
        assert!(why.kind() == "connection" && why.to_string().contains("certificate"), "{why}");
    }
    assert_eq!(heard.load(Ordering::Relaxed), 0, "nothing was said to it");
    assert_eq!(call("localhost", Some("authority.pem")).await.expect("a reply").text, "in private");
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    let missing =
        OpenAiConfig { ca_file: Some(fixture("no.pem")), ..OpenAiConfig::new("https://localhost/v1", Dialect::Hosted) };
    assert!(OpenAi::new(missing).is_err_and(|e| e.to_string().contains("no.pem")));
}
