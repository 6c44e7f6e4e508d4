//! Claims about documents: where a complaint points, what it says, and that
//! what is printed is what was read.

use proptest::prelude::*;

use super::*;

fn complaints(text: &str) -> Vec<String> {
    RuleSet::parse(text)
        .err()
        .map(|broken| broken.complaints)
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn each_complaint_has_its_line_its_column_and_the_word_that_was_meant() {
    let rule = |inside: &str| format!("[\n  {{ \"name\": \"a\", \"effect\": \"ask\",\n    {inside} }}\n]");
    for (text, starts, says) in [
        (rule("\"wat\": \"x\""), "line 3, column 5: ", "\"what\""),
        (
            rule("\"where\": [\"https://a.example\", \"https://b.example/x\"]"),
            "line 3, column 36: ",
            "leave out",
        ),
        (rule("\"classes\": [\"navigat\"]"), "line 3, column 17: ", "\"navigate\""),
        (rule("\"who\": { \"kind\": \"agnet\" }"), "line 3, column 22: ", "\"agent\""),
        (rule("\"who\": { \"role\": \"controler\" }"), "line 3, column 22: ", "\"controller\""),
        (rule("\"who\": \"agent\""), "line 3, column 12: ", "an object, not a text"),
        (rule("\"what\": []"), "line 3, column 13: ", "leave the field out"),
        (rule("\"what\": 7"), "line 3, column 13: ", "not a number"),
        (rule("\"note\": null"), "line 3, column 13: ", "not null"),
        (rule("\"name\": \"b\""), "line 3, column 5: ", "twice"),
        (rule("\"over\": \"server/x\""), "line 3, column 13: ", "only a rule that allows"),
        (
            rule("\"matching\": { \"arguments\": { \"a..b\": \"x\" } }"),
            "line 3, column 42: ",
            "leads to no argument",
        ),
        (rule("\"matching\": { \"target\": { \"nam\": \"x\" } }"), "line 3, column 31: ", "\"name\""),
        (rule("\"é\": 1, \"what\": true"), "line 3, column 5: ", "has no field"),
        ("[{ \"name\": \"a\", \"effect\": \"alow\" }]".into(), "line 1, column 27: ", "\"allow\""),
        ("[{ \"effect\": \"ask\" }]".into(), "line 1, column 2: ", "name"),
        ("[{ \"name\": \"a\" }]".into(), "line 1, column 2: ", "effect"),
        ("[{ \"name\": \" a\", \"effect\": \"ask\" }]".into(), "line 1, column 12: ", "blanks"),
        ("{ \"rule\": [] }".into(), "line 1, column 1: ", "missing"),
        ("{ \"rules\": {} }".into(), "line 1, column 12: ", "a list"),
        ("[1, ]".into(), "line 1, column 5: ", "comma"),
        ("[1 2]".into(), "line 1, column 4: ", "comma"),
        ("[\n// x\n]".into(), "line 2, column 1: ", "note"),
        ("{ rules: [] }".into(), "line 1, column 3: ", "double quotes"),
        ("[] x".into(), "line 1, column 4: ", "follows"),
        ("[{ \"name\": \"a".into(), "line 1, column 12: ", "closing quote"),
        (String::new(), "line 1, column 1: ", "ends too early"),
    ] {
        let found = complaints(&text);
        assert!(
            found.first().is_some_and(|first| first.starts_with(starts) && first.contains(says)),
            "{text}\n{found:?} should start with {starts:?} and say {says:?}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_not_without_end() {
    let text = "[\n{ \"name\": \"a\", \"effect\": \"x\" },\n{ \"name\": \"b\", \"effect\": \"ask\", \"where\": \"a/b\" },\n{ \"name\": \"b\", \"effect\": \"ask\" }]";
    let found = complaints(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[2].contains("line 3 has a rule \"b\" already"));
    let many = format!("[{}]", vec!["{}"; 1500].join(","));
    let broken = RuleSet::parse(&many).expect_err("broken");
    assert_eq!((broken.complaints.len(), broken.more), (20, 2980));
}

#[test]
fn too_many_too_long_and_too_deep_is_refused_with_the_limit() {
    let rules: Vec<String> =
        (0..=MOST_RULES).map(|n| format!("{{\"name\":\"r{n}\",\"effect\":\"deny\"}}")).collect();
    assert!(complaints(&format!("[{}]", rules.join(",")))[0].contains("2001 rules; there may be 2000"));
    assert_eq!(RuleSet::parse(&format!("[{}]", rules[1..].join(","))).expect("2000").len(), MOST_RULES);
    let long = |field: &str, length| {
        format!("[{{\"name\":\"a\",\"effect\":\"deny\",\"{field}\":\"{}\"}}]", "x".repeat(length))
    };
    assert!(complaints(&long("what", 600))[0].contains("512 bytes"));
    assert!(complaints(&long("note", 2000))[0].contains("1000 characters"));
    assert!(complaints(&long("note", LONGEST_DOCUMENT))[0].contains("bytes"));
    assert!(complaints(&"[".repeat(100_000))[0].contains("deep"));
    let many = format!("[{{\"name\":\"a\",\"effect\":\"deny\",\"what\":[{}]}}]", vec!["\"x\""; 65].join(","));
    assert!(complaints(&many)[0].contains("at most 64"));
}

#[test]
fn classes_of_another_agents_tools_can_be_brought() {
    let text =
        r#"{ "classes": ["deploy"], "rules": [{ "name": "a", "effect": "ask", "classes": "deploy" }] }"#;
    let set = RuleSet::parse(text).expect("rules");
    assert_eq!(RuleSet::parse(&set.print()).as_ref(), Ok(&set));
    assert!(complaints(&text.replace("[\"deploy\"]", "[\"De ploy\"]"))[0].contains("a-z"));
}

#[test]
fn a_rule_reads_the_same_by_serde_and_by_the_reader() {
    let text = r#"{ "name": "a", "effect": "ask", "who": { "kind": "agent", "role": "agent" }, "what": "x*",
        "classes": ["input", "submit"], "where": "https://a.example", "note": "n",
        "matching": { "text": "t", "target": { "role": "button" }, "arguments": { "a.b": ["c", "d"] } } }"#;
    let rule: Rule = serde_json::from_str(text).expect("a rule");
    let set = RuleSet::parse(&format!("[{text}]")).expect("rules");
    assert_eq!(set.rules().next(), Some(&rule));
}

prop_compose! {
    fn some_rule()(
        effect in prop::sample::select(Effect::ALL.to_vec()),
        what in prop::collection::vec("[a-zé*?\\\\\"\n]{0,6}", 0..3),
        classes in prop::sample::subsequence(Class::KNOWN.to_vec(), 0..3),
        places in prop::sample::subsequence(vec!["*", "https://*.a.example", "data:", "b.example:*"], 0..3),
        names in prop::collection::vec("\\PC{0,6}", 0..3),
        arguments in prop::collection::btree_map("[a-z]{1,4}", prop::collection::vec("\\PC{0,4}", 1..3), 0..3),
        kind in prop::option::of(prop::sample::select(vec![ActorKind::Person, ActorKind::Agent])),
        note in prop::option::of("\\PC{0,9}"),
    ) -> Rule {
        let mut rule = Rule::new("", effect);
        rule.what = OneOrMany(what);
        rule.classes = OneOrMany(classes);
        rule.places = places.into_iter().map(str::to_owned).collect();
        rule.who.kind = kind;
        rule.who.name = OneOrMany(names);
        rule.matching.arguments = arguments.into_iter().map(|(name, list)| (name, OneOrMany(list))).collect();
        rule.note = note;
        rule
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_it_was(mut rules in prop::collection::vec(some_rule(), 0..6)) {
        for (at, rule) in rules.iter_mut().enumerate() {
            rule.name = format!("rule {at}");
        }
        let set = RuleSet::new(&rules).expect("good rules");
        prop_assert!(set.rules().eq(rules.iter()));
        prop_assert_eq!(RuleSet::parse(&set.print()), Ok(set));
    }

    #[test]
    fn no_text_makes_the_reader_fall(text in "[\\[\\]{}\":,a-z0-9\\\\ é\n]{0,60}") {
        let _ = RuleSet::parse(&text);
    }
}
