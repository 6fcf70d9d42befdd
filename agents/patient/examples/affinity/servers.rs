//! Two servers of one model.

use bedside_chat::{Blocking, ChatBackend, ChatRequest, Dialect, Message, OpenAi, OpenAiConfig};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Ended when dropped, where they were started here.
pub struct Servers {
    processes: Vec<Child>,
    pub clients: Vec<(String, Arc<dyn ChatBackend>)>,
    pub model: String,
    /// How they were started.
    pub told: String,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn client(url: &str) -> Result<Arc<dyn ChatBackend>, String> {
    // While a server loads it answers 503, which the client takes for a reason to come back.
    let config = OpenAiConfig {
        attempts: 200,
        deadline: Duration::from_secs(900),
        attempt_timeout: Duration::from_secs(300),
        ..OpenAiConfig::new(url, Dialect::LlamaCpp)
    };
    Ok(Arc::new(OpenAi::new(config).map_err(|e| e.to_string())?))
}

impl Servers {
    pub fn running(urls: &[String], model: &str) -> Result<Servers, String> {
        let clients = urls.iter().map(|url| Ok((url.clone(), client(url)?))).collect::<Result<_, String>>()?;
        let told = format!("as found at {}", urls.join(", "));
        Servers { processes: Vec::new(), clients, model: model.to_owned(), told }.ready()
    }

    pub fn start(n: usize, more: &[String]) -> Result<Servers, String> {
        let at = |name: &str| {
            let path = std::env::var(name).ok().filter(|p| std::path::Path::new(p).exists());
            path.ok_or(format!("{name} names no file\nhint: eval \"$(scripts/llama-server)\", or give --at"))
        };
        let (binary, model) = (at("BEDSIDE_LLAMA_SERVER")?, at("BEDSIDE_SMOLLM2_GGUF")?);
        let flags = "-t 1 -tb 1 -np 4 -c 16384 --jinja";
        let told = format!("{n} x llama-server {flags} {}", more.join(" "));
        let mut out = Servers { processes: Vec::new(), clients: Vec::new(), model: "smollm2".to_owned(), told };
        for _ in 0..n {
            // A port that was free a moment ago.
            let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
            let port = listener.local_addr().map_err(|e| e.to_string())?.port().to_string();
            drop(listener);
            let process = Command::new(&binary)
                .args(["-m", &model, "--host", "127.0.0.1", "-a", "smollm2", "--port", &port])
                .args(flags.split(' '))
                .args(more)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            out.processes.push(process.map_err(|e| format!("{binary}: {e}"))?);
            // Its number among the servers is its name, so that routes do not hang on free ports.
            let name = format!("server {}", out.clients.len());
            out.clients.push((name, client(&format!("http://127.0.0.1:{port}/v1"))?));
        }
        out.ready()
    }

    fn ready(self) -> Result<Servers, String> {
        let blocking = Blocking::new(1).map_err(|e| e.to_string())?;
        let mut hello = ChatRequest::new(&self.model, vec![Message::user("Hello.")]);
        hello.parameters.max_tokens = Some(1);
        for (name, client) in &self.clients {
            blocking.wait(client.chat(&hello)).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(self)
    }
}
