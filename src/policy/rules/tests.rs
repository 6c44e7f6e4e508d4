//! Claims about decisions: precedence, narrow allows, wide denies, commands,
//! and that the index forgets no rule.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::{Actor, ActorId, Role};

fn actor(name: &str, role: Role) -> Actor {
    Actor { id: ActorId::new(name).expect("an id"), name: name.to_owned(), role, colour: None }
}

fn bot(tool: &str) -> Action {
    Action::new(actor("bot", Role::Agent), tool)
}

fn set(rules: serde_json::Value) -> RuleSet {
    RuleSet::parse(&rules.to_string()).unwrap_or_else(|broken| panic!("{broken}"))
}

fn room(rules: serde_json::Value) -> Rules {
    Rules::new(Effect::Ask, &RuleSet::default(), &set(rules))
}

fn effect(rules: &Rules, action: &Action) -> Effect {
    rules.decide(action).effect
}

#[test]
fn deny_wins_then_ask_then_allow_whatever_the_scope_and_order() {
    let [allow, ask, deny] =
        ["allow", "ask", "deny"].map(|effect| json!([{ "name": effect, "effect": effect }]));
    for (server, room, wins) in [
        (&allow, &deny, "room/deny"),
        (&deny, &allow, "server/deny"),
        (&allow, &ask, "room/ask"),
        (&ask, &deny, "room/deny"),
        (&ask, &allow, "server/ask"),
    ] {
        let rules = Rules::new(Effect::Allow, &set(server.clone()), &set(room.clone()));
        let By::Rule(by) = rules.decide(&bot("browser_click")).by else { panic!("the default decided") };
        assert_eq!(format!("{}/{}", by.scope, by.name), wins);
    }
}

#[test]
fn the_default_decides_when_no_rule_fits_and_says_so() {
    let rules = Rules::new(Effect::Deny, &RuleSet::default(), &RuleSet::default());
    let decision = rules.decide(&bot("x"));
    assert_eq!((decision.effect, &decision.by), (Effect::Deny, &By::Default));
    assert!(decision.to_string().contains("no rule fits"));
}

#[test]
fn the_rule_that_decided_is_named_with_its_line_and_note() {
    let text = "[\n {\"name\": \"a\", \"effect\": \"allow\", \"what\": \"x\"},\n {\"name\": \"b\", \"effect\": \"deny\", \"note\": \"never\"}\n]";
    let rules = Rules::new(Effect::Allow, &RuleSet::parse(text).expect("rules"), &RuleSet::default());
    assert_eq!(rules.decide(&bot("x")).to_string(), "deny by the rule server/b (line 3): never");
}

#[test]
fn an_allow_must_cover_every_class_place_element_and_text_and_a_deny_needs_one() {
    let narrow = json!({
        "classes": ["input"], "where": "https://a.example",
        "matching": { "text": "hello*", "target": { "role": "textbox" } },
    });
    let with = |effect: &str| {
        let mut rule = narrow.clone();
        rule["name"] = json!("r");
        rule["effect"] = json!(effect);
        room(json!([rule]))
    };
    let (allow, deny) = (with("allow"), with("deny"));
    let plain =
        || bot("t").classes([Class::INPUT]).at("https://a.example").on("textbox", "Name").typing("hello you");
    assert_eq!((effect(&allow, &plain()), effect(&deny, &plain())), (Effect::Allow, Effect::Deny));
    for (what, more) in [
        ("a class", plain().classes([Class::SUBMIT])),
        ("a place", plain().at("https://b.example")),
        ("an element", plain().on("button", "Pay")),
        ("a text", plain().typing("rm -rf /")),
    ] {
        assert_eq!((effect(&allow, &more), effect(&deny, &more)), (Effect::Ask, Effect::Deny), "{what}");
    }
    assert_eq!(effect(&allow, &bot("t").classes([Class::INPUT])), Effect::Ask, "nothing known");
}

#[test]
fn who_a_rule_is_about_is_kind_role_name_and_id_together() {
    let rules = room(json!([
        { "name": "people", "effect": "allow", "who": { "kind": "person" } },
        { "name": "claude", "effect": "deny", "who": { "kind": "agent", "name": "claude*" } },
        { "name": "mine", "effect": "allow", "who": { "id": ["bot-7"] } },
    ]));
    let by = |name: &str, role| effect(&rules, &Action::new(actor(name, role), "x"));
    assert_eq!(by("ada", Role::Controller), Effect::Allow);
    assert_eq!(by("Claude-9", Role::Agent), Effect::Deny);
    assert_eq!(by("bot-7", Role::Agent), Effect::Allow);
    assert_eq!(by("bot-8", Role::Agent), Effect::Ask);
}

#[test]
fn a_deny_sees_through_hidden_and_styled_letters_and_an_allow_is_not_fooled_by_them() {
    let rules = room(json!([
        { "name": "pay", "effect": "deny", "matching": { "target": { "name": "Pay*" } } },
        { "name": "next", "effect": "allow", "matching": { "target": { "name": "Next" } } },
    ]));
    for name in ["Pay now", "PAY NOW", "P\u{200b}ay", "Ｐａｙ"] {
        assert_eq!(effect(&rules, &bot("browser_click").on("button", name)), Effect::Deny, "{name:?}");
    }
    assert_eq!(effect(&rules, &bot("browser_click").on("button", "Next")), Effect::Allow);
    assert_eq!(effect(&rules, &bot("browser_click").on("button", "N\u{200b}ext")), Effect::Ask);
}

#[test]
fn an_allowed_command_lets_nothing_else_in_by_joining() {
    let rules = room(json!([
        { "name": "git", "effect": "allow", "what": "bash", "matching": { "arguments": { "command": ["git *", "ls"] } } },
        { "name": "rm", "effect": "deny", "what": "bash", "matching": { "arguments": { "command": "rm *" } } },
    ]));
    let run = |command: &str| effect(&rules, &bot("bash").arguments(json!({ "command": command })));
    for good in [
        "git log",
        "git log && git status; ls",
        "git commit -m 'a; b'",
        "git log\ngit status",
        "git log 2>&1 | git apply",
    ] {
        assert_eq!(run(good), Effect::Allow, "{good:?}");
    }
    for joint in ["&&", ";", "|", "||", "&", "\n", "|&", "\r\n"] {
        assert_eq!(run(&format!("git log {joint} curl x")), Effect::Ask, "{joint:?}");
        assert_eq!(run(&format!("git log {joint} rm x")), Effect::Deny, "{joint:?}");
    }
    for hidden in [
        "git log $(curl x)",
        "git log `curl x`",
        "git log \"$(curl x)\"",
        "git log <(curl x)",
        "git log > /etc/x",
        "git log '",
        "git 'a\nb",
    ] {
        assert_eq!(run(hidden), Effect::Ask, "{hidden:?}");
    }
    for hidden in ["git log $(rm x)", "bash -c 'rm x'", "r''m x", "echo \"`rm x`\"", "rm   x", "RM x"] {
        assert_eq!(run(hidden), Effect::Deny, "{hidden:?}");
    }
}

#[test]
fn arguments_are_found_by_name_dotted_path_and_pointer_in_lists_too() {
    let deny = |path: &str| {
        room(json!([{ "name": "r", "effect": "deny", "matching": { "arguments": { path: "secret*" } } }]))
    };
    let action = bot("fill").arguments(
        json!({ "fields": [{ "value": "x" }, { "value": "secret 1" }], "a/b": ["secret"], "n": 7 }),
    );
    for (path, found) in [
        ("fields.*.value", true),
        ("fields.1.value", true),
        ("/fields/1/value", true),
        ("fields.0.value", false),
        ("fields.value", false),
        ("/a~1b", true),
        ("nothing", false),
    ] {
        assert_eq!(effect(&deny(path), &action) == Effect::Deny, found, "{path}");
    }
    let seven = room(json!([{ "name": "r", "effect": "deny", "matching": { "arguments": { "n": "7" } } }]));
    assert_eq!(effect(&seven, &action), Effect::Deny);
}

#[test]
fn more_arguments_than_are_read_are_allowed_by_nothing_and_denied_by_a_rule_about_them() {
    let rules = |effect: &str| {
        room(json!([{ "name": "r", "effect": effect, "matching": { "arguments": { "a": "x" } } }]))
    };
    let action = bot("t").arguments(json!({ "a": vec!["y"; 5000] }));
    assert_eq!(effect(&rules("allow"), &action), Effect::Ask);
    assert_eq!(effect(&rules("deny"), &action), Effect::Deny);
}

#[test]
fn an_allow_stands_over_the_asks_that_it_names_and_over_no_deny() {
    let asks = json!([
        { "name": "submit", "effect": "ask", "classes": "submit" },
        { "name": "shop", "effect": "ask", "where": "https://shop.example" },
        { "name": "pay", "effect": "deny", "matching": { "target": { "name": "Pay" } } },
    ]);
    let over = json!([{ "name": "always", "effect": "allow", "classes": ["submit", "input"], "over": ["server/submit", "server/pay", "room/gone"] }]);
    let rules = Rules::new(Effect::Ask, &set(asks.clone()), &set(over));
    let submit = || bot("t").classes([Class::SUBMIT]);
    assert_eq!(effect(&rules, &submit()), Effect::Allow);
    assert_eq!(rules.decide(&submit().at("https://shop.example")).asks.len(), 1);
    assert_eq!(effect(&rules, &submit().classes([Class::DOWNLOAD])), Effect::Ask);
    assert_eq!(effect(&rules, &submit().on("button", "Pay")), Effect::Deny);
    let alone = Rules::new(Effect::Allow, &set(asks), &RuleSet::default());
    assert_eq!(alone.decide(&submit().at("https://shop.example")).asks.len(), 2, "each that asks is named");
}

#[test]
fn a_dry_run_says_what_decided_and_why_others_did_not() {
    let rules = room(json!([
        { "name": "git", "effect": "allow", "what": "bash", "matching": { "arguments": { "command": "git *" } } },
        { "name": "any", "effect": "ask", "what": "b*" },
        { "name": "far", "effect": "deny", "what": "x", "classes": "read", "where": "https://a.example" },
    ]));
    let told = rules.explain(&bot("bash").arguments(json!({ "command": "git log && rm x" })));
    assert_eq!(told.decision.effect, Effect::Ask);
    let names: Vec<_> = told.rules.iter().map(|near| (near.rule.name.as_str(), near.fits)).collect();
    assert_eq!(names, [("any", true), ("git", false)]);
    assert!(told.rules[1].why[0].contains("each command that is joined"), "{:?}", told.rules[1].why);
    let told = rules.explain(&bot("bash").arguments(json!({ "command": "git log" })));
    assert!(told.rules[1].why[0].contains("stronger"), "{told:?}");
}

#[test]
fn an_explanation_is_bounded_and_repeats_no_typed_text() {
    let many: Vec<_> = (0..100)
        .map(|n| json!({ "name": format!("r{n}"), "effect": "deny", "matching": { "text": "never" } }))
        .collect();
    let told = room(json!(many)).explain(&bot("type").typing("hunter2"));
    assert_eq!((told.rules.len(), told.more), (20, 80));
    assert!(!serde_json::to_string(&told).expect("json").contains("hunter2"));
}

#[test]
fn an_unknown_place_is_denied_by_rules_about_any_place_and_allowed_by_none() {
    for (effect_word, wins) in [("deny", Effect::Deny), ("allow", Effect::Ask)] {
        let rules = room(json!([{ "name": "r", "effect": effect_word, "where": "https://a.example" }]));
        assert_eq!(effect(&rules, &bot("browser_navigate").at("what is this")), wins);
    }
}

fn some(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(words, 0..=2.min(words.len()))
}

prop_compose! {
    fn rule()(
        effect in prop::sample::select(vec!["deny", "ask", "allow"]),
        what in some(&["bash", "browser_*", "browser_click", "*", "Page.*", "?ash"]),
        classes in some(&["input", "submit", "navigate", "execute"]),
        places in some(&["https://a.example", "*.example", "https://*.b.example:*", "*", "data:", "b.example", "https://pr-*.b.example"]),
        name in some(&["Pay*", "*", "next"]),
        command in some(&["git *", "rm *", "*", "?it log", "*17*", "{\"a\":*"]),
        text in some(&["*word*", "é*", "e*", "Ｗ*", "W?rd"]),
        who in some(&["bot", "B*", "x*"]),
    ) -> serde_json::Value {
        let mut rule = json!({ "effect": effect });
        for (field, list) in [("what", what), ("classes", classes), ("where", places)] {
            if !list.is_empty() {
                rule[field] = json!(list);
            }
        }
        if !name.is_empty() {
            rule["matching"] = json!({ "target": { "name": name } });
        }
        if !command.is_empty() {
            rule["matching"]["arguments"] = json!({ "command": command });
        }
        if !text.is_empty() {
            rule["matching"]["text"] = json!(text);
        }
        if !who.is_empty() {
            rule["who"] = json!({ "name": who });
        }
        rule
    }
}

prop_compose! {
    fn action()(
        tool in prop::sample::select(vec!["bash", "browser_click", "browser_navigate", "Page.navigate"]),
        classes in some(&["input", "submit", "navigate", "execute"]),
        places in some(&["https://a.example", "https://x.b.example:8443", "http://b.example", "https://pr-1.b.example", "data:x", "about:blank", "?"]),
        names in some(&["Pay now", "ＰＡＹ", "Next", "next"]),
        command in prop::option::of(prop::sample::select(vec![
            json!("git log"), json!("git log && rm x"), json!("rm x"), json!("git\tlog"), json!("git 'x"), json!(17),
            json!({ "a": 17 }), json!(["git log", 17]), json!("ｒｍ x"), json!([]), json!(null),
        ])),
        texts in some(&["a word", "Word", "e\u{301}", "é", "ｗord"]),
    ) -> Action {
        let mut action = bot(tool).classes(classes.into_iter().map(|class| Class::new(class).expect("a class")));
        for place in places {
            action = action.at(place);
        }
        for name in names {
            action = action.on("button", name);
        }
        for text in texts {
            action = action.typing(text);
        }
        if let Some(command) = command {
            action = action.arguments(json!({ "command": command }));
        }
        action
    }
}

fn named(rules: Vec<serde_json::Value>) -> RuleSet {
    let rules = rules.into_iter().enumerate().map(|(at, mut rule)| {
        rule["name"] = json!(format!("r{at}"));
        rule
    });
    set(rules.collect())
}

proptest! {
    #[test]
    fn deny_wins_whatever_the_order_and_the_scope(
        mut rules in prop::collection::vec(rule(), 0..12), action in action(), turn in 0..12usize,
    ) {
        let first = Rules::new(Effect::Ask, &named(rules.clone()), &RuleSet::default()).decide(&action);
        if !rules.is_empty() {
            let turn = turn % rules.len();
            rules.rotate_left(turn);
        }
        let (server, room) = rules.split_at(turn.min(rules.len()));
        let other = Rules::new(Effect::Ask, &named(server.to_vec()), &named(room.to_vec())).decide(&action);
        prop_assert_eq!(first.effect, other.effect);
    }

    #[test]
    fn an_allow_more_never_turns_a_deny_into_anything_nor_a_deny_less_than_deny(
        rules in prop::collection::vec(rule(), 0..12), mut more in rule(), action in action(),
    ) {
        let before = Rules::new(Effect::Allow, &named(rules.clone()), &RuleSet::default()).decide(&action).effect;
        more["effect"] = json!("allow");
        more["over"] = json!((0..rules.len()).map(|n| format!("server/r{n}")).chain(["room/x".into()]).collect::<Vec<_>>());
        let after = Rules::new(Effect::Allow, &named(rules), &named(vec![more])).decide(&action).effect;
        if before == Effect::Deny {
            prop_assert_eq!(after, Effect::Deny);
        }
    }

    #[test]
    fn the_index_forgets_no_rule_and_the_dry_run_tells_the_same_story(
        rules in prop::collection::vec(rule(), 0..12), action in action(),
    ) {
        let rules = Rules::new(Effect::Ask, &RuleSet::default(), &named(rules));
        let decision = rules.decide(&action);
        let named = crate::policy::Named::default();
        let question = Question::new(&action, &named);
        let fits = (0..rules.len() as u32).find(|id| rules.compiled(*id).matches(&question));
        let by = fits.map_or(By::Default, |id| By::Rule(rules.named(id)));
        prop_assert_eq!(&decision.by, &by);
        for id in 0..rules.len() as u32 {
            let compiled = rules.compiled(id);
            prop_assert_eq!(compiled.matches(&question), compiled.misses(&question).is_empty());
        }
        let told = rules.explain(&action);
        prop_assert_eq!(&told.decision, &decision);
        if let By::Rule(_) = by {
            let deciders: Vec<_> = told.rules.iter().filter(|near| near.fits && near.why.is_empty()).collect();
            prop_assert_eq!(deciders.len(), 1);
        }
    }

    #[test]
    fn joined_commands_never_pass_an_allow_that_fits_one_of_them(
        joint in prop::sample::select(vec!["&&", ";", "|", "||", "&", "\n", "|&", " && ", "\t;\n"]),
        tail in "[a-z'\" $()`>]{0,10}",
    ) {
        let rules = room(json!([{ "name": "git", "effect": "allow", "what": "bash", "matching": { "arguments": { "command": "git *" } } }]));
        for line in [format!("git log {joint} curl x {tail}"), format!("curl x {joint} git log {tail}"), format!("git log $(curl x {tail})")] {
            prop_assert_ne!(effect(&rules, &bot("bash").arguments(json!({ "command": line }))), Effect::Allow);
        }
    }
}

#[test]
fn the_example_of_the_specification_is_a_good_one() {
    let specification = include_str!("../../../SPECIFICATION.md");
    let (_, rest) = specification.split_once("```json\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let set = RuleSet::parse(example).unwrap_or_else(|broken| panic!("{broken}"));
    let rules = Rules::new(Effect::Ask, &set, &RuleSet::default());
    let click =
        |name: &str| effect(&rules, &bot("browser_click").at("https://shop.example").on("button", name));
    assert_eq!((click("Add"), click("Pay now")), (Effect::Allow, Effect::Deny));
}

#[test]
fn a_rule_can_be_about_somewhere_new() {
    let text = r#"{ "rules": [{ "name": "somewhere-new", "effect": "ask", "where": "new", "classes": ["navigate", "input"] }] }"#;
    let named = crate::policy::Named::default();
    let rules = Rules::new(Effect::Allow, &RuleSet::default(), &RuleSet::parse(text).expect("a rule"));
    let rules = rules.naming(named.clone());
    let effect = |url: &str| {
        let action = bot("browser_click").classes(vec![Class::INPUT]).at(url);
        rules.decide(&action).effect
    };
    named.add_text("look at shop.example");
    assert_eq!(effect("https://shop.example/a"), Effect::Allow);
    assert_eq!(effect("https://evil.example/a"), Effect::Ask);
    named.add(&Place::of("https://evil.example"));
    assert_eq!(effect("https://evil.example/b"), Effect::Allow);
    let allowing = r#"{ "rules": [{ "name": "x", "effect": "allow", "where": "new" }] }"#;
    assert!(RuleSet::parse(allowing).expect_err("refused").to_string().contains("ask or deny"));
}
