//! The floor, stepped with made-up time.

use super::lease::MOST_REQUESTS;
use super::*;
use crate::base::Role;
use crate::floor::Preempted;
use proptest::prelude::*;

const SETTLE: Duration = Duration::from_millis(1500);

fn actor(id: &str, role: Role) -> Actor {
    Actor { id: ActorId::new(id).expect("id"), name: id.to_owned(), role, colour: None }
}

fn granted(grant: Grant) -> FloorPermit {
    match grant {
        Grant::Now(permit) => permit,
        Grant::Wait { .. } => panic!("the agent was told to wait"),
    }
}

#[test]
fn a_viewer_is_refused() {
    let mut floor = Floor::new(SETTLE);
    let refusal = floor.handle_person(Instant::now(), &actor("v", Role::Viewer), Touch::Move);
    assert_eq!(refusal.err(), Some(Refusal::MayOnlyWatch { role: "viewer" }));
}

#[test]
fn a_press_preempts_the_agent_at_once_and_a_move_does_not() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let permit = granted(floor.handle_agent(t, &bot).expect("may"));
    let _ = floor.handle_person(t, &ada, Touch::Move).expect("may");
    assert_eq!(permit.check(), Ok(()));
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
    assert_eq!(permit.check(), Err(Preempted));
}

#[test]
fn an_agent_waits_until_the_person_was_still_for_the_settle_time() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let _ = floor.handle_person(t, &ada, Touch::Momentary).expect("may");
    let Grant::Wait { until, holder, .. } = floor.handle_agent(t, &bot).expect("may") else {
        panic!("granted at once")
    };
    assert_eq!((until, holder.as_str()), (Some(t + SETTLE), "ada"));
    granted(floor.handle_agent(t + SETTLE, &bot).expect("may")).check().expect("fresh");
}

#[test]
fn a_held_button_keeps_the_floor_and_a_forgotten_one_does_not_for_ever() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
    let later = t + Duration::from_secs(30);
    assert!(matches!(floor.handle_agent(later, &bot), Ok(Grant::Wait { .. })));
    assert!(matches!(floor.handle_agent(t + LONGEST_HOLD + SETTLE, &bot), Ok(Grant::Now(_))));
}

#[test]
fn whoever_leaves_holds_nothing() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
    floor.handle_gone(t, &ada.id);
    granted(floor.handle_agent(t + SETTLE, &bot).expect("may")).check().expect("fresh");
}

#[test]
fn a_permit_that_is_dropped_is_given_back() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let bot = actor("bot", Role::Agent);
    let permit = granted(floor.handle_agent(t, &bot).expect("may"));
    assert!(matches!(floor.holder(t), Holder::Agent { .. }));
    drop(permit);
    assert_eq!(floor.holder(t), Holder::Nobody);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Person(usize, u8),
    Agent(usize),
    Done,
    Gone(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4000u64).prop_map(Step::Wait),
        (0..2usize, 0..5u8).prop_map(|(who, what)| Step::Person(who, what)),
        (0..2usize).prop_map(Step::Agent),
        Just(Step::Done),
        (0..2usize).prop_map(Step::Gone),
    ]
}

proptest! {
    #[test]
    fn no_agent_permit_survives_a_persons_act_and_every_wait_ends(steps in prop::collection::vec(step(), 1..80)) {
        let people = [actor("ada", Role::Controller), actor("bob", Role::Admin)];
        let bots = [actor("x", Role::Agent), actor("y", Role::Agent)];
        let (mut now, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let mut permits: Vec<FloorPermit> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Person(who, what) => {
                    let touch = match what {
                        0 => Touch::Move,
                        1 => Touch::Press(7),
                        2 => Touch::Release(7),
                        3 => Touch::Momentary,
                        _ => Touch::ReleaseAll,
                    };
                    let permit = floor.handle_person(now, &people[who], touch).expect("may act");
                    prop_assert_eq!(permit.check(), Ok(()));
                    if matches!(touch, Touch::Press(_) | Touch::Momentary) {
                        prop_assert!(permits.iter().all(|permit| permit.check().is_err()));
                        let held = matches!(floor.holder(now), Holder::Person { .. });
                        prop_assert!(held);
                    }
                }
                Step::Agent(who) => match floor.handle_agent(now, &bots[who]).expect("may act") {
                    Grant::Now(permit) => {
                        let person_holds = matches!(floor.holder(now), Holder::Person { .. });
                        prop_assert!(!person_holds);
                        permits.push(permit);
                    }
                    Grant::Wait { until, .. } => {
                        prop_assert!(until.is_some_and(|until| until > now && until <= now + SETTLE));
                    }
                },
                Step::Done => {
                    if let Some(permit) = permits.pop() {
                        floor.handle_done(now, permit);
                    }
                }
                Step::Gone(who) => floor.handle_gone(now, &people[who].id),
            }
        }
        now += LONGEST_HOLD + SETTLE;
        prop_assert!(matches!(floor.handle_agent(now, &bots[0]), Ok(Grant::Now(_))));
    }
}

fn taken(floor: &Floor) -> Option<&str> {
    floor.takeover().map(|(actor, _)| actor.name.as_str())
}

fn events(floor: &mut Floor) -> Vec<String> {
    std::iter::from_fn(|| floor.poll_event()).map(|event| format!("{event:?}")).collect()
}

#[test]
fn a_takeover_refuses_agents_until_the_hand_back_and_stops_what_is_under_way() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let permit = granted(floor.handle_agent(t, &bot).expect("may"));
    floor.handle_takeover(t, &ada).expect("may");
    assert_eq!(permit.check(), Err(Preempted));
    let later = t + Duration::from_secs(40);
    let refusal = floor.handle_agent(later, &bot).expect_err("taken");
    assert_eq!(refusal, Refusal::TakenOver { by: "ada".into(), since: Duration::from_secs(40) });
    assert_eq!(floor.poll_timeout(later), None, "it does not end by itself while she is here");
    floor.handle_request(later, &actor("bob", Role::Controller)).expect("may ask");
    assert_eq!(floor.requests().count(), 1);
    floor.handle_hand_back(later, &ada, " logged in\u{7} ").expect("hers");
    granted(floor.handle_agent(later, &bot).expect("may")).check().expect("at once");
    assert_eq!((floor.hand_backs(), floor.requests().count()), (1, 0));
    let told = events(&mut floor).join("\n");
    assert!(told.contains("TookOver") && told.contains("\"logged in\"") && told.contains("40s"), "{told}");
    assert_eq!(floor.handle_hand_back(later, &ada, ""), Err(Refusal::NothingToGive));
}

#[test]
fn of_two_takeovers_at_once_the_first_stands_and_an_admin_may_take_it_from_a_controller() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bob, root) =
        (actor("ada", Role::Controller), actor("bob", Role::Controller), actor("root", Role::Admin));
    floor.handle_takeover(t, &ada).expect("may");
    assert!(matches!(floor.handle_takeover(t, &bob), Err(Refusal::TakenOver { by, .. }) if by == "ada"));
    let hers = floor.handle_person(t, &ada, Touch::Press(0)).expect("hers");
    assert!(matches!(floor.handle_person(t, &bob, Touch::Press(0)), Err(Refusal::TakenOver { .. })));
    floor.handle_takeover(t, &root).expect("an admin");
    assert_eq!((taken(&floor), hers.check()), (Some("root"), Err(Preempted)));
    assert!(events(&mut floor).iter().any(|event| event.starts_with("Release")), "her button comes up");
    assert!(matches!(floor.handle_takeover(t, &ada), Err(Refusal::TakenOver { by, .. }) if by == "root"));
    assert_eq!(floor.handle_hand_back(t, &ada, ""), Err(Refusal::NotYours { holder: "root".into() }));
    assert_eq!(floor.handle_takeover(t, &actor("bot", Role::Agent)), Err(Refusal::OnlyPeople));
    let viewer = floor.handle_takeover(t, &actor("v", Role::Viewer));
    assert_eq!(viewer, Err(Refusal::MayOnlyWatch { role: "viewer" }));
}

#[test]
fn whoever_took_over_and_left_may_come_back_for_a_while_and_then_it_is_handed_back() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let ada = actor("ada", Role::Controller);
    floor.handle_takeover(t, &ada).expect("may");
    floor.handle_gone(t, &ada.id);
    assert_eq!(floor.poll_timeout(t), Some(t + GRACE));
    floor.handle_here(&ada.id);
    floor.handle_timeout(t + GRACE * 2);
    assert_eq!(taken(&floor), Some("ada"));
    floor.handle_gone(t + GRACE * 2, &ada.id);
    floor.handle_timeout(t + GRACE * 3);
    assert_eq!(taken(&floor), None);
    assert!(events(&mut floor).last().is_some_and(|event| event.contains("left: true")));
}

#[test]
fn turns_go_to_people_first_and_an_agent_gives_way_at_once() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE).in_mode(Mode::Turns));
    let (ada, bob) = (actor("ada", Role::Controller), actor("bob", Role::Controller));
    let (x, y) = (actor("x", Role::Agent), actor("y", Role::Agent));
    let first = granted(floor.handle_agent(t, &x).expect("free"));
    assert!(matches!(floor.handle_agent(t, &y), Ok(Grant::Wait { holder, .. }) if holder == "x"));
    let press = floor.handle_person(t, &ada, Touch::Press(1));
    assert_eq!(press.expect_err("x has it"), Refusal::NotYourTurn { holder: "x".into() });
    floor.handle_request(t, &y).expect("may ask");
    floor.handle_request(t, &ada).expect("may ask");
    assert_eq!(first.check(), Err(Preempted), "an agent gives way to a person");
    drop(first);
    floor.handle_request(t, &bob).expect("may ask");
    assert_eq!(floor.requests().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["bob", "y"]);
    let mut his = floor.handle_person(t, &ada, Touch::Press(1)).expect("her turn");
    floor.handle_give(t, &ada, &bob).expect("hers to give");
    assert_eq!(his.check(), Err(Preempted));
    his = floor.handle_person(t, &bob, Touch::Momentary).expect("his turn");
    his.check().expect("his turn");
    // Unused, it passes on; at last it is free.
    floor.handle_timeout(t + IDLE);
    assert!(matches!(floor.holder(t + IDLE), Holder::Agent { name, .. } if name == "y"));
    floor.handle_timeout(t + IDLE * 2);
    assert_eq!(floor.holder(t + IDLE * 2), Holder::Nobody);
}

#[test]
fn in_watch_people_look_and_in_hands_off_agents_do() {
    let (t, ada, bot) = (Instant::now(), actor("ada", Role::Controller), actor("bot", Role::Agent));
    let mut floor = Floor::new(SETTLE).in_mode(Mode::Watch);
    assert_eq!(floor.handle_person(t, &ada, Touch::Press(1)).err(), Some(Refusal::OnlyLook));
    assert!(matches!(floor.handle_agent(t, &bot), Ok(Grant::Now(_))));
    floor.handle_takeover(t, &ada).expect("a person can always take over");
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("hers");
    floor.handle_hand_back(t, &ada, "").expect("hers");
    floor.handle_mode(&ada, Mode::HandsOff).expect("may");
    assert_eq!(floor.handle_agent(t, &bot).err(), Some(Refusal::HandsOff));
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
    assert_eq!(floor.handle_mode(&bot, Mode::Together), Err(Refusal::OnlyPeople));
}

#[test]
fn a_clock_that_goes_back_neither_panics_nor_locks_anybody_out() {
    let t = Instant::now() + Duration::from_secs(3600);
    let mut floor = Floor::new(SETTLE);
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let _ = floor.handle_person(t, &ada, Touch::Momentary).expect("may");
    let earlier = t - Duration::from_secs(1800);
    let _ = floor.handle_person(earlier, &ada, Touch::Press(3)).expect("may");
    let _ = floor.handle_person(earlier, &ada, Touch::Release(3)).expect("may");
    floor.handle_takeover(earlier, &ada).expect("may");
    floor.handle_hand_back(earlier - Duration::from_secs(5), &ada, "").expect("hers");
    granted(floor.handle_agent(earlier, &bot).expect("may")).check().expect("fresh");
}

#[test]
fn a_clock_that_leaps_ahead_ends_what_was_due_once_and_takes_nothing_from_who_is_there() {
    let (t, day) = (Instant::now(), Duration::from_secs(86_400));
    let mut floor = Floor::new(SETTLE).in_mode(Mode::Turns).with_idle(IDLE);
    let (ada, bob) = (actor("ada", Role::Controller), actor("bob", Role::Controller));
    let (x, y) = (actor("x", Role::Agent), actor("y", Role::Agent));
    // A turn that the leap left unused is over, once, and goes to the one who asks.
    drop(granted(floor.handle_agent(t, &x).expect("free")));
    floor.handle_request(t, &y).expect("may ask");
    floor.handle_timeout(t + day);
    assert!(matches!(floor.holder(t + day), Holder::Agent { name, .. } if name == "y"));
    floor.handle_timeout(t + day);
    assert!(
        matches!(floor.holder(t + day), Holder::Agent { name, .. } if name == "y"),
        "it begins with the leap"
    );
    // A takeover has no end by the clock as long as its holder is there.
    floor.handle_here(&ada.id);
    floor.handle_takeover(t + day, &ada).expect("may");
    floor.handle_timeout(t + day * 2);
    assert_eq!(taken(&floor), Some("ada"));
    assert!(floor.handle_takeover(t + day * 2, &bob).is_err());
    assert!(floor.handle_agent(t + day * 2, &x).is_err());
    // Once she has left, the leap is longer than anybody waits; nobody is locked out, at an earlier time neither.
    floor.handle_gone(t + day * 2, &ada.id);
    floor.handle_timeout(t + day * 3);
    assert_eq!(taken(&floor), None);
    let handed_back = events(&mut floor).iter().filter(|event| event.starts_with("HandedBack")).count();
    assert_eq!(handed_back, 1);
    let _ = floor.handle_person(t, &bob, Touch::Momentary);
    floor.handle_timeout(t);
    let until = floor.poll_timeout(t);
    assert!(until.is_none_or(|until| until <= t + day * 4), "{until:?}");
}

#[derive(Clone, Debug)]
enum Move {
    Wait(u64),
    /// The clock jumps back.
    Back(u64),
    Touch(usize, u8),
    Act(usize),
    Done,
    TakeOver(usize),
    HandBack(usize),
    Request(usize),
    Give(usize, usize),
    Mode(usize, usize),
    Gone(usize),
    Here(usize),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (0..90_000u64).prop_map(Move::Wait),
        (0..3000u64).prop_map(Move::Wait),
        (0..200_000u64).prop_map(Move::Back),
        (0..3usize, 0..5u8).prop_map(|(who, what)| Move::Touch(who, what)),
        (0..3usize, 0..5u8).prop_map(|(who, what)| Move::Touch(who, what)),
        (3..5usize).prop_map(Move::Act),
        Just(Move::Done),
        (0..5usize).prop_map(Move::TakeOver),
        (0..5usize).prop_map(Move::HandBack),
        (0..5usize).prop_map(Move::Request),
        (0..5usize, 0..5usize).prop_map(|(by, to)| Move::Give(by, to)),
        (0..5usize, 0..4usize).prop_map(|(by, mode)| Move::Mode(by, mode)),
        (0..5usize).prop_map(Move::Gone),
        (0..5usize).prop_map(Move::Here),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn never_two_holders_never_an_act_after_a_takeover_no_lost_hand_back_and_every_wait_ends(
        moves in prop::collection::vec(any_move(), 1..120)
    ) {
        let all = [
            actor("ada", Role::Controller), actor("bob", Role::Controller), actor("root", Role::Admin),
            actor("x", Role::Agent), actor("y", Role::Agent),
        ];
        // Far enough on that the clock can go back.
        let mut now = Instant::now() + Duration::from_secs(100_000);
        let (mut latest, mut floor) = (now, Floor::new(SETTLE));
        let mut permits: Vec<FloorPermit> = Vec::new();
        let mut taken_over = false;
        for each in moves {
            match each {
                Move::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    floor.handle_timeout(now);
                }
                Move::Back(ms) => {
                    now -= Duration::from_millis(ms);
                    floor.handle_timeout(now);
                }
                Move::Touch(who, what) => {
                    let touch = match what {
                        0 => Touch::Move,
                        1 => Touch::Press(7),
                        2 => Touch::Release(7),
                        3 => Touch::Momentary,
                        _ => Touch::ReleaseAll,
                    };
                    if let Ok(permit) = floor.handle_person(now, &all[who], touch) {
                        prop_assert_eq!(permit.check(), Ok(()));
                        permits.push(permit);
                    }
                }
                Move::Act(who) => {
                    if let Ok(Grant::Now(permit)) = floor.handle_agent(now, &all[who]) {
                        prop_assert_eq!(permit.check(), Ok(()));
                        permits.push(permit);
                    }
                }
                Move::Done => drop(permits.pop()),
                Move::TakeOver(who) => drop(floor.handle_takeover(now, &all[who])),
                Move::HandBack(who) => drop(floor.handle_hand_back(now, &all[who], "note")),
                Move::Request(who) => drop(floor.handle_request(now, &all[who])),
                Move::Give(by, to) => drop(floor.handle_give(now, &all[by], &all[to])),
                Move::Mode(by, mode) => drop(floor.handle_mode(&all[by], Mode::ALL[mode])),
                Move::Gone(who) => floor.handle_gone(now, &all[who].id),
                Move::Here(who) => floor.handle_here(&all[who].id),
            }
            latest = latest.max(now);
            // What somebody holds under a mode or another's lease that forbids it has been released.
            for (id, _) in floor.held.iter() {
                let may = match floor.lease() {
                    Some(lease) => lease.actor.id == *id,
                    None => floor.mode() != Mode::Watch,
                };
                prop_assert!(may, "{:?} still holds something in {:?}", id, floor.mode());
            }
            // Nobody asks twice, nobody asks for what they have, and people come before agents.
            let asking: Vec<_> = floor.requests().map(|one| (one.kind() == ActorKind::Agent, one.id.clone())).collect();
            prop_assert!(asking.is_sorted_by_key(|(agent, _)| *agent));
            for (at, (_, id)) in asking.iter().enumerate() {
                prop_assert!(asking[..at].iter().all(|(_, other)| other != id));
                prop_assert!(floor.lease().is_none_or(|lease| lease.actor.id != *id));
            }
            // Whoever has the floor for themselves is the only one whose permits are good.
            let alone = floor.takeover().map(|(actor, _)| actor.id.clone());
            if let Some(alone) = &alone {
                for permit in permits.iter().filter(|permit| permit.check().is_ok()) {
                    prop_assert_eq!(permit.actor(), alone);
                }
                let is_holder = matches!(floor.holder(now), Holder::Person { id, .. } if id == *alone);
                prop_assert!(is_holder);
            }
            let fresh = |permit: &&FloorPermit| permit.check().is_ok();
            match floor.mode() {
                Mode::HandsOff => prop_assert!(
                    !permits.iter().filter(fresh).any(|permit| permit.kind() == ActorKind::Agent)
                ),
                Mode::Turns => {
                    let mut agents: Vec<_> = permits.iter().filter(fresh)
                        .filter(|permit| permit.kind() == ActorKind::Agent).map(FloorPermit::actor).collect();
                    agents.dedup();
                    prop_assert!(agents.len() <= 1, "two agents in one turn: {:?}", agents);
                }
                Mode::Together | Mode::Watch => {}
            }
            // What ends a takeover is told, once.
            while let Some(event) = floor.poll_event() {
                match event {
                    FloorEvent::TookOver { .. } => taken_over = true,
                    FloorEvent::HandedBack { .. } => taken_over = false,
                    FloorEvent::Release(permit) => prop_assert_eq!(permit.check(), Ok(())),
                    _ => {}
                }
            }
            prop_assert_eq!(taken_over, alone.is_some());
            prop_assert!(floor.requests().count() <= MOST_REQUESTS);
        }
        // Everybody leaves: whatever waits ends, within known times of the latest that the clock has shown.
        permits.clear();
        now = latest;
        for each in &all {
            floor.handle_gone(now, &each.id);
        }
        for _ in 0..8 {
            let Some(at) = floor.poll_timeout(now) else { break };
            prop_assert!(at <= now + LONGEST_HOLD + IDLE + GRACE);
            now = at.max(now);
            floor.handle_timeout(now);
        }
        prop_assert!(floor.takeover().is_none());
        let asked = floor.handle_agent(now + LONGEST_HOLD + SETTLE, &all[3]);
        match floor.mode() {
            Mode::HandsOff => prop_assert_eq!(asked.err(), Some(Refusal::HandsOff)),
            _ => prop_assert!(matches!(asked, Ok(Grant::Now(_)))),
        }
    }
}

#[tokio::test]
async fn whoever_preempts_waits_for_what_is_on_its_way_and_nothing_follows_it() {
    let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
    let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
    let permit = granted(floor.handle_agent(t, &bot).expect("may"));
    assert!(floor.agents_on_the_way().is_none());
    let sent = permit.begin().expect("fresh");
    let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
    permit.preempted().await;
    assert_eq!(permit.begin().err(), Some(Preempted));
    let ended = tokio::spawn(floor.agents_on_the_way().expect("one is on its way"));
    drop(sent);
    ended.await.expect("it ends with the last");
    assert!(floor.agents_on_the_way().is_none());
}
