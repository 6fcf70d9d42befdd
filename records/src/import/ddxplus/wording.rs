//! Questions of the evidences file turned into what the patient says.

/// A question turned into the patient's yes or no: "Do you have a cough?" -> "I have a cough" / "I don't have a cough".
pub(super) fn statement(q: &str, yes: bool) -> String {
    let q = q.trim().trim_end_matches(['?', ':', ' ']);
    // Explanations in brackets are the question's, not the patient's.
    let mut bare = String::new();
    let mut depth = 0;
    for c in q.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let bare = bare.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",");
    let rules: &[(&str, &str, &str)] = &[
        ("Do you currently, or did you ever, have ", "I have or had ", "I've never had "),
        ("Did you previously, or do you currently, have any ", "I have or had ", "I've never had any "),
        ("Do you have any family members who have ", "Some of my family have ", "Nobody in my family has "),
        (
            "Do you have any close family members who suffer from ",
            "Close family of mine suffer from ",
            "No close family of mine suffer from ",
        ),
        ("Do you have close family members who had ", "Close family of mine had ", "No close family of mine had "),
        (
            "Do you have family members who have had ",
            "Family members of mine have had ",
            "No family members of mine have had ",
        ),
        (
            "Have any of your family members ever had ",
            "Family members of mine have had ",
            "No family members of mine have had ",
        ),
        (
            "Have any of your family members been ",
            "Family members of mine have been ",
            "No family members of mine have been ",
        ),
        (
            "Do any members of your immediate family have ",
            "Some of my immediate family have ",
            "Nobody in my immediate family has ",
        ),
        (
            "Are there any members of your family who have been diagnosed ",
            "Some of my family have been diagnosed with ",
            "Nobody in my family has been diagnosed with ",
        ),
        (
            "Are there members of your family who have been ",
            "Some of my family have been ",
            "Nobody in my family has been ",
        ),
        (
            "Have you or any member of your family ever had ",
            "I or one of my family have had ",
            "Neither I nor my family have had ",
        ),
        (
            "Have you ever had a migraine or is a member of your family known to have ",
            "I or one of my family have had ",
            "Neither I nor my family have had ",
        ),
        ("Does your mother ", "My mother does ", "My mother doesn't "),
        ("Does the person have ", "I have ", "I don't have "),
        ("Do you feel that ", "I feel that ", "I don't feel that "),
        ("Do you have the perception of ", "I find I'm ", "I'm not "),
        ("Do you have any ", "I have ", "I don't have any "),
        ("Do you regularly ", "I regularly ", "I don't regularly "),
        ("Do you currently ", "I currently ", "I don't currently "),
        ("Do you suddenly ", "I suddenly ", "I don't suddenly "),
        ("Do you constantly ", "I constantly ", "I don't constantly "),
        ("Do you ever ", "I sometimes ", "I never "),
        ("Do you ", "I ", "I don't "),
        ("Did you ", "I did ", "I didn't "),
        ("Did your ", "My ", "I haven't noticed that my "),
        ("Were you ", "I was ", "I wasn't "),
        ("Are you able ", "I'm able ", "I'm not able "),
        ("Are you unable to ", "I can't ", "I can "),
        ("Are you ", "I'm ", "I'm not "),
        ("Are your ", "My ", "My "),
        ("Are the symptoms or pain increased ", "It gets worse ", "It doesn't get worse "),
        ("Is your BMI less than 18.5, or are you underweight", "I'm underweight", "I'm not underweight"),
        ("Is your ", "My ", "My "),
        ("Have you ever been ", "I've been ", "I've never been "),
        ("Have you ever ", "I've ", "I've never "),
        ("Have you noticed any ", "I've noticed ", "I haven't noticed any "),
        ("Have you had any ", "I've had ", "I haven't had any "),
        ("Have you ", "I've ", "I haven't "),
        ("In the last month, have you ", "In the last month I've ", "In the last month I haven't "),
    ];
    for (ask, aye, nay) in rules {
        let Some(rest) = bare.strip_prefix(ask) else { continue };
        let mut rest = rest.to_owned();
        if *ask == "Are your " || *ask == "Is your " {
            rest = be(&rest, if ask.starts_with("Are") { "are" } else { "is" }, yes);
        }
        let mut rest = own(&rest);
        if !yes {
            // One denial covers both sides of an "or".
            rest = rest.replace(" or I've ", " or ").replace(" or I'm ", " or ").replace(" or I ", " or ");
        }
        if *ask == "Did you " {
            return if yes { format!("I {}", past(&rest)) } else { format!("I didn't {rest}") };
        }
        return format!("{}{rest}", if yes { aye } else { nay });
    }
    let bare = own(&bare);
    if yes { format!("Yes, as to this: {bare}") } else { format!("No, not this: {bare}") }
}

fn past(rest: &str) -> String {
    let mut words = rest.splitn(2, ' ');
    let verb = words.next().unwrap_or_default();
    let verb = match verb {
        "lose" => "lost",
        "eat" => "ate",
        "vomit" => "vomited",
        other => return format!("did {other} {}", words.next().unwrap_or_default()),
    };
    format!("{verb} {}", words.next().unwrap_or_default())
}

/// Puts the verb after the subject: "symptoms worse when lying" -> "symptoms are worse when lying".
fn be(rest: &str, verb: &str, yes: bool) -> String {
    let marks = [
        " more ",
        " worse ",
        " up to date",
        " much ",
        " increased ",
        " itchy",
        " larger ",
        " or the back of my throat itchy",
    ];
    let not = if yes { "" } else { "not " };
    match marks.iter().filter_map(|m| rest.find(m)).min() {
        Some(i) => format!("{} {verb} {not}{}", &rest[..i], rest[i..].trim_start()),
        None => format!("{verb} {not}{rest}"),
    }
}

/// "your" and "you" become the speaker's.
fn own(text: &str) -> String {
    let mut s = format!(" {text} ");
    for (from, to) in [
        (" your ", " my "),
        (" you're ", " I'm "),
        (" are you ", " I'm "),
        (" you are ", " I am "),
        (" you were ", " I was "),
        (" or were you afraid that you were about do die ", " or am about to die "),
        (" then usually ", " than usual "),
        (" in in ", " in "),
        (" or have you ever had ", " or have had "),
        (" or did you ever have ", " or have had "),
        (" or ever had ", " or have had "),
        (" or do you ", " or I "),
        (" do you ", " I "),
        (" or did you ", " or "),
        (" or have you ", " or "),
        (" have you ", " I've "),
        (" yourself ", " myself "),
        (" making you ", " making me "),
        (" wake you ", " wake me "),
        (" keeping you ", " keeping me "),
        (" you ", " I "),
    ] {
        s = s.replace(from, to);
    }
    s.trim().to_owned()
}

/// "a, b and c".
pub(super) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Where it hurts, as patients call it.
pub(super) fn spot(anatomical: &str) -> String {
    let lower = anatomical.to_lowercase();
    let lay = match lower.as_str() {
        "iliac wing" | "iliac crest" => "hip bone",
        "iliac fossa" => "lower tummy",
        "hypochondrium" => "side under the ribs",
        "epigastric" => "upper tummy",
        "belly" => "tummy",
        "axilla" => "armpit",
        "thyroid cartilage" => "Adam's apple",
        "coccyx" => "tailbone",
        "cervical spine" => "neck bones",
        "thoracic spine" => "upper back",
        "lumbar spine" => "lower back",
        "commissure" => "corner of the mouth",
        "dorsal aspect of the hand" => "back of the hand",
        "dorsal aspect of the foot" => "top of the foot",
        "dorsal aspect of the wrist" => "back of the wrist",
        "palmar face of the wrist" => "inside of the wrist",
        "palmar side of the forearm" => "inside of the forearm",
        "lateral side of the foot" => "outer side of the foot",
        "posterior aspect of the ankle" => "back of the ankle",
        "posterior chest wall" => "back of the chest",
        "popliteal fossa" => "back of the knee",
        "ischio jambier" => "back of the thigh",
        "renal fossa" | "flank" => "side of the back",
        "internal cheek" => "inside of the cheek",
        "occiput" => "back of the head",
        "scapula" => "shoulder blade",
        "palace" => "roof of the mouth",
        "pharynx" => "throat",
        "trachea" => "windpipe",
        "tibia" => "shin",
        "trapezius" => "shoulder muscle",
        "pubis" => "pubic bone",
        "vermilion" => "lip",
        "urethra" => "water pipe",
        other => other,
    };
    lay.to_owned()
}
