//! Words that are nobody's name: ordinary English, the vocabulary of the knowledge base, clinical word forms, and the
//! capitals that medicine writes itself (eponyms, brands, genera, peoples).

use super::{lists, set};
use crate::kb::KnowledgeBase;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static ENGLISH: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("../../data/words.txt").lines().filter(|l| !l.starts_with('#')).collect());

static CAPITALS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    [lists::EPONYMS, lists::BRANDS, lists::GENERA, lists::PEOPLES, lists::HEADS].into_iter().flat_map(set).collect()
});

static THINGS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| [lists::BRANDS, lists::GENERA, lists::PEOPLES, lists::HEADS].into_iter().flat_map(set).collect());
static GIVEN: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| [lists::GIVEN, lists::DOUBTFUL].into_iter().flat_map(set).collect());

static CLINICAL: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let kb = KnowledgeBase::builtin();
    let mut words = BTreeSet::new();
    let mut take = |text: &str| {
        let parts = text.split(|c: char| !c.is_alphabetic()).filter(|w| w.len() > 2);
        words.extend(parts.map(str::to_lowercase));
    };
    for f in kb.findings() {
        take(&f.name);
        f.lay
            .iter()
            .chain(&f.yes)
            .chain(&f.no)
            .chain(&f.ask)
            .chain(&f.drugs)
            .chain(&f.test_names)
            .for_each(|t| take(t));
    }
    for c in kb.conditions() {
        take(&c.name);
        take(&c.safety_net);
        c.synonyms.iter().chain(&c.management).for_each(|t| take(t));
        c.contraindicated.iter().for_each(|x| take(&x.treatment));
    }
    words
});

/// Beginnings and endings of clinical words that names do not have.
const BEGIN: &str = "hyper hypo dys neuro cardio gastro hepato haemo hemo haemat hemat osteo arthr bronch derm endo enter erythr immuno \
    intra laparo leuk lymph myel nephr onco ophthalm ortho para patho peri pneum poly post pre psych pyel radio retro \
    sub supra thromb trans uro vaso electro micro macro multi non anti auto chemo cyto echo fibro glyc hydro infra \
    inter keto mening myo photo phleb rhin spondyl tachy brady tubul ultra veno ventric naso oro tracheo cholecyst \
    pancrea splen anaesth anesth anaem oedem diarrh vaccin gynaec gynec paediat pediat sono spiro steato dipl hemi \
    quadri tetra cerebr crani";
const END: &str = "itis osis aemia emia uria pathy pathic ectomy otomy ostomy plasty scopy scopic graphy graphic gram oma omas algia \
    plegia plegic paresis phagia phasia phobia pnea pnoea rrhea rrhoea rrhage rrhagia trophy trophic plasia plastic \
    genic genesis ology ologist iatry iatrist cyte cytes cytosis penia philia phil phils lysis lytic megaly malacia \
    sclerosis stenosis ectasis kinesia cillin mycin micin floxacin cycline azole conazole prazole pril prilat sartan \
    olol dipine statin fibrate gliptin gliflozin glutide formin zepam zolam pam barbital caine curium curonium dronate \
    dronic mab nib tinib vir navir gravir buvir parin xaban gatran setron gest gestrel zolid vorin cept grastim prost \
    glitazone zosin afil tidine doxepin triptan oxetine ipramine triptyline azepine apine idone peridol thiazide semide \
    lactone sone solone olone onide terol tropium lukast codone orphan morphone profen fenac oxicam coxib platin taxel \
    rubicin trexate abine parib ciclib limus mustine thyroxine amide amine azine idine oxide ate ium ase ases globulin \
    globin toxin antigen ation ations ition itions ical ically ability ivity osity eous iform oid oidal itic otic emic \
    aemic uric coccus coccal cocci bacter bacteria virus viral mycosis ular";

/// Whether a word, written with a capital, may yet be no name.
pub(super) fn known(word: &str) -> bool {
    let lower = word.to_lowercase().replace('\u{2019}', "'");
    let lower = lower.strip_suffix("'s").unwrap_or(&lower);
    CAPITALS.contains(lower)
        || lower.strip_suffix('s').is_some_and(|l| CAPITALS.contains(l))
        || small(lower, 2)
        || clinical(lower)
}

/// A people, a medicine, a microbe or a head of a note: nobody's name where only the words around it suggest one.
pub(super) fn thing(word: &str) -> bool {
    let lower = word.to_lowercase();
    let lower = lower.trim_end_matches(['.', ',']);
    THINGS.contains(lower) && !GIVEN.contains(lower)
}

/// Listed as a capital that medicine writes: no name unless a title or a kinship says so.
pub(super) fn capital(word: &str) -> bool {
    let lower = word.to_lowercase().replace('\u{2019}', "'");
    CAPITALS.contains(lower.strip_suffix("'s").unwrap_or(&lower))
}

/// A word of the knowledge base or of a clinical form.
pub(super) fn clinical(lower: &str) -> bool {
    let n = lower.chars().count();
    CLINICAL.contains(lower)
        || lower.strip_suffix('s').is_some_and(|w| CLINICAL.contains(w))
        || n >= 8 && BEGIN.split_ascii_whitespace().any(|b| lower.starts_with(b))
        || n >= 6 && END.split_ascii_whitespace().any(|e| lower.ends_with(e) && n >= e.len() + 3)
}

/// In the list of English words, itself or without its inflection.
fn small(word: &str, depth: u8) -> bool {
    ENGLISH.contains(word) || depth > 0 && stems(word).iter().any(|s| small(s, depth - 1))
}

fn stems(w: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let cut = |end: &str| w.strip_suffix(end).filter(|b| b.len() > 2 && b.is_ascii());
    out.extend(cut("ies").map(|b| format!("{b}y")));
    out.extend(cut("es").map(str::to_owned));
    out.extend(cut("s").filter(|b| !b.ends_with('s')).map(str::to_owned));
    for end in ["ed", "ing"] {
        if let Some(b) = cut(end) {
            out.extend([b.to_owned(), format!("{b}e")]);
            let mut back = b.chars().rev();
            if back.next() == back.next() && b.len() > 3 {
                out.push(b[..b.len() - 1].to_owned());
            }
            out.extend(b.strip_suffix('i').map(|s| format!("{s}y")));
        }
    }
    if let Some(b) = cut("ly") {
        out.push(b.to_owned());
        out.extend(b.strip_suffix('i').map(|s| format!("{s}y")));
        out.push(format!("{b}le"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_clinical_words_are_known_and_names_are_not() {
        for w in [
            "Walking",
            "Happily",
            "Cholangiopancreatography",
            "Crohn's",
            "Salmonella",
            "Norwegian",
            "Ventolin",
            "Worries",
        ] {
            assert!(known(w), "{w}");
        }
        for w in ["Wioletta", "Featherstonehaugh", "Ystradgynlais", "Thandeka", "Gethin", "Immingham", "Okonjo"] {
            assert!(!known(w), "{w}");
        }
    }
}
