//! Outlines of pages of every kind: short, stable, and told by their differences.

use std::time::Instant;

use tandem::browser::{ActError, Layout, SnapshotScope};

use super::{Desk, Hand, at, ref_of};

/// Bytes that Playwright MCP 0.0.83 takes for the same pages, for comparison.
const THEIRS: &[(&str, usize)] =
    &[("acts", 859), ("form", 1221), ("app", 1243), ("table", 274_549), ("mail", 81_721), ("shop", 126_730)];

#[tokio::test(flavor = "multi_thread")]
async fn outlines_are_short_and_differences_shorter() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/form", desk.site)).await;
    let mut shares = Vec::new();
    for (name, theirs) in THEIRS {
        hand.go(&format!("{}/{name}", desk.site)).await;
        let lap = Instant::now();
        let whole = hand.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot");
        let took = lap.elapsed();
        let (all, _) = whole.outline.write(&Layout::default());
        let share = |text: &str| text.len() as f64 / *theirs as f64;
        println!(
            "{name}: {} bytes, {:.2} of {theirs} ({:.2} without a limit), {took:?}",
            whole.yaml.len(),
            share(&whole.yaml),
            share(&all)
        );
        if let Ok(folder) = std::env::var("TANDEM_TEST_OUTLINES") {
            std::fs::write(format!("{folder}/{name}.yaml"), &all).expect("writes");
        }
        let large = *theirs > 10_000;
        shares.push((*name, share(&all), share(&whole.yaml), large));
        if large {
            let (cut, was_cut) = whole.outline.write(&Layout { budget: 16_000, ..Layout::default() });
            assert!(was_cut && cut.len() < theirs / 4 && cut.len() > 8000, "{} bytes", cut.len());
            assert!(cut.contains("more ") && cut.contains("ask with target"), "{cut}");
        }
    }

    for (name, all, limited, large) in shares {
        // On small pages more is shown than there: icons, fields' types.
        assert!(all <= if large { 0.55 } else { 0.9 }, "{name}: {all}");
        assert!(limited <= if large { 0.25 } else { 0.9 }, "{name}: {limited}");
    }

    // After an act only what changed is told.
    for (page, act, told) in [
        ("table", "getByRole('row', { name: '10003' }).getByText('Delete')", "499 orders"),
        ("shop", "locator('.card').nth(5).getByRole('button')", "Added"),
        ("mail", "getByRole('listitem').nth(3).getByLabel('Archive')", "- "),
        ("app", "getByLabel('Move Prove the lemma')", "Prove the lemma"),
        ("form", "getByLabel('Team')", "radio \"Team\" [checked]"),
    ] {
        hand.go(&format!("{}/{page}", desk.site)).await;
        let old = hand.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot");
        hand.click(act).await.unwrap_or_else(|error| panic!("{error}"));
        let new = hand.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot");
        let delta = new.outline.diff(&old.outline);
        assert_eq!(delta.apply(&old.outline), new.outline);
        println!("{page}: {} of {} bytes\n{}", delta.text().len(), new.yaml.len(), delta.text());
        assert!(delta.text().contains(told), "{}", delta.text());
        assert!(delta.text().len() * 3 <= new.yaml.len(), "{}", delta.text());
    }

    // What is drawn anew keeps its refs; what is left out can be asked for.
    hand.go(&format!("{}/app", desk.site)).await;
    let before = hand.outline().await;
    let list = ref_of(&before, "tab \"List\"");
    hand.click(&list).await.expect("draws everything anew");
    let after = hand.outline().await;
    for line in
        ["button \"Move Write the paper\"", "tab \"Board\"", "textbox \"New task\"", "region \"Doing\""]
    {
        assert_eq!(ref_of(&before, line), ref_of(&after, line), "{after}");
    }
    hand.click(&ref_of(&before, "button \"Move Read the review\"")).await.expect("an old ref is good");

    hand.go(&format!("{}/table", desk.site)).await;
    let small = SnapshotScope { budget: Some(3000), ..SnapshotScope::default() };
    let cut = hand.tab.snapshot(&small).await.expect("a snapshot").yaml;
    let line = cut.lines().find(|line| line.contains("ask with target")).expect("an omission").to_owned();
    let mut words = line.rsplit(' ');
    let from: usize = words.next().expect("from").parse().expect("a number");
    let target = words.nth(1).expect("a ref");
    let rest =
        SnapshotScope { below: Some(at(target)), from, budget: Some(3000), ..SnapshotScope::default() };
    let rest = hand.tab.snapshot(&rest).await.expect("a part").yaml;
    assert!(rest.contains(&format!("link \"{}\"", 10_000 + from)), "{line}\n{rest}");
    let found = hand.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot");
    let found = found.find_pattern("/ORDERS\\/?10077/i").map(|found| found.count);
    assert_eq!(found.expect("a pattern"), 1);
    let boxes = SnapshotScope { boxes: true, depth: Some(1), ..SnapshotScope::default() };
    let boxes = hand.tab.snapshot(&boxes).await.expect("a snapshot").yaml;
    assert!(boxes.contains("[box=") && boxes.contains("lines inside"), "{boxes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_ref_says_what_it_was_and_what_is_called_so_now() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/able", desk.site)).await;
    let outline = hand.outline().await;
    let same = ref_of(&outline, "button \"Same\"");
    hand.click("#again").await.expect("draws anew");
    match hand.click(&same).await {
        Err(ActError::NoSuchRef(stale)) => {
            assert_eq!(stale.was, Some(("button".into(), "Same".into())));
            let now = stale.now.clone().expect("one is called so");
            hand.click(&now).await.expect("it can be clicked");
            assert!(ActError::NoSuchRef(stale).to_string().contains(&format!("now is {now}: use that")));
        }
        other => panic!("{other:?}"),
    }
    // Also on the next page.
    let seen = ref_of(&outline, "button \"Seen\"");
    hand.go(&format!("{}/able", desk.site)).await;
    let error = hand.click(&seen).await.expect_err("another document");
    assert!(matches!(&error, ActError::NoSuchRef(stale) if stale.now.is_some()), "{error}");
    hand.go(&format!("{}/other", desk.site)).await;
    let error = hand.click(&seen).await.expect_err("another page").to_string();
    assert!(error.contains("It was button \"Seen\", which is no longer on the page"), "{error}");
}
