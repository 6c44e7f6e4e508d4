//! Claims about the queue: one answer, one use, one end, bounds, and no yes
//! to anything but the page that was asked about.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::{Action, Class, Decision, Effect, Place, RuleRef, RuleSet, Rules, Scope};

fn actor(name: &str, role: Role) -> Actor {
    Actor { id: ActorId::new(name).expect("an id"), name: name.to_owned(), role, colour: None }
}

fn ada() -> Actor {
    actor("ada", Role::Controller)
}

fn queue() -> (Instant, Approvals) {
    (Instant::now(), Approvals::new(7, Limits::default()))
}

fn page(name: &str) -> Fingerprint {
    Fingerprint::new(name)
}

fn click(by: &str) -> Action {
    Action::new(actor(by, Role::Agent), "browser_click")
        .classes([Class::INPUT, Class::SUBMIT])
        .at("https://shop.example/cart?token=x")
        .on("button", "Pay")
}

fn asked(by: &str) -> Request {
    let decision = Decision {
        effect: Effect::Ask,
        by: By::Default,
        asks: vec![RuleRef { scope: Scope::Server, name: "pay".into(), line: 1, note: None }],
        considered: 1,
    };
    Request::new(&click(by), decision, page("cart"), Duration::from_secs(60))
}

fn drain(approvals: &mut Approvals) -> Vec<Event> {
    std::iter::from_fn(|| approvals.poll_output()).collect()
}

#[test]
fn a_yes_is_good_for_one_use_on_the_page_that_was_asked_about() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, asked("bot")).expect("room");
    assert_eq!(approvals.spend(t, id, &page("cart")), Err(NotApproved::Waiting));
    approvals.answer(t, id, &ada(), Answer::Once).expect("first");
    assert_eq!(approvals.standing(id), None);
    assert_eq!(approvals.spend(t, id, &page("cart")).expect("a yes").answered.name, "ada");
    assert!(matches!(approvals.spend(t, id, &page("cart")), Err(NotApproved::Ended(End::Spent { .. }))));
    assert!(approvals.is_empty());
}

#[test]
fn a_page_that_changed_makes_a_yes_stale() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, asked("bot")).expect("room");
    approvals.answer(t, id, &ada(), Answer::Once).expect("first");
    assert_eq!(approvals.spend(t, id, &page("other")), Err(NotApproved::Stale));
    assert!(matches!(approvals.spend(t, id, &page("cart")), Err(NotApproved::Ended(End::Stale { .. }))));
    let waiting = approvals.ask(t, asked("bot")).expect("room");
    assert!(!approvals.observe(t, waiting, &page("cart")) && approvals.observe(t, waiting, &page("other")));
    assert!(matches!(
        approvals.answer(t, waiting, &ada(), Answer::Once),
        Err(AnswerError::Gone(End::Stale { .. }))
    ));
}

#[test]
fn the_first_answer_counts_and_the_other_sees_by_whom() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, asked("bot")).expect("room");
    let no = Answer::Deny { message: Some("not that one".into()) };
    approvals.answer(t, id, &ada(), no).expect("first");
    let late = approvals.answer(t, id, &actor("bob", Role::Admin), Answer::Once).expect_err("late");
    assert_eq!(late.to_string(), "ada has answered already: no");
    let refused = approvals.spend(t, id, &page("cart")).expect_err("denied");
    assert_eq!(refused.to_string(), "ada said no: not that one");
}

#[test]
fn neither_an_agent_nor_a_viewer_answers() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, asked("bot")).expect("room");
    for role in [Role::Agent, Role::Viewer] {
        let refused = approvals.answer(t, id, &actor("x", role), Answer::Once);
        assert_eq!(refused, Err(AnswerError::MayNotAnswer { role }));
    }
}

#[test]
fn at_its_client_an_agents_own_question_is_answered_once_or_with_no_and_under_its_name() {
    let (t, mut approvals) = queue();
    let (bot, other) = (actor("bot", Role::Agent), actor("other", Role::Agent));
    let [id, no] = [0; 2].map(|_| approvals.ask(t, asked("bot")).expect("room"));
    let not_theirs = approvals.answer_at_client(t, id, &other, Answer::Once);
    assert_eq!(not_theirs, Err(AnswerError::MayNotAnswer { role: Role::Agent }));
    let always = approvals.answer_at_client(t, id, &bot, Answer::AlwaysForOrigin);
    assert_eq!(always, Err(AnswerError::NotAlways));
    approvals.answer_at_client(t, id, &bot, Answer::Once).expect("its own");
    let late = approvals.answer(t, id, &ada(), Answer::Once).expect_err("late");
    assert_eq!(late.to_string(), "the user of bot has answered already: yes, once");
    let answered = approvals.spend(t, id, &page("cart")).expect("a yes").answered;
    assert_eq!((answered.by.as_str(), answered.role), ("bot", Role::Agent));
    approvals.answer_at_client(t, no, &bot, Answer::Deny { message: None }).expect("its own");
    let refused = approvals.spend(t, no, &page("cart")).expect_err("denied");
    assert_eq!(refused.to_string(), "the user of bot said no");
    approvals.answer(t, no, &ada(), Answer::Once).expect_err("late");
}

#[test]
fn nobody_answers_nobody_uses_it_everybody_leaves_all_of_it_means_no() {
    let (t, mut approvals) = queue();
    let minute = Duration::from_secs(60);
    let [late, unused, gone] = [0; 3].map(|_| approvals.ask(t, asked("bot")).expect("room"));
    approvals.answer(t, unused, &ada(), Answer::Once).expect("first");
    assert_eq!(approvals.poll_timeout(), Some(t + Limits::default().use_within));
    approvals.withdraw(t, gone);
    // The timer is late; the deadlines hold all the same.
    let too_late = approvals.answer(t + minute, late, &ada(), Answer::Once);
    assert_eq!(too_late, Err(AnswerError::Gone(End::Expired { answered: None })));
    for id in [late, unused, gone] {
        assert!(approvals.spend(t + minute, id, &page("cart")).is_err());
    }
    let lost = approvals.ask(t + minute, asked("bot")).expect("room");
    approvals.answer(t + minute, lost, &ada(), Answer::Once).expect("first");
    approvals.fail(t + minute, "the browser was started again");
    assert!(approvals.spend(t + minute, lost, &page("cart")).is_err());
    approvals.close(t + minute, "the room was removed");
    assert!(matches!(approvals.ask(t + minute, asked("bot")), Err(AskError::Closed { .. })));
    assert_eq!(approvals.poll_timeout(), None);
}

#[test]
fn an_answer_to_a_question_before_a_restart_meets_no_new_one() {
    let (t, mut before) = queue();
    let old = before.ask(t, asked("bot")).expect("room");
    let mut after = Approvals::new(8, Limits::default());
    after.ask(t, asked("bot")).expect("room");
    assert_eq!(after.answer(t, old, &ada(), Answer::Once), Err(AnswerError::Unknown));
    assert_eq!(after.spend(t, old, &page("cart")), Err(NotApproved::Unknown));
}

#[test]
fn a_clock_that_jumps_back_ends_nothing_late_and_nothing_twice() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t + Duration::from_secs(50), asked("bot")).expect("room");
    approvals.handle_timeout(t);
    assert_eq!(approvals.views(|at| (at - t).as_millis() as u64)[0].expires_at, 110_000);
    approvals.handle_timeout(t + Duration::from_secs(110));
    approvals.handle_timeout(t);
    let ends = drain(&mut approvals).into_iter().filter(|event| matches!(event, Event::Ended { .. })).count();
    assert_eq!((ends, approvals.standing(id).is_some()), (1, true));
}

#[test]
fn a_flood_is_refused_and_said() {
    let (t, mut approvals) = queue();
    for _ in 0..8 {
        approvals.ask(t, asked("bot")).expect("room");
    }
    assert_eq!(approvals.ask(t, asked("bot")), Err(AskError::ActorFull { limit: 8 }));
    for n in 0..56 {
        approvals.ask(t, asked(&format!("bot{}", n / 8))).expect("room");
    }
    let full = approvals.ask(t, asked("another")).expect_err("full");
    assert!(full.to_string().contains("64 approvals wait"), "{full}");
    let (t, mut approvals) = queue();
    for _ in 0..30 {
        let id = approvals.ask(t, asked("bot")).expect("room");
        approvals.withdraw(t, id);
    }
    let later = t + Duration::from_secs(20);
    assert_eq!(
        approvals.ask(later, asked("bot")),
        Err(AskError::TooOften { limit: 30, wait: Duration::from_secs(40) })
    );
    approvals.ask(later, asked("other")).expect("others may");
    approvals.ask(t + MINUTE, asked("bot")).expect("a minute later");
}

#[test]
fn always_for_this_origin_is_a_narrow_rule_that_lets_the_same_through() {
    let (t, mut approvals) = queue();
    let server =
        RuleSet::parse(r#"[{ "name": "pay", "effect": "ask", "classes": "submit" }]"#).expect("rules");
    let rules = |room: &RuleSet| Rules::new(Effect::Ask, &server, room);
    let decision = rules(&RuleSet::default()).decide(&click("bot"));
    let request = Request::new(&click("bot"), decision, page("cart"), MINUTE);
    let id = approvals.ask(t, request).expect("room");
    approvals.answer(t, id, &ada(), Answer::AlwaysForOrigin).expect("first");
    let rule = drain(&mut approvals).into_iter().find_map(|event| match event {
        Event::Rule { rule, .. } => Some(*rule),
        _ => None,
    });
    let room = RuleSet::default().with(rule.expect("a rule")).expect("a good rule");
    let effect = |action: Action| rules(&room).decide(&action).effect;
    assert_eq!(effect(click("bot")), Effect::Allow);
    assert_eq!(effect(click("other")), Effect::Ask);
    assert_eq!(effect(click("bot").classes([Class::CREDENTIALS])), Effect::Ask);
    assert_eq!(effect(click("bot").at("https://bank.example")), Effect::Ask);
    assert_eq!(effect(Action { tool: "browser_type".into(), ..click("bot") }), Effect::Ask);
    assert_eq!(
        effect(Action { places: vec![Place::of("https://shop.example:8443")], ..click("bot") }),
        Effect::Ask
    );
}

#[test]
fn always_needs_an_origin_and_classes() {
    let (t, mut approvals) = queue();
    let no_place = [vec![], vec![Place::Unknown], vec![Place::of("data:x")]];
    let no_place = no_place.map(|places| Request { places, ..asked("bot") });
    for request in no_place.into_iter().chain([Request { classes: vec![], ..asked("bot") }]) {
        let id = approvals.ask(t, request).expect("room");
        assert!(!approvals.views(|_| 0).last().expect("open").can_be_always);
        assert_eq!(approvals.answer(t, id, &ada(), Answer::AlwaysForOrigin), Err(AnswerError::NotAlways));
        approvals.answer(t, id, &ada(), Answer::Once).expect("still open");
    }
}

#[test]
fn a_view_has_its_place_in_the_queue_and_no_more_than_can_be_shown() {
    let (t, mut approvals) = queue();
    let first = approvals.ask(t, asked("bot")).expect("room");
    let long = Request {
        arguments: json!({ "text": "x".repeat(5000), "n": [1] }),
        picture: Some(Bytes::from(vec![0; LARGEST_PICTURE + 1])),
        ..asked("bot")
    };
    let second = approvals.ask(t, long).expect("room");
    let huge = Request { arguments: json!(vec!["x".repeat(900); 50]), ..asked("bot") };
    approvals.ask(t, huge).expect("room");
    let views = approvals.views(|_| 0);
    assert_eq!(
        (views[1].position, views[1].of, views[1].shortened, views[1].picture),
        (Some(2), 3, true, false)
    );
    assert!(views[1].arguments["text"].as_str().is_some_and(|text| text.ends_with("(4000 characters more)")));
    assert!(views[2].arguments.as_str().is_some_and(|text| text.contains("too long")));
    let shown = serde_json::to_string(&views[0]).expect("json");
    assert!(shown.contains("https://shop.example") && !shown.contains("token"), "{shown}");
    approvals.answer(t, first, &ada(), Answer::Once).expect("first");
    let views = approvals.views(|_| 0);
    assert_eq!((views[0].id, views[0].position, views[0].of, views[2].position), (second, Some(1), 2, None));
}

#[test]
fn an_id_survives_being_written_down_and_others_are_refused() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, asked("bot")).expect("room");
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "7-1", "0000000000000007-01", "x-1", "0000000000000007-"] {
        assert_eq!(wrong.parse::<ApprovalId>(), Err(ApprovalIdError), "{wrong}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Ask(u8),
    Answer(usize, u8, u8),
    Spend(usize, bool),
    Observe(usize, bool),
    Withdraw(usize),
    Leave(u8),
    Fail,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (-5..40i64).prop_map(Step::Wait),
        6 => (0..3u8).prop_map(Step::Ask),
        6 => (0..12usize, 0..4u8, 0..3u8).prop_map(|(which, who, what)| Step::Answer(which, who, what)),
        5 => (0..12usize, prop::bool::weighted(0.8)).prop_map(|(which, same)| Step::Spend(which, same)),
        1 => (0..12usize, any::<bool>()).prop_map(|(which, same)| Step::Observe(which, same)),
        1 => (0..12usize).prop_map(Step::Withdraw),
        1 => (0..3u8).prop_map(Step::Leave),
        1 => Just(Step::Fail),
        1 => prop::bool::weighted(0.2).prop_map(|close| if close { Step::Close } else { Step::Fail }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_question_ends_once_and_a_yes_is_used_once_before_any_end(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let limits = Limits { room: 6, actor: 3, rate: 20, wait: Duration::from_secs(60), use_within: Duration::from_secs(30) };
        let mut approvals = Approvals::new(1, limits);
        let start = Instant::now() + Duration::from_secs(1000);
        let (mut now, mut latest) = (start, start);
        let mut ids: Vec<ApprovalId> = Vec::new();
        let mut answers: HashMap<ApprovalId, (Instant, Answered)> = HashMap::new();
        let mut ends: HashMap<ApprovalId, End> = HashMap::new();
        let mut asked_at: HashMap<ApprovalId, Instant> = HashMap::new();
        let mut closed = false;
        for step in steps {
            let one = |which: usize| ids.len().checked_sub(1 + which % ids.len().max(1)).and_then(|at| ids.get(at)).copied();
            let fingerprint = |same: bool| page(if same { "cart" } else { "other" });
            match step {
                Step::Wait(seconds) => {
                    now = if seconds < 0 {
                        now - Duration::from_secs(seconds.unsigned_abs())
                    } else {
                        now + Duration::from_secs(seconds as u64)
                    };
                    latest = latest.max(now);
                    approvals.handle_timeout(now);
                }
                Step::Ask(who) => {
                    if let Ok(id) = approvals.ask(now, asked(&format!("bot{who}"))) {
                        prop_assert!(!closed && !asked_at.contains_key(&id));
                        asked_at.insert(id, latest);
                        ids.push(id);
                    }
                }
                Step::Answer(which, who, what) => {
                    let Some(id) = one(which) else { continue };
                    let by = actor("p", [Role::Admin, Role::Controller, Role::Viewer, Role::Agent][who as usize]);
                    let answer = [Answer::Once, Answer::AlwaysForOrigin, Answer::Deny { message: None }][what as usize].clone();
                    if approvals.answer(now, id, &by, answer).is_ok() {
                        prop_assert!(who < 2 && !ends.contains_key(&id) && !answers.contains_key(&id));
                        prop_assert!(latest < asked_at[&id] + limits.wait);
                    }
                }
                Step::Spend(which, same) => {
                    let Some(id) = one(which) else { continue };
                    if let Ok(approved) = approvals.spend(now, id, &fingerprint(same)) {
                        prop_assert!(same && !closed && !ends.contains_key(&id));
                        let (at, answered) = &answers[&id];
                        prop_assert_eq!(&approved.answered, answered);
                        prop_assert!(latest < *at + limits.use_within);
                        let yes = !matches!(approved.answered.answer, Answer::Deny { .. });
                        prop_assert!(yes);
                    }
                }
                Step::Observe(which, same) => {
                    let Some(id) = one(which) else { continue };
                    let changed = approvals.observe(now, id, &fingerprint(same));
                    prop_assert!(!(same && changed));
                }
                Step::Withdraw(which) => {
                    if let Some(id) = one(which) {
                        approvals.withdraw(now, id);
                        let open = approvals.standing(id);
                        prop_assert!(matches!(open, Some(NotApproved::Ended(_) | NotApproved::Unknown)));
                    }
                }
                Step::Leave(who) => approvals.withdraw_all(now, &actor(&format!("bot{who}"), Role::Agent).id),
                Step::Fail => approvals.fail(now, "lost"),
                Step::Close => {
                    approvals.close(now, "over");
                    closed = true;
                }
            }
            for event in drain(&mut approvals) {
                match event {
                    Event::Asked { id } => prop_assert!(asked_at.contains_key(&id)),
                    Event::Answered { id, answered } => {
                        prop_assert!(!ends.contains_key(&id));
                        prop_assert!(answers.insert(id, (latest, answered)).is_none(), "two answers");
                    }
                    Event::Rule { id, .. } => prop_assert!(answers.contains_key(&id)),
                    Event::Ended { id, end } => {
                        prop_assert_eq!(end.answered(), answers.get(&id).map(|(_, answered)| answered));
                        prop_assert!(ends.insert(id, end).is_none(), "ended twice");
                    }
                }
            }
            prop_assert!(approvals.len() <= limits.room);
            for who in 0..3 {
                let id = format!("bot{who}");
                let theirs = approvals.views(|_| 0).iter().filter(|view| view.actor.as_str() == id).count();
                prop_assert!(theirs <= limits.actor);
            }
            prop_assert_eq!(ids.len(), ends.len() + approvals.len());
            let due = approvals.poll_timeout();
            prop_assert_eq!(due.is_none(), approvals.is_empty());
            prop_assert!(due.is_none_or(|due| due > latest));
        }
        approvals.handle_timeout(latest + limits.wait + limits.use_within);
        for event in drain(&mut approvals) {
            if let Event::Ended { id, end } = event {
                prop_assert!(ends.insert(id, end).is_none());
            }
        }
        prop_assert_eq!(ends.len(), ids.len());
    }
}

/// A question of an agent that people talk to.
fn of_a_session() -> Request {
    let call =
        SessionCall { session: "s".into(), root: "r".into(), call: Some("c".into()), project: "main".into() };
    Request { session: Some(call), always: Some("bash: ls, until it restarts".into()), ..asked("bot") }
}

#[test]
fn what_an_agent_keeps_by_itself_is_answered_by_always_and_makes_no_rule() {
    let (t, mut approvals) = queue();
    let id = approvals.ask(t, of_a_session()).expect("room");
    let view = &approvals.views(|_| 0)[0];
    assert_eq!((view.can_be_always, view.always.as_deref()), (false, Some("bash: ls, until it restarts")));
    assert_eq!(approvals.answer(t, id, &ada(), Answer::AlwaysForOrigin), Err(AnswerError::NotAlways));
    approvals.answer(t, id, &ada(), Answer::Always).expect("open");
    let approved = approvals.spend(t, id, &page("cart")).expect("approved");
    assert_eq!(approved.answered.answer, Answer::Always);
    assert!(!drain(&mut approvals).iter().any(|event| matches!(event, Event::Rule { .. })));
    let other = approvals.ask(t, asked("bot")).expect("room");
    assert_eq!(approvals.answer(t, other, &ada(), Answer::Always), Err(AnswerError::NotAlways));
}

#[test]
fn a_browser_that_ends_takes_only_what_was_asked_about_its_pages() {
    let (t, mut approvals) = queue();
    let (session, act) = (approvals.ask(t, of_a_session()), approvals.ask(t, asked("other")));
    let (session, act) = (session.expect("room"), act.expect("room"));
    approvals.fail(t, "the browser ended");
    assert_eq!(approvals.standing(session), Some(NotApproved::Waiting));
    assert!(matches!(approvals.standing(act), Some(NotApproved::Ended(End::Closed { .. }))));
    approvals.close(t, "the room is stopping");
    assert!(approvals.is_empty());
}
