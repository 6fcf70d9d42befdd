//! A status that is not 200: what it means and what the server says about it, whatever shape it says it in.

use super::retry::Fault;
use crate::error::{ChatError, Refusal, excerpt};
use serde_json::Value;
use std::time::Duration;

/// Longest message kept, in characters.
const MOST: usize = 400;

pub(super) fn fault(status: u16, retry_after: Option<Duration>, location: Option<&str>, body: &str) -> Fault {
    let (message, code) = said(body);
    let refused = |reason| Fault::for_good(ChatError::Refused { status, reason, message: message.clone() });
    match status {
        // Out of money is told as out of patience; waiting does not help.
        429 if code.contains("insufficient_quota") => refused(Refusal::Quota),
        429 => {
            let error = ChatError::RateLimited { retry_after, message, attempts: 0 };
            Fault { error, again: true, retry_after }
        }
        // 408 and 425 ask to try again, as does what a proxy answers while its server starts.
        408 | 425 | 500..=599 => {
            Fault { error: ChatError::Server { status, message, attempts: 0 }, again: status != 501, retry_after }
        }
        300..=399 => {
            let message = format!("it points to {}", location.unwrap_or("another place"));
            Fault::for_good(ChatError::Refused { status, reason: Refusal::Redirect, message })
        }
        401 | 403 => refused(Refusal::Key),
        402 => refused(Refusal::Quota),
        404 => refused(Refusal::NotFound),
        _ if is_context(&code, &message) => refused(Refusal::ContextLength),
        _ if code.contains("content_filter") || code.contains("content_policy") => refused(Refusal::Content),
        _ => refused(Refusal::Other),
    }
}

fn is_context(code: &str, message: &str) -> bool {
    let message = message.to_lowercase();
    code.contains("context_length")
        || code.contains("exceed_context")
        || message.contains("context length")
        || message.contains("context size")
}

/// Message and code. OpenAI, llama.cpp and newer vLLM nest them under `error`, older vLLM and SGLang do not, FastAPI writes
/// `detail`, proxies write pages.
fn said(body: &str) -> (String, String) {
    let Ok(json) = serde_json::from_str::<Value>(body) else {
        return (
            if body.trim().is_empty() { "it says nothing".to_owned() } else { excerpt(body.trim(), MOST) },
            String::new(),
        );
    };
    let error = if json["error"].is_object() { &json["error"] } else { &json };
    let detail = match &json["detail"] {
        Value::Array(items) => {
            let one = |d: &Value| {
                let at: Vec<_> =
                    d["loc"].as_array()?.iter().map(|l| l.as_str().map_or(l.to_string(), str::to_owned)).collect();
                Some(format!("{}: {}", at.join("."), d["msg"].as_str()?))
            };
            Some(items.iter().map(|d| one(d).unwrap_or_else(|| d.to_string())).collect::<Vec<_>>().join("; "))
        }
        Value::Null => None,
        other => Some(other.as_str().map_or(other.to_string(), str::to_owned)),
    };
    let plain = json["error"].as_str().or(json.as_str()).map(str::to_owned);
    let message = error["message"].as_str().map(str::to_owned).or(plain).or(detail).unwrap_or_else(|| json.to_string());
    let code: Vec<&str> = [&error["code"], &error["type"]].into_iter().filter_map(Value::as_str).collect();
    (excerpt(&message, MOST), code.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_400_is_understood_in_the_shape_of_every_server() {
        let reason = |body: &str| match fault(400, None, None, body) {
            Fault { error: ChatError::Refused { reason, message, .. }, again: false, .. } => (reason, message),
            other => panic!("{other:?}"),
        };
        for (body, expected, said) in [
            (
                r#"{"error":{"message":"Too long.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
                Refusal::ContextLength,
                "Too long.",
            ),
            (
                r#"{"object":"error","message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","param":null,"code":400}"#,
                Refusal::ContextLength,
                "This model's",
            ),
            (
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":8}}"#,
                Refusal::ContextLength,
                "the request",
            ),
            (r#"{"error":{"message":"flagged","code":"content_filter"}}"#, Refusal::Content, "flagged"),
            (r#"{"error":"no such grammar"}"#, Refusal::Other, "no such grammar"),
            (r#"{"detail":"top_k is wrong"}"#, Refusal::Other, "top_k is wrong"),
            (
                r#"{"detail":[{"loc":["body","messages",0],"msg":"field required","type":"missing"}]}"#,
                Refusal::Other,
                "body.messages.0: field required",
            ),
            (r#"{"message":"bad"}"#, Refusal::Other, "bad"),
            (r#""bad""#, Refusal::Other, "bad"),
            (r#"{"status":3}"#, Refusal::Other, r#"{"status":3}"#),
            ("<html>\n<h1>400</h1>", Refusal::Other, "<html> <h1>400</h1>"),
            ("", Refusal::Other, "it says nothing"),
        ] {
            let (reason, message) = reason(body);
            assert_eq!(reason, expected, "{body}");
            assert!(message.starts_with(said), "{body}: {message}");
        }
    }

    #[test]
    fn a_status_decides_whether_asking_again_may_help() {
        let again = |status, body: &str| fault(status, None, None, body).again;
        assert!([408, 425, 429, 500, 502, 503, 504, 529].into_iter().all(|s| again(s, "")));
        assert!(![301, 307, 400, 401, 402, 403, 404, 413, 422, 501].into_iter().any(|s| again(s, "")));
        assert!(!again(429, r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#));
        let moved = fault(307, None, Some("https://elsewhere/v1"), "").error.to_string();
        assert!(moved.contains("https://elsewhere/v1"), "{moved}");
    }
}
