//! How clauses of clinical notes begin: the patterns, and what a sentence's own words say about its place in the record.

use super::topic::TopicIndex;
use crate::fact::Category;
use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

pub(super) const WHO: &str = r"(?:(?:the|this|our|his|her) )?(?:patient(?:'s (?:\w+ )?\w+)?|he|she|they|i|you|child|boy|girl|infant|baby|woman|man|mother|father|parents?|family|caregivers?|husband|wife|daughter|son|(?:mr|mrs|ms|miss)\.? \[NAME\]|\[NAME\])";
const ADV: &str = r"(?:(?:also|currently|further|otherwise|specifically|now|only|again|still|recently|initially|additionally|subsequently|occasionally|has|have|had|is|was|been|does|did) )*";

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        pub(super) static $name: LazyLock<Regex> = LazyLock::new(|| compiled(&$text));
    };
}

pattern!(
    DENIES,
    format!(
        r"(?i)^(?:{WHO} )?{ADV}(?:denies|denied|deny|denying|negative for)(?: (?:having|experiencing|any|had|of|recent symptoms of|symptoms of|symptoms such as|other symptoms(?: such as| of)?))* (.+)$"
    )
);
pattern!(
    NO,
    r"(?i)^(?:there (?:is|was|were|are|has been|have been) )?(?:currently |otherwise |also )?(?:no|nil|without|absence of|absent)(?: (?:any|associated|evidence of|complaints? of|reports? of|reported|current|other|known|significant))* (.+)$"
);
pattern!(
    HAS_NO,
    format!(
        r"(?i)^(?:{WHO} )?{ADV}(?:has|had|have|reports|reported|states|notes|endorses|with|there is|there are|describes|experienced)(?: had| been| noticed)? (?:no|nil|not any)(?: (?:any|other|associated|known|significant|reported))* (.+)$"
    )
);
pattern!(
    DOES_NOT,
    format!(
        r"(?i)^(?:{WHO} )?{ADV}(?:does not|did not|has not|has never|never|not|hasn't|doesn't|didn't)(?: ever)? (?:have|had|report|endorse|experienced?|complain of|experiencing|noticed?|been having|suffer from)(?: any| of)? (.+)$"
    )
);
pattern!(
    REPORTS,
    format!(
        r"(?i)^(?:{WHO} )?{ADV}(?:reports?|reported|reporting|states?|stated|says|said|notes|noted|mentions?|mentioned|describes|described|endorses|endorsed|admits(?: to)?|complains? of|complained of|complaining of|complaints? of|experiences|experienced|experiencing|(?:presents?|presented|presenting) with(?: (?:a )?complaints? of)?|shows? signs of|suffers? from|claims|confirms|confirmed|symptoms include|symptoms included)(?: (?:that|having|to have|of))? (.+)$"
    )
);
pattern!(
    TOLD_BY,
    r"(?i)^(?:(?:the )?patient(?:'s|’s)|his|her|their|my) ((?:older |younger |biological |adoptive )?(?:mother|father|mom|mum|dad|parents|wife|husband|spouse|partner|daughter|son|brother|sister|grandmother|grandfather|girlfriend|boyfriend|friend|caregiver|guardian|family)) (?:also |now |further )?(?:reports?|reported|states?|stated|notes|noted|says|said|mentions|mentioned|describes|described|adds|added|believes|explains|confirms)(?: that)? (.+)$"
);
pattern!(
    HISTORY,
    format!(
        r"(?i)^(?:{WHO} )?{ADV}(?:(?:with )?(?:a |an )?(?:(?:known|past|significant|prior|previous|personal|remote|long|chronic) )*(?:medical |surgical )?history (?:is |was )?(?:only )?(?:included|includes|include|including|of|significant (?:only )?for|notable (?:only )?for|remarkable for|positive for)|(?:only )?significant (?:only )?for|notable for|known (?:case of|history of|to have|for|with)|comorbidities include|diagnosed previously with)[: ]* ?(.+)$"
    )
);
pattern!(
    LASTED,
    r"(?i)^(?:an? |the |has |had )*((?:\d+(?:\.\d+)?(?:\s?(?:-|–|to)\s?\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|several|few))[- ](second|minute|hour|day|week|month|year)s?[- ]?(?:old )?(?:history|hx|course|period|duration) of (.+)$"
);
pattern!(
    AGED,
    r"(?i)^(?:(?:the patient|\[NAME\]|(?:mr|mrs|ms|miss)\.? \[NAME\]|he|she|patient)(?: is| was)? )?(?:an? |the )?(?:otherwise |previously |very |pleasant |healthy |obese |well-appearing |known )*((?:\d+(?:\.\d+)?|90 or over|\w+)[- ](?:year|month|week|day|yr)s?[- ]old(?:,? [\w-]+){0,4}? (?:man|woman|male|female|boy|girl|gentleman|lady|infant|child|newborn|patient|person|individual|primigravid(?:a| woman)|nurse|teacher|student|gravida)s?\b(?: neonate| newborn| infant| patient)?|(?:\w+ )?(?:man|woman|male|female|boy|girl|newborn|infant),? aged \d+(?: years)?)(.*)$"
);
pattern!(
    COMES,
    r"(?i)^(?:.*?\b)?(?:presents?|presented|presenting|comes?|came|is brought|was brought|brought|is seen|was seen|is evaluated|was admitted|is admitted|was referred|is referred|visits?|visited|arrives?|returns?|consults?)\b(.*)$"
);
pattern!(
    BECAUSE,
    r"(?i)^(.*?)\b(with (?:an? )?(?:chief )?(?:complaints?|concerns?) of|complaining of|complains of|because of|due to|secondary to|for evaluation of|for an evaluation of|for the evaluation of|for evaluation and management of|with|for|after|following) (.+)$"
);
pattern!(
    NONE,
    r"(?i)^(?:past medical |past surgical |family |social |drug |medical |medication )?(?:history )?:?\s*(?:is |was |are )?(?:none|nil|no|negative|unremarkable|noncontributory|non-contributory|not significant|insignificant|nil of note|nothing(?: else)?(?: of note)?|denies|clear|no significant|no known|none known|no significant (?:past )?(?:medical )?history|no (?:past )?medical history|no known medical (?:problems|conditions)|not contributory|otherwise unremarkable|no other significant medical history(?: is reported)?)(?: (?:of note|reported|known|noted|significant|stated|mentioned))*$"
);
pattern!(
    SURGERY,
    r"(?i)\b\w*(?:ectomy|plasty|ostomy|otomy|orrhaphy)\b|\b(?:surgery|operation|operated|transplant|repair of|bypass|stent|pacemaker|amputation|c-section|cesarean|caesarean|arthroscopy|fixation|resection|implantation|graft)"
);
pattern!(
    FAMILY,
    r"(?i)\b(family history|family hx|runs in (?:the|his|her|my) family|(?:mother|father|brother|sister|sibling|grandmother|grandfather|aunt|uncle|cousin|parents?)\b.{0,24}\b(?:had|has|have|died|passed away|diagnosed|suffer|with|positive|history)|(?:mother|father|brother|sister|grandmother|grandfather|parents|grandparents)(?: and \w+)?\s?[-–:])"
);
pattern!(
    SMOKES,
    r"(?i)\b(smok\w*|non-?smoker|tobacco|pack[- ]years?|packs? (?:a|per) day|cigarettes?|alcohol\w*|drinks? (?:socially|\d|occasionally|wine|beer)|beers?|illicit|recreational drugs?|cocaine|marijuana|cannabis|heroin|lives (?:with|alone|in)|works (?:as|in|at|for)|retired|employed|unemployed|occupation|married|divorced|sexually active|travel(?:ed|led) to|vap(?:es|ing))\b"
);
pattern!(
    DRUGS,
    r"(?i)\b((?:takes|taking|is on|medications? (?:include|are)|current medications?|(?:he|she|patient) (?:currently )?takes|continues (?:to take|on)|maintained on))\b"
);
pattern!(DOSE, r"(?i)\b\d+(?:\.\d+)? ?(?:mg|mcg|µg|units|iu|ml)\b");
pattern!(ALLERGY, r"(?i)\b(allerg(?:y|ic|ies) to|no known (?:drug )?allergies|drug allerg|allergies\b)");
pattern!(VACCINE, r"(?i)\b(immuni[sz]ations?|vaccinat\w+|vaccines?)\b");
pattern!(
    PREGNANCY,
    r"(?i)\b(gravida|para \d|g\dp\d|last menstrual period|menarche|menopaus\w+|pregnan\w+|gestation|contracepti\w+|menses|menstrua\w+)\b"
);
pattern!(
    EXAM,
    r"(?i)\b(physical exam\w*|on exam\w*|examination (?:shows|reveals|is|was|of|demonstrates)|exam (?:shows|reveals|is|was|demonstrates)|auscultation|palpation|percussion|(?:his|her|the|patient's) (?:temperature|pulse|blood pressure|respirations?|respiratory rate|heart rate|oxygen saturation|vital signs|vitals|bmi)|temperature (?:is|of)|blood pressure (?:is|of)|pulse (?:is|of)|respirations are|vital signs|\d+/\d+ ?mm ?hg|appears (?:well|ill|pale|confused|comfortable|lethargic|anxious)|tenderness|murmur|reflexes|cranial nerves|bowel sounds|breath sounds|fundoscop\w+|slit lamp|neurologic exam|mental status exam|bimanual|speculum|(?:alert|conscious) and oriented|in no (?:acute|apparent) distress|well[- ](?:developed|nourished|appearing)|normotensive)"
);
pattern!(
    TEST,
    r"(?i)\b(laboratory|lab (?:results|studies|tests|values|work)|blood (?:test|work)s? (?:show|reveal|is|are|were)|serum|hemoglobin|haemoglobin|hematocrit|leukocyte count|white blood cell|platelets?|creatinine|sodium is|potassium|urinalysis|x-ray|radiograph\w*|ct\b|ct scan|mri\b|ultraso\w+|echocardiogra\w+|electrocardiogra\w*|ecg|ekg|biops\w+|culture\w*|gram stain|histolog\w+|patholog\w+|colonoscopy (?:shows|reveals)|endoscop\w+|angiogra\w+|antibod\w+|pcr|spirometry|eeg|lumbar puncture|csf|cerebrospinal|glucose (?:is|of|level)|mg/dl|meq/l|mmol/l|g/dl|/mm3|u/l|immunohistochem\w+|microscop\w+|karyotyp\w+|genetic|mutation|imaging|scans?)\b"
);
pattern!(
    HISTORY_CUE,
    r"(?i)^(?:she|he|the patient|patient|her|his) (?:has|is|was|had|notes?|noted|mentions|states)\b|\b(mentions|denies|reports|states that|history of|takes|medications|smok|drinks|mother|father|says|complains|family history|allerg)"
);

/// The category the words themselves call for, in a passage filed under `given`.
pub(super) fn recategorise(sentence: &str, given: Category) -> Category {
    let is = |re: &LazyLock<Regex>| re.is_match(sentence);
    match given {
        Category::Hpi | Category::Ros | Category::Pmh if is(&EXAM) && is(&DOSE_OR_VITAL) => Category::Exam,
        Category::Hpi | Category::Pmh if is(&TEST) && is(&RESULT) && !is(&HISTORY_CUE) => Category::Test,
        // "His mother says that he has no fever" is about him.
        Category::Hpi | Category::Pmh | Category::Social if is(&FAMILY) && !is(&TOLD_BY) => Category::Family,
        Category::Hpi if is(&ALLERGY) => Category::Allergy,
        Category::Hpi if is(&HISTORY) => Category::Pmh,
        Category::Hpi if is(&SMOKES) && !sentence.to_lowercase().contains("pain") => Category::Social,
        Category::Hpi if is(&VACCINE) => Category::Vaccination,
        Category::Hpi
            if is(&DOSE) && is(&DRUGS)
                || is(&DRUGS) && TopicIndex::builtin().and_then(|t| t.best(sentence, Category::Hpi)).is_none() =>
        {
            Category::Medication
        }
        Category::Hpi | Category::Pmh if is(&PREGNANCY) => Category::Obstetric,
        Category::Hpi if is(&SURGERY) => Category::Surgical,
        other => other,
    }
}

pattern!(
    DOSE_OR_VITAL,
    r"(?i)\d+/\d+ ?mm ?hg|\d ?°|/min\b|\bbpm\b|on exam|examination (?:shows|reveals)|mmhg|\bkg/m|oriented to|and oriented|in no (?:acute|apparent) distress"
);
pattern!(
    RESULT,
    r"(?i)\b(show(?:s|ed)?|reveal(?:s|ed)?|demonstrat(?:es|ed|ing)|confirm(?:s|ed)?|elevated|normal|negative|positive|decreased|detected|identified|g/dl|mg/dl|/l)\b"
);

/// Whether a vignette has moved on to the examination or the laboratory.
pub(super) fn vignette_mode(sentence: &str, now: Category) -> Category {
    let is = |re: &LazyLock<Regex>| re.is_match(sentence);
    if is(&HISTORY_CUE) && !sentence.to_lowercase().contains("exam") && !is(&DOSE_OR_VITAL) {
        Category::Hpi
    } else if is(&EXAM) {
        Category::Exam
    } else if is(&TEST) && (now != Category::Hpi || is(&RESULT) || sentence.contains(|c: char| c.is_ascii_digit())) {
        Category::Test
    } else {
        now
    }
}

/// "His temperature is 37" -> "Temperature is 37": what the clinician reports has no owner.
pub(super) fn report_style(sentence: &str) -> String {
    static OWNER: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)^(?:the patient's|patient's|his|her|the patient has|the patient is|patient is|he is|she is|he has|she has|the patient|(?:mr|mrs|ms)\.? \[NAME\]'?s?|\[NAME\](?:'s)?) ",
        )
    });
    let s = OWNER.replace(sentence.trim(), "");
    let mut chars = s.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// A group of a pattern, trimmed.
pub(super) fn group(re: &LazyLock<Regex>, text: &str, i: usize) -> Option<String> {
    re.captures(text)?.get(i).map(|m| m.as_str().trim().to_owned())
}
