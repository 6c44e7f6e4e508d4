//! A value that the agent does not know goes into its field and nowhere else.

use tandem::base::Redacted;
use tandem::browser::{ActError, Given, SecretFit, SecretPlace};

use super::{Desk, Hand, at};

const VALUE: &str = "hunter22-xyzzy";
const FIELDS: &str = r#"() => {
  document.body.innerHTML = `
    <input id=password type=password> <input id=text> <input id=code autocomplete=one-time-code>
    <input id=number type=number> <input id=mail type=email> <textarea id=area></textarea>
    <div id=free contenteditable>free</div> <input id=fickle type=password> <input id=runaway type=password>
    <input id=removed type=password>
    <iframe id=sandboxed sandbox="allow-scripts" srcdoc="<input id=inside type=password>"></iframe>`;
  window.heard = [];
  for (const name of ['input', 'change']) document.addEventListener(name, (e) => heard.push(e.target.id + ' ' + name));
  fickle.onfocus = () => { fickle.type = 'text'; };
  removed.onfocus = () => { removed.remove(); };
  // What a page may do to learn what is set; the script's world has its own.
  Object.defineProperty(HTMLInputElement.prototype, 'type', { get: () => 'password' });
  window.origin = 'https://shop.example';
  return true;
}"#;

fn why(result: Result<tandem::browser::Done, ActError>) -> String {
    result.expect_err("refused").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_only_in_the_document_and_field_that_were_looked_at() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/other", desk.site)).await;
    assert_eq!(hand.js(FIELDS).await, true);
    let given = |fit: SecretFit| {
        move |place: &SecretPlace| {
            assert!(place.fits.contains(&fit), "{place:?}");
            Ok((Redacted::new(VALUE.to_owned()), fit)) as Given
        }
    };
    let fill = async |target: &str, fit: SecretFit| {
        let give = given(fit);
        hand.acting(3000)
            .fill_secret(&at(target), browser.guard(), async |place: &SecretPlace| give(place))
            .await
    };
    fill("#password", SecretFit::Password).await.expect("filled");
    assert_eq!(hand.js("() => document.querySelector('#password').value").await, VALUE);
    assert_eq!(hand.js("() => heard.join()").await, "password input,password change");
    assert!(browser.privacy().is_sealed(hand.tab.target()), "nobody reads fields here now");
    fill("#text", SecretFit::Line).await.expect("filled");
    fill("#code", SecretFit::Code).await.expect("filled");

    // Which fields fit what is told before anything is given, and the origin as the browser has it.
    for (target, fits) in [
        ("#area", vec![]),
        ("#free", vec![]),
        ("#mail", vec![SecretFit::Line]),
        ("#text", vec![SecretFit::Line, SecretFit::Code]),
        ("#password", vec![SecretFit::Password]),
    ] {
        let mut seen = None;
        let refuse = async |place: &SecretPlace| {
            seen = Some(place.clone());
            Err("no".to_owned()) as Given
        };
        assert_eq!(why(hand.acting(3000).fill_secret(&at(target), browser.guard(), refuse).await), "no");
        let seen = seen.expect("asked");
        assert_eq!((seen.origin.as_str(), seen.fits), (desk.site.as_str(), fits), "{target}");
    }
    let mut origin = String::new();
    let refuse = async |place: &SecretPlace| {
        origin.clone_from(&place.origin);
        Err("no".to_owned()) as Given
    };
    let inside = at("locator('#sandboxed').contentFrame().locator('#inside')");
    why(hand.acting(5000).fill_secret(&inside, browser.guard(), refuse).await);
    assert_eq!(origin, "null", "a sandboxed frame has no origin");

    // What changes when it gets the focus.
    assert!(why(fill("#fickle", SecretFit::Password).await).contains("became an input of type text"));
    assert!(why(fill("#removed", SecretFit::Password).await).contains("removed"));
    assert!(why(fill("#number", SecretFit::Line).await).contains("does not take"));
    let left =
        "() => ['fickle', 'number', 'runaway'].map((id) => document.getElementById(id).value).join('')";
    assert_eq!(hand.js(left).await, "");

    // A page that went elsewhere between the look and the value.
    for elsewhere in [format!("{}/form", desk.site), desk.site.replace("127.0.0.1", "localhost") + "/form"] {
        let give = async |_: &SecretPlace| {
            hand.go(&elsewhere).await;
            hand.js("() => { document.body.innerHTML = '<input id=runaway type=password>'; return 1; }")
                .await;
            Ok((Redacted::new(VALUE.to_owned()), SecretFit::Password)) as Given
        };
        let refused = why(hand.acting(9000).fill_secret(&at("#runaway"), browser.guard(), give).await);
        assert!(refused.contains("went elsewhere") || refused.contains("removed"), "{refused}");
        assert_eq!(hand.js("() => document.querySelector('#runaway').value").await, "");
    }
}
