//! Only members that started from one point and answer to one rubric are compared.

use bedside_env::persona::Emotion;
use bedside_env::seed::Seed;
use bedside_env::units::UnitSwitches;
use bedside_env::verifier::group::{GroupCertificate, Mixed};
use bedside_env::{Digest, Limits, Persona};
use bedside_train::grpo::{CertifiedGroup, MixedGroup};

fn certificate() -> GroupCertificate {
    GroupCertificate {
        prefix: Digest::of_bytes("test", b"prefix"),
        at_turn: 3,
        fragment_turns: Some(2),
        case: Digest::of_bytes("test", b"case"),
        persona: Persona::PLAIN,
        seed: Seed(7),
        limits: Limits::default(),
        units: UnitSwitches::default(),
        unit_ids: vec!["unit 1".to_owned()],
        engine: 1,
        rubric: Digest::of_bytes("test", b"rubric"),
        scorer: "scorer 1".to_owned(),
    }
}

/// The certificate with one thing changed.
fn but(change: impl FnOnce(&mut GroupCertificate)) -> GroupCertificate {
    let mut c = certificate();
    change(&mut c);
    c
}

#[test]
fn members_of_one_fork_are_a_group_with_a_digest() {
    let group = CertifiedGroup::new((0..8).map(|i| (certificate(), i)).collect()).expect("one fork");
    assert_eq!((group.digest(), group.certificate()), (certificate().digest(), &certificate()));
    assert_eq!(group.into_members(), (0..8).collect::<Vec<_>>());
    assert_eq!(CertifiedGroup::<u8>::new(Vec::new()), Err(Mixed::Empty));
}

#[test]
fn a_member_that_differs_in_anything_is_refused_by_the_name_of_it() {
    let other = || Digest::of_bytes("test", b"other");
    let changed = [
        ("case", but(|c| c.case = other())),
        ("persona", but(|c| c.persona.emotion = Emotion::Anxious)),
        ("seed", but(|c| c.seed = Seed(8))),
        // A budget drawn for each member, as one released trainer does.
        ("limits", but(|c| c.limits.max_turns = 6)),
        ("units", but(|c| c.units.factual = false)),
        ("unit_ids", but(|c| c.unit_ids = vec!["unit 2".to_owned()])),
        ("engine", but(|c| c.engine = 2)),
        ("at_turn", but(|c| c.at_turn = 4)),
        ("fragment_turns", but(|c| c.fragment_turns = None)),
        ("prefix", but(|c| c.prefix = other())),
        ("scorer", but(|c| c.scorer = "scorer 2".to_owned())),
        ("rubric", but(|c| c.rubric = other())),
    ];
    for (name, odd) in changed {
        assert_ne!(odd.digest(), certificate().digest(), "{name}");
        let sound = || vec![(certificate(), 0), (certificate(), 1)];
        let mixed = vec![(certificate(), 0), (certificate(), 1), (odd, 2)];
        let refused = CertifiedGroup::all(vec![sound(), mixed]).expect_err(name);
        let MixedGroup { group: 1, why: Mixed::Differs { member: 2, field, .. } } = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(*field, name);
        assert!(refused.to_string().starts_with("group 1: member 2 differs from the first in"), "{refused}");
    }
}
