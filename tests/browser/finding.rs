//! Locators of every kind, on a page that overrides what it can.

use super::{Desk, Hand, at};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_locator_finds_what_playwright_finds() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/find", desk.site)).await;
    let mut wrong = Vec::new();
    for (locator, count) in [
        ("h1, h2", 2),
        ("css=li >> text=Pear", 1),
        ("section .deep", 1),
        ("x-outer button", 1),
        (".s > x-inner > .deep", 1),
        ("xpath=//ul/li", 3),
        ("//li[2]", 1),
        ("getByText('hello world')", 2),
        ("getByText('Hello World', { exact: true })", 1),
        ("getByText(/^Log in$/)", 1),
        ("text=Log in", 2),
        ("text=\"Log in\"", 1),
        ("getByText('Send it')", 1),
        ("getByText('Shadow text')", 1),
        ("getByRole('heading')", 2),
        ("getByRole('heading', { level: 2 })", 1),
        ("getByRole('button', { name: 'before AND' })", 1),
        ("getByRole('button', { name: 'before AND', exact: true })", 0),
        ("getByRole('button', { name: 'Close' })", 1),
        ("getByRole('button', { name: 'Labelled by' })", 1),
        ("getByRole('button', { name: 'Hidden one' })", 0),
        ("getByRole('button', { name: 'Hidden one', includeHidden: true })", 1),
        ("getByRole('button', { name: 'For eyes' })", 0),
        ("getByRole('checkbox', { checked: true })", 1),
        ("getByRole('checkbox', { checked: false })", 1),
        ("getByRole('button', { pressed: true })", 1),
        ("getByRole('button', { expanded: false })", 1),
        ("getByRole('tab', { selected: true })", 1),
        ("role=button[name=\"Close\"]", 1),
        ("role=tab[selected]", 1),
        ("getByLabel('town of birth')", 1),
        ("getByPlaceholder('where')", 1),
        ("getByAltText('A cat')", 1),
        ("getByTitle('Tip')", 1),
        ("getByTestId('mark')", 1),
        ("data-testid=mark", 1),
        ("id=town", 1),
        ("getByRole('listitem').filter({ hasText: 'Apple' }).getByRole('button')", 1),
        ("locator('li', { has: page.getByText('Take') })", 3),
        ("locator('li', { has: page.getByText('Take') }).filter({ visible: true })", 2),
        ("locator('li').filter({ hasNot: page.locator('b'), hasNotText: 'Apple' })", 2),
        ("getByRole('button').and(getByText('Take'))", 2),
        ("getByTestId('mark').or(getByTitle('Tip'))", 2),
        ("locator('li').last()", 1),
        ("locator('li').nth(7)", 0),
        ("li:has-text('apple') button", 1),
        ("li:visible", 2),
        (":nth-match(li button, 2)", 1),
        ("div:text('log in')", 2),
        ("div:text-is('Log in')", 1),
        ("p:not(:has(b))", 2),
        ("li:not(:has-text('Pear'))", 2),
        ("button:text-matches('^tak', 'i')", 3),
        ("frameLocator('#frame').getByRole('button')", 1),
        ("locator('#frame').contentFrame().frameLocator('iframe').getByText('Deep link')", 1),
        ("frameLocator('#nowhere').getByRole('button')", 0),
    ] {
        let found = hand.tab.count(&at(locator)).await;
        match found {
            Ok((found, _)) if found == count => {}
            other => wrong.push(format!("{locator}: {other:?} instead of {count}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for bad in ["div[", "xpath=//[", "li:nth-child(x", "p::before("] {
        if let Ok(locator) = bad.parse() {
            let error = hand.tab.count(&locator).await.expect_err(bad).to_string();
            assert!(error.contains("cannot be used"), "{error}");
        }
    }

    // The code for an element finds that element again, and no other.
    for locator in [
        "#outer",
        "li >> nth=0",
        "li:nth-child(2) button",
        "x-inner button",
        "i",
        "h2",
        "#town",
        "p >> nth=1",
        "div:text-is('Log in')",
        "frameLocator('#frame').getByRole('button')",
        "frameLocator('#frame').frameLocator('iframe').locator('a')",
        "body",
    ] {
        let code = hand
            .tab
            .generate_locator(&at(locator))
            .await
            .unwrap_or_else(|error| panic!("{locator}: {error}"));
        println!("{locator}  →  {code}");
        assert_eq!(hand.tab.count(&at(&code)).await.expect(&code).0, 1, "{code}");
        let again = hand.tab.generate_locator(&at(&code)).await.expect(&code);
        assert_eq!(again, code, "it is the same element");
    }
    let done =
        hand.click("frameLocator('#frame').frameLocator('iframe').locator('a')").await.expect("clicks");
    assert_eq!(
        done.code,
        "locator('#frame').contentFrame().locator('iframe[title=\"Deeper\"]').contentFrame().getByRole('link', { name: 'Deep link' })"
    );
}
