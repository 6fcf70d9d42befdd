//! A body with status 200 as a reply, or as the failure it is.

use super::refusal;
use super::retry::Fault;
use super::tree::Tree;
use crate::error::{ChatError, Refusal};
use crate::reply::{ChatReply, Finish, TokenLogprob, Usage};

/// Reads a chat completion. Fields beyond OpenAI's are taken where a server has them: token ids (vLLM, llama.cpp), reasoning
/// under either of its names, cached tokens.
pub(super) fn reply(raw: String) -> Result<ChatReply, Fault> {
    let malformed = |what: &str| Fault::malformed(what, &raw);
    let body: Tree = serde_json::from_str(&raw).map_err(|e| malformed(&format!("it is not JSON: {e}")))?;
    // Proxies send errors with status 200.
    let error = body.get("error");
    if !error.is_null() {
        let status = error.get("code").whole().and_then(|c| u16::try_from(c).ok()).filter(|c| (400..600).contains(c));
        return Err(refusal::fault(status.unwrap_or(500), None, None, &raw));
    }
    let choices = body.get("choices").list().ok_or_else(|| malformed("it has no choices"))?;
    let [choice] = choices else {
        return Err(malformed(&format!("it has {} choices where one was asked for", choices.len())));
    };
    let message = choice.get("message");
    if !matches!(message, Tree::Object(_)) {
        return Err(malformed("its choice has no message"));
    }
    if let Some(refused) = message.get("refusal").text().filter(|r| !r.is_empty()) {
        return Err(declined(refused));
    }
    let finish = match choice.get("finish_reason").text() {
        Some("stop" | "eos" | "end_turn") => Finish::Stop,
        Some("length" | "max_tokens") => Finish::Length,
        Some("content_filter") => return Err(declined("content_filter")),
        Some(other) => Finish::Other(other.to_owned()),
        None => return Err(malformed("its choice has no finish_reason")),
    };
    let content = match message.get("content") {
        Tree::Null => None,
        Tree::Text(text) => Some(text.clone().into_owned()),
        Tree::List(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|p| p.get("text").text()).collect();
            Some(texts.ok_or_else(|| malformed("its content has parts that are not text"))?.concat())
        }
        _ => return Err(malformed("its content is not text")),
    };
    let given = message.get("reasoning").text().or(message.get("reasoning_content").text());
    let given = given.filter(|r| !r.is_empty()).map(str::to_owned);
    let (reasoning, text) = match (given, content) {
        (None, Some(text)) => split_reasoning(text),
        (given, text) => (given, text),
    };
    let logprobs = token_logprobs(choice.get("logprobs").get("content")).map_err(&malformed)?;
    let told = ids(choice.get("token_ids")).map_err(&malformed)?;
    let beside = logprobs.as_ref().and_then(|l| l.iter().map(|t| t.id).collect::<Option<Vec<u32>>>());
    // A model may end its turn at once, but then there is a text, an empty one.
    let silent = text.is_none();
    let reply = ChatReply {
        text: text.unwrap_or_default(),
        reasoning,
        token_ids: told.or(beside),
        prompt_token_ids: ids(body.get("prompt_token_ids")).map_err(&malformed)?,
        logprobs,
        usage: usage(&body),
        served_model: body.get("model").text().map(str::to_owned),
        raw: String::new(),
        finish,
    };
    if reply.text.is_empty() && reply.finish == Finish::Length {
        return Err(Fault::for_good(ChatError::Unfinished(Box::new(ChatReply { raw, ..reply }))));
    }
    if silent {
        return Err(malformed("its message has no content"));
    }
    Ok(ChatReply { raw, ..reply })
}

fn declined(why: &str) -> Fault {
    Fault::for_good(ChatError::Refused { status: 200, reason: Refusal::Content, message: why.to_owned() })
}

/// Reasoning that the server left in the text, between `<think>` and `</think>`. Many templates write the opening mark into
/// the prompt, so the closing one may stand alone; a text that opens and never closes is all reasoning.
fn split_reasoning(text: String) -> (Option<String>, Option<String>) {
    const OPEN: &str = "<think>";
    const CLOSE: &str = "</think>";
    let opened = text.trim_start().strip_prefix(OPEN);
    match (opened, text.find(CLOSE)) {
        (None, None) => (None, Some(text)),
        (Some(inside), None) => (Some(inside.trim().to_owned()), Some(String::new())),
        (_, Some(at)) => {
            let before = text[..at].trim();
            let inside = before.strip_prefix(OPEN).unwrap_or(before).trim();
            let after = text[at + CLOSE.len()..].trim_start().to_owned();
            ((!inside.is_empty()).then(|| inside.to_owned()), Some(after))
        }
    }
}

fn ids(value: &Tree) -> Result<Option<Vec<u32>>, &'static str> {
    let Some(list) = value.list() else { return Ok(None) };
    let ids: Option<Vec<u32>> = list.iter().map(|v| v.whole().and_then(|v| u32::try_from(v).ok())).collect();
    ids.map(Some).ok_or("its token ids are not numbers")
}

fn token_logprobs(value: &Tree) -> Result<Option<Vec<TokenLogprob>>, &'static str> {
    let Some(list) = value.list() else { return Ok(None) };
    let number = |v: &Tree| if v.is_null() { Some(f64::NEG_INFINITY) } else { v.number() };
    let one = |v: &Tree| {
        let token = v.get("token").text()?.to_owned();
        // vLLM can print a token as its id.
        let printed = token.strip_prefix("token_id:").and_then(|n| n.parse().ok());
        let id = v.get("id").whole().and_then(|id| u32::try_from(id).ok()).or(printed);
        let top = v.get("top_logprobs").list().unwrap_or_default();
        let top: Option<Vec<_>> =
            top.iter().map(|t| Some((t.get("token").text()?.to_owned(), number(t.get("logprob"))?))).collect();
        Some(TokenLogprob { token, id, logprob: number(v.find("logprob")?)?, top: top? })
    };
    let all: Option<Vec<_>> = list.iter().map(one).collect();
    all.map(Some).ok_or("its log-probabilities are not what the API says")
}

fn usage(body: &Tree) -> Option<Usage> {
    let usage = body.get("usage");
    let cached = usage.get("prompt_tokens_details").get("cached_tokens").whole();
    Some(Usage {
        prompt: usage.get("prompt_tokens").whole()?,
        completion: usage.get("completion_tokens").whole()?,
        // llama-server has told it among its timings for longer.
        cached: cached.or(body.get("timings").get("cache_n").whole()),
        reasoning: usage.get("completion_tokens_details").get("reasoning_tokens").whole(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn with(message: Value, finish: &str) -> Result<ChatReply, ChatError> {
        let body = json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish }] });
        reply(body.to_string()).map_err(|f| f.error)
    }

    #[test]
    fn what_training_needs_is_taken_from_vllm_and_from_llama_server() {
        let vllm = json!({
            "model": "m-1", "prompt_token_ids": [1, 2], "usage": { "prompt_tokens": 2, "completion_tokens": 2, "prompt_tokens_details": { "cached_tokens": 1 } },
            "choices": [{ "finish_reason": "stop", "token_ids": [7, 8], "message": { "content": "Yes.", "reasoning": "hm" },
                          "logprobs": { "content": [{ "token": "token_id:7", "logprob": -0.5, "top_logprobs": [] }, { "token": "token_id:8", "logprob": -9999.0 }] } }]
        });
        let r = reply(vllm.to_string()).expect("a reply");
        assert_eq!((r.text.as_str(), r.reasoning.as_deref()), ("Yes.", Some("hm")));
        assert_eq!((r.token_ids, r.prompt_token_ids), (Some(vec![7, 8]), Some(vec![1, 2])));
        assert_eq!(r.usage, Some(Usage { prompt: 2, completion: 2, cached: Some(1), reasoning: None }));
        assert_eq!(
            r.logprobs.expect("log-probs")[1],
            TokenLogprob { token: "token_id:8".into(), id: Some(8), logprob: -9999.0, top: vec![] }
        );
        assert_eq!((r.served_model.as_deref(), r.raw), (Some("m-1"), vllm.to_string()));
        let llama = json!({
            "usage": { "prompt_tokens": 5, "completion_tokens": 1 }, "timings": { "cache_n": 4 },
            "choices": [{ "finish_reason": "length", "message": { "content": "Yes", "reasoning_content": "hm" },
                          "logprobs": { "content": [{ "id": 9, "token": "Yes", "logprob": null, "top_logprobs": [{ "token": "No", "logprob": -1.0 }] }] } }]
        });
        let r = reply(llama.to_string()).expect("a reply");
        assert_eq!((r.token_ids, r.finish, r.reasoning.as_deref()), (Some(vec![9]), Finish::Length, Some("hm")));
        assert_eq!(r.usage.and_then(|u| u.cached), Some(4));
        let l = r.logprobs.expect("log-probs");
        assert_eq!((l[0].logprob, &l[0].top), (f64::NEG_INFINITY, &vec![("No".to_owned(), -1.0)]));
    }

    #[test]
    fn reasoning_left_in_the_text_is_taken_out_of_it() {
        for (content, reasoning, text) in [
            ("<think>a</think>\n\nb", Some("a"), "b"),
            ("a</think>b", Some("a"), "b"),
            ("<think>\n\n</think>\n\nb", None, "b"),
            ("a <think> in passing", None, "a <think> in passing"),
        ] {
            let r = with(json!({ "content": content }), "stop").expect("a reply");
            assert_eq!((r.reasoning.as_deref(), r.text.as_str()), (reasoning, text), "{content}");
        }
    }

    #[test]
    fn nothing_said_is_a_reply_only_where_the_model_chose_it() {
        assert_eq!(with(json!({ "content": "" }), "stop").expect("silence").text, "");
        let cut = with(json!({ "content": null, "reasoning": "so much to think" }), "length");
        assert!(
            matches!(cut, Err(ChatError::Unfinished(r)) if r.reasoning.as_deref() == Some("so much to think") && !r.raw.is_empty())
        );
        assert!(matches!(with(json!({ "content": "<think>never ends" }), "length"), Err(ChatError::Unfinished(_))));
        assert!(matches!(with(json!({ "content": null }), "stop"), Err(ChatError::Malformed { .. })));
        assert!(matches!(
            with(json!({ "content": "" }), "content_filter"),
            Err(ChatError::Refused { reason: Refusal::Content, .. })
        ));
        assert!(matches!(with(json!({ "content": null, "refusal": "no" }), "stop"), Err(ChatError::Refused { .. })));
    }

    #[test]
    fn a_body_that_is_no_completion_says_what_it_lacks() {
        for (body, what) in [
            ("", "not JSON"),
            ("<html>", "not JSON"),
            ("[]", "choices"),
            (r#"{"choices":[]}"#, "0 choices"),
            (r#"{"choices":[{},{}]}"#, "2 choices"),
            (r#"{"choices":[{}]}"#, "no message"),
            (r#"{"choices":[{"message":{"content":"a"}}]}"#, "finish_reason"),
            (r#"{"choices":[{"finish_reason":"stop","message":{"content":7}}]}"#, "not text"),
            (r#"{"choices":[{"finish_reason":"stop","message":{"content":[{"type":"image"}]}}]}"#, "not text"),
            (r#"{"choices":[{"finish_reason":"stop","message":{"content":"a"},"token_ids":[-1]}]}"#, "token ids"),
            (
                r#"{"choices":[{"finish_reason":"stop","message":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}"#,
                "log-prob",
            ),
        ] {
            let why = reply(body.to_owned()).map(|_| ()).expect_err(body).error.to_string();
            assert!(why.contains(what), "{body}: {why}");
        }
        let parts =
            with(json!({ "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }), "stop");
        assert_eq!(parts.expect("a reply").text, "ab");
    }
}
