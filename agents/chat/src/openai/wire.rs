//! A request as JSON, in each server's words.

use super::Dialect;
use crate::error::ChatError;
use crate::request::ChatRequest;
use serde_json::{Map, Value, json};

/// The body to post.
pub(super) fn body(request: &ChatRequest, dialect: Dialect) -> Result<Vec<u8>, ChatError> {
    let p = &request.parameters;
    let hosted = dialect == Dialect::Hosted;
    let mut out = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    };
    set("model", Some(json!(request.model)));
    set("messages", Some(json!(request.messages)));
    set("temperature", p.temperature.map(Value::from));
    set("top_p", p.top_p.map(Value::from));
    set("presence_penalty", p.presence_penalty.map(Value::from));
    set("frequency_penalty", p.frequency_penalty.map(Value::from));
    set("seed", request.wire_seed().map(Value::from));
    set("stop", (!p.stop.is_empty()).then(|| json!(p.stop)));
    // Newer hosted models refuse the old name, older servers the new one.
    set(if hosted { "max_completion_tokens" } else { "max_tokens" }, p.max_tokens.map(Value::from));
    // llama-server tells token ids only beside log-probabilities, and those only where it is asked for alternatives.
    let alternatives = match dialect {
        Dialect::LlamaCpp => p.logprobs.or(p.token_ids.then_some(1)).map(|k| k.max(1)),
        _ => p.logprobs,
    };
    if let Some(alternatives) = alternatives {
        set("logprobs", Some(json!(true)));
        set("top_logprobs", Some(json!(alternatives)));
    }
    if let Some(schema) = &p.schema {
        let parsed: Value =
            serde_json::from_str(&schema.text).map_err(|e| ChatError::Request(format!("schema: {e}")))?;
        let format =
            json!({ "type": "json_schema", "json_schema": { "name": schema.name, "strict": true, "schema": parsed } });
        set("response_format", Some(format));
    }
    let beyond = [
        ("top_k", p.top_k.map(Value::from)),
        ("min_p", p.min_p.map(Value::from)),
        (
            if dialect == Dialect::LlamaCpp { "repeat_penalty" } else { "repetition_penalty" },
            p.repetition_penalty.map(Value::from),
        ),
        ("chat_template_kwargs", p.thinking.map(|on| json!({ "enable_thinking": on }))),
        ("return_token_ids", (p.token_ids && dialect == Dialect::Vllm).then(|| json!(true))),
    ];
    for (name, value) in beyond {
        if hosted && value.is_some() {
            return Err(ChatError::Request(format!(
                "a hosted server does not know `{name}`; name the dialect of the server, or leave it out"
            )));
        }
        set(name, value);
    }
    serde_json::to_vec(&out).map_err(|e| ChatError::Request(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Message, Parameters, Schema};

    fn full() -> ChatRequest {
        ChatRequest::new("m", vec![Message::user("hello")]).with_parameters(Parameters {
            temperature: Some(0.5),
            top_k: Some(20),
            repetition_penalty: Some(1.1),
            max_tokens: Some(9),
            seed: Some(4),
            stop: vec!["\n".into()],
            schema: Some(Schema::new("verdict", &json!({ "type": "object", "properties": { "b": {}, "a": {} } }))),
            logprobs: Some(0),
            token_ids: true,
            thinking: Some(false),
            ..Parameters::default()
        })
    }

    #[test]
    fn each_server_is_told_in_its_own_words() {
        let of = |d| String::from_utf8(body(&full(), d).expect("a body")).expect("text");
        let common = r#""response_format":{"type":"json_schema","json_schema":{"name":"verdict","strict":true,"schema":{"type":"object","properties":{"b":{},"a":{}}}}}"#;
        assert_eq!(
            of(Dialect::Vllm),
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"hello"}}],"temperature":0.5,"seed":4,"stop":["\n"],"max_tokens":9,"logprobs":true,"top_logprobs":0,{common},"top_k":20,"repetition_penalty":1.1,"chat_template_kwargs":{{"enable_thinking":false}},"return_token_ids":true}}"#
            )
        );
        let llama = of(Dialect::LlamaCpp);
        assert!(llama.contains(r#""top_logprobs":1"#) && llama.contains(r#""repeat_penalty":1.1"#), "{llama}");
        assert!(!llama.contains("return_token_ids"), "{llama}");
    }

    #[test]
    fn a_hosted_server_gets_nothing_it_does_not_know() {
        let why = body(&full(), Dialect::Hosted).expect_err("top_k").to_string();
        assert!(why.contains("`top_k`"), "{why}");
        let mut plain = full();
        plain.parameters = Parameters { max_tokens: Some(9), token_ids: true, ..Parameters::default() };
        let text = String::from_utf8(body(&plain, Dialect::Hosted).expect("a body")).expect("text");
        assert_eq!(text, r#"{"model":"m","messages":[{"role":"user","content":"hello"}],"max_completion_tokens":9}"#);
    }
}
