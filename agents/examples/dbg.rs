use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::*;
use bedside_records::kb::*;
use std::sync::Arc;
fn main() {
    let s: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let r = Generator::new(KnowledgeBase::builtin(), Population::default()).generate(Seed(s)).unwrap();
    for f in r.facts.iter().take(9) {
        println!("{} {:?} {} {:?}", f.topic, f.category, f.statement, f.access);
    }
    let mut g = Gym::new(Arc::new(vec![Case::new(r)]), EnvConfig::default());
    g.reset(Seed(s), &ResetOptions::default()).unwrap();
    for q in std::env::args().skip(2) {
        g.step(Action::say(q).into()).unwrap();
    }
    for e in g.log().unwrap().events.iter().skip(1) {
        println!("{e:?}");
    }
}
