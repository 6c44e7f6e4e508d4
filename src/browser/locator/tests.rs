//! Reading locator expressions.

use super::*;
use proptest::prelude::*;

fn parsed(text: &str) -> Locator {
    text.parse::<Locator>().unwrap_or_else(|error| panic!("{error}"))
}

fn steps(text: &str) -> Value {
    parsed(text).hops().pop().expect("one").get("steps").cloned().expect("steps")
}

fn kinds(text: &str) -> Vec<String> {
    let steps = steps(text);
    let list = steps.as_array().expect("a list").iter();
    list.map(|step| step["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[test]
fn refs_selectors_and_expressions_are_told_apart() {
    assert_eq!(parsed("e5").hops(), [json!({ "ref": "e5" })]);
    assert_eq!((parsed("f2e5").frame(), parsed("f2e5").bare_reference()), (2, Some("e5")));
    assert_eq!(kinds("em"), ["css"]);
    assert_eq!(kinds("form"), ["css"]);
    assert_eq!(kinds("//a[1]"), ["xpath"]);
    assert_eq!(kinds("locator-card > b"), ["css"]);
    assert_eq!(kinds("css=form >> text=Save >> nth=-1"), ["css", "text", "nth"]);
    assert_eq!(steps("text=\"Log in\"")[0]["text"]["strict"], true);
    assert_eq!(steps("text=don't >> visible=true")[0]["text"]["text"], "don't");
    assert_eq!(steps("data-testid=a")[0]["attribute"], "data-testid");
    let role = steps("role=button[name=\"Save [it]\"i][pressed=mixed][level=2]");
    assert_eq!(role[0]["name"], json!({ "text": "Save [it]", "exact": false }));
    assert_eq!(role[0]["states"], json!({ "pressed": "mixed", "level": 2 }));
}

#[test]
fn expressions_are_read_as_playwright_writes_them() {
    let role = steps(
        r#"await page.getByRole("Button", { name: 'Save "it"', exact: true, expanded: false }).nth(-2);"#,
    );
    assert_eq!(role[0]["name"], json!({ "text": "Save \"it\"", "exact": true }));
    assert_eq!(role[0]["states"], json!({ "expanded": false }));
    assert_eq!(role[1], json!({ "kind": "nth", "nth": -2 }));
    assert_eq!(steps("getByText(/a\\/[/]b/gi)")[0]["text"], json!({ "regex": "a\\/[/]b", "flags": "i" }));
    assert_eq!(steps("getByTestId('x')")[0]["text"]["exact"], true);
    let list = steps(
        "locator('li').filter({ has: page.getByText('x').first(), hasNotText: /y/ }).or(getByLabel('z'))",
    );
    assert_eq!(list[1]["has"].as_array().map(Vec::len), Some(2));
    assert_eq!(list[2]["other"][0]["kind"], "label");
    let framed = parsed("page.frameLocator('#a').locator('iframe').contentFrame().getByRole('link')");
    assert_eq!(framed.hops().len(), 3);
    assert_eq!(parsed("frameLocator('#a').owner()").hops().len(), 1);
}

#[test]
fn playwrights_pseudo_classes_are_taken_out_of_the_css() {
    let css = steps(
        "article:has(h2:text-is('A, b')) > button:not(:has-text(\"x\"), .y):visible, :nth-match(a.b, 3)",
    );
    assert_eq!(css[0]["own"], true);
    let first = &css[0]["list"][0];
    assert_eq!(first["combinators"], json!([">"]));
    assert_eq!(first["parts"][0]["pseudos"][0]["list"][0]["parts"][0]["css"], "h2");
    assert_eq!(first["parts"][1]["css"], "button");
    assert_eq!(first["parts"][1]["pseudos"][1]["name"], "visible");
    assert_eq!(css[0]["list"][1]["parts"][0]["pseudos"][0]["nth"], 3);
    let native = steps("a[href*=\">> x\"]:nth-child(2n + 1):not(.b) ~ i\\:c::before");
    assert_eq!(native[0]["own"], false);
    assert_eq!(native[0]["list"][0]["parts"][0]["css"], "a[href*=\">> x\"]:nth-child(2n + 1):not(.b)");
}

#[test]
fn what_cannot_be_read_says_why_and_what_was_meant() {
    for (bad, why) in [
        ("", "empty"),
        ("getByRole(", "missing"),
        ("getByRole()", "needs a role"),
        ("getByText('x'", "')' is missing"),
        ("getByRole('a').click()", "Leave it out"),
        ("getByFoo('x')", "there are getByRole"),
        ("getByrole('x')", "did you mean getByRole()?"),
        ("get_by_role('x')", "did you mean getByRole()?"),
        ("getByText('x)", "closing ' is missing"),
        ("getByRole('a', { nam: 'x' })", "no option nam"),
        ("getByText('x', { foo: 1 })", "no option foo"),
        ("getByText(3)", "needs a text"),
        ("locator('a').filter({})", "filter needs"),
        ("frameLocator('a')", "no element"),
        ("a >> ", "missing beside"),
        ("a >", "missing"),
        ("a[b", "not closed"),
        ("_react=x", "no selector engine"),
        ("div:left-of(a)", "not known here"),
        ("getByText('a') getByText('b')", "not expected"),
    ] {
        let error = bad.parse::<Locator>().expect_err(bad).to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
    assert!("x".repeat(LONGEST + 1).parse::<Locator>().is_err());
    assert!(format!("{}a{}", ":not(".repeat(600), ")".repeat(600)).parse::<Locator>().is_err());
    assert!(format!("{}'a'", "locator(".repeat(400)).parse::<Locator>().is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(getByRole|locator|getByText|f1e|page\\.|role=|css=|text=)?[ -~é]{0,40}") {
        let _ = text.parse::<Locator>();
    }

    #[test]
    fn every_text_can_be_looked_for(text in "[ -~é]{1,30}") {
        let quoted = text.replace('\\', "\\\\").replace('\'', "\\'");
        let found = steps(&format!("page.getByText('{quoted}').first()"));
        prop_assert_eq!(&found[0]["text"]["text"], &Value::from(text));
    }

    #[test]
    fn simple_selectors_stay_whole(tag in "[a-z]{1,5}", class in "[a-z]{1,5}", nth in 1u32..9) {
        let css = format!("{tag}.{class}:nth-child({nth}) > {tag}#x");
        let found = steps(&css);
        prop_assert_eq!(&found[0]["css"], &Value::from(css));
        prop_assert_eq!(&found[0]["list"][0]["parts"][0]["css"], &Value::from(format!("{tag}.{class}:nth-child({nth})")));
    }
}
