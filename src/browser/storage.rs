//! Cookies and the storage of origins: to read, to set, to carry elsewhere.
//! Values are secrets of people: nothing here logs or prints them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::CdpClient;
use super::fault::ActError;
use super::frames::read;
use super::hidden::Hidden;
use super::launch::Browser;
use super::tabs::Tab;
use crate::floor::FloorPermit;

/// Origins whose storage is carried along.
const MOST_ORIGINS: usize = 100;
const MOST_COOKIES: usize = 10_000;
/// What one storage may be read to.
const LARGEST: usize = 16 << 20;

/// A cookie, in Playwright's words.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub domain: String,
    #[serde(default)]
    pub path: String,
    /// Seconds since 1970; -1 for a cookie of the session.
    #[serde(default = "session")]
    pub expires: f64,
    #[serde(default)]
    pub http_only: bool,
    #[serde(default)]
    pub secure: bool,
    /// `Strict`, `Lax` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_site: Option<String>,
}

fn session() -> f64 {
    -1.0
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cookie({} of {}{}, redacted)", self.name, self.domain, self.path)
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StorageItem {
    pub name: String,
    pub value: String,
}

impl std::fmt::Debug for StorageItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} (redacted)", self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginState {
    pub origin: String,
    #[serde(default)]
    pub local_storage: Vec<StorageItem>,
}

/// Cookies and local storage, in the JSON that Playwright reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageState {
    #[serde(default)]
    pub cookies: Vec<Cookie>,
    #[serde(default)]
    pub origins: Vec<OriginState>,
}

/// Which storage of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebStorage {
    Local,
    Session,
}

impl WebStorage {
    fn name(self) -> &'static str {
        match self {
            WebStorage::Local => "localStorage",
            WebStorage::Session => "sessionStorage",
        }
    }
}

impl Tab {
    /// The cookies of the tab's browser context; of a domain and below a path if asked for.
    pub async fn cookies(&self, domain: Option<&str>, path: Option<&str>) -> Result<Vec<Cookie>, ActError> {
        let mut cookies = cookies(&self.client, self.context()).await?;
        cookies.retain(|cookie| {
            domain.is_none_or(|domain| cookie.domain.contains(domain))
                && path.is_none_or(|path| cookie.path.starts_with(path))
        });
        Ok(cookies)
    }

    /// Sets a cookie; without a domain it is for the page that is open.
    pub async fn set_cookie(&self, permit: &FloorPermit, cookie: &Cookie) -> Result<(), ActError> {
        let mut params = as_param(cookie)?;
        if cookie.domain.is_empty() {
            let url = self.url();
            if !url.starts_with("http") {
                let text = "the page has no cookies; name a domain, or navigate to a page of the web first";
                return Err(ActError::Refused(text.into()));
            }
            params["url"] = url.into();
        }
        permit.check()?;
        set_cookies(&self.client, self.context(), &[params]).await?;
        // Chromium drops some cookies without a word.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let lives = cookie.expires < 0.0 || cookie.expires > now.as_secs_f64();
        let domain = cookie.domain.trim_start_matches('.').to_ascii_lowercase();
        let found = self.cookies(None, None).await?;
        let is_there = found.iter().any(|one| one.name == cookie.name && one.domain.ends_with(&domain));
        match lives && !is_there {
            true => Err(not_taken("it was dropped")),
            false => Ok(()),
        }
    }

    /// Deletes the cookies of a name, of a domain and path if asked for; returns how many there were.
    pub async fn delete_cookies(
        &self,
        permit: &FloorPermit,
        name: &str,
        domain: Option<&str>,
        path: Option<&str>,
    ) -> Result<usize, ActError> {
        let mut found = self.cookies(domain, path).await?;
        found.retain(|cookie| cookie.name == name);
        let state = self.ready().await?;
        permit.check()?;
        for cookie in &found {
            let params = json!({ "name": name, "domain": cookie.domain, "path": cookie.path });
            self.client.send(Some(&state.session), "Network.deleteCookies", &params).await?;
        }
        Ok(found.len())
    }

    /// Deletes all cookies of the tab's browser context, people's too.
    pub async fn clear_cookies(&self, permit: &FloorPermit) -> Result<(), ActError> {
        permit.check()?;
        clear_cookies(&self.client, self.context()).await
    }

    /// All that the page's origin keeps in this storage.
    pub async fn storage_items(&self, storage: WebStorage) -> Result<Vec<StorageItem>, ActError> {
        let function = format!(
            "function(most) {{ const s = {}; const all = []; let size = 0; for (let i = 0; i < s.length; i++) {{ \
             const name = s.key(i); const value = s.getItem(name); size += name.length + value.length; \
             if (size > most) break; all.push({{ name, value }}); }} return all; }}",
            storage.name()
        );
        self.in_storage(&function, &[json!(LARGEST)]).await
    }

    pub async fn storage_item(&self, storage: WebStorage, key: &str) -> Result<Option<String>, ActError> {
        let function = format!("function(key) {{ return {}.getItem(key); }}", storage.name());
        self.in_storage(&function, &[json!(key)]).await
    }

    pub async fn set_storage_item(
        &self,
        permit: &FloorPermit,
        storage: WebStorage,
        key: &str,
        value: &str,
    ) -> Result<(), ActError> {
        let function = format!("function(key, value) {{ {}.setItem(key, value); }}", storage.name());
        self.ready().await?;
        permit.check()?;
        self.in_storage(&function, &[json!(key), json!(value)]).await
    }

    /// Deletes one item; false when there was none.
    pub async fn delete_storage_item(
        &self,
        permit: &FloorPermit,
        storage: WebStorage,
        key: &str,
    ) -> Result<bool, ActError> {
        let name = storage.name();
        let function = format!(
            "function(key) {{ const had = {name}.getItem(key) !== null; {name}.removeItem(key); return had; }}"
        );
        self.ready().await?;
        permit.check()?;
        self.in_storage(&function, &[json!(key)]).await
    }

    pub async fn clear_storage(&self, permit: &FloorPermit, storage: WebStorage) -> Result<(), ActError> {
        let function = format!("function() {{ {}.clear(); }}", storage.name());
        self.ready().await?;
        permit.check()?;
        self.in_storage(&function, &[]).await
    }

    async fn in_storage<T: serde::de::DeserializeOwned>(
        &self,
        function: &str,
        arguments: &[Value],
    ) -> Result<T, ActError> {
        self.ready().await?;
        let top = self.top();
        let arguments: Vec<_> = arguments.iter().map(|value| json!({ "value": value })).collect();
        let ask = async || {
            let context = self.world(&top).await?.context;
            let params = json!({
                "functionDeclaration": function, "executionContextId": context, "returnByValue": true,
                "arguments": arguments,
            });
            self.run(&top, "Runtime.callFunctionOn", &params).await
        };
        let mut value = ask().await;
        if value.as_ref().is_err_and(ActError::is_stale) {
            // The document that was remembered has gone; nothing was asked of it.
            self.memory.forget(&top.id);
            value = ask().await;
        }
        match value {
            Ok(value) => Ok(read("Runtime.callFunctionOn", value.get())?),
            Err(ActError::Page(error)) if error.contains("SecurityError") => {
                Err(ActError::Refused("this page has no storage; navigate to a page of the web first".into()))
            }
            Err(error) => Err(error),
        }
    }
}

impl Browser {
    /// The cookies of a tab's context, and the local storage of the origins
    /// that its tabs show or have shown lately.
    pub async fn storage_state(&self, tab: &Tab) -> Result<StorageState, ActError> {
        let cookies = cookies(self.cdp_client(), tab.context()).await?;
        let mut origins = Vec::new();
        let wanted = self.known_origins(tab);
        if !wanted.is_empty() {
            let mut hidden = Hidden::open(&tab.mux, tab.context()).await?;
            for origin in wanted {
                // An origin that cannot be shown has nothing that could be read.
                if hidden.go(&origin).await.is_err() {
                    continue;
                }
                let items = hidden
                    .run("Object.entries(localStorage).map(([name, value]) => ({ name, value }))")
                    .await?;
                let local_storage: Vec<StorageItem> = serde_json::from_value(items).unwrap_or_default();
                if !local_storage.is_empty() {
                    origins.push(OriginState { origin, local_storage });
                }
            }
        }
        Ok(StorageState { cookies, origins })
    }

    /// Puts a state in place of what a tab's context has: its cookies, and
    /// the local storage of the origins that are known or named in it.
    pub async fn set_storage_state(
        &self,
        permit: &FloorPermit,
        tab: &Tab,
        state: &StorageState,
    ) -> Result<(), ActError> {
        if state.cookies.len() > MOST_COOKIES || state.origins.len() > MOST_ORIGINS {
            let text = format!("a state has at most {MOST_COOKIES} cookies and {MOST_ORIGINS} origins");
            return Err(ActError::Refused(text));
        }
        let cookies = state.cookies.iter().map(as_param).collect::<Result<Vec<_>, _>>()?;
        if let Some(cookie) = state.cookies.iter().find(|cookie| cookie.domain.is_empty()) {
            return Err(ActError::Refused(format!("the cookie {:?} has no domain", cookie.name)));
        }
        let mut wanted: BTreeMap<String, &[StorageItem]> =
            self.known_origins(tab).into_iter().map(|origin| (origin, &[][..])).collect();
        for one in &state.origins {
            let origin = origin_of(&one.origin).filter(|origin| *origin == one.origin.trim_end_matches('/'));
            let Some(origin) = origin else {
                let text = format!("{:?} is no origin; one looks like https://example.com", one.origin);
                return Err(ActError::Refused(text));
            };
            wanted.insert(origin, &one.local_storage);
        }
        permit.check()?;
        clear_cookies(self.cdp_client(), tab.context()).await?;
        set_cookies(self.cdp_client(), tab.context(), &cookies).await?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mut hidden = Hidden::open(&tab.mux, tab.context()).await?;
        for (origin, items) in wanted {
            permit.check()?;
            hidden.go(&origin).await?;
            let items = serde_json::to_string(items).unwrap_or_default();
            let script = format!(
                "localStorage.clear(); for (const {{ name, value }} of {items}) localStorage.setItem(name, value); true"
            );
            hidden.run(&script).await?;
        }
        Ok(())
    }

    /// The origins that tabs of the same context show or have shown lately.
    fn known_origins(&self, tab: &Tab) -> Vec<String> {
        let in_context =
            |target: &str| self.tab(target).is_some_and(|other| other.context() == tab.context());
        let tabs = self.tabs().into_iter().filter(|info| in_context(&info.target)).map(|info| info.url);
        let shown = self.journal().since(0).0.into_iter().rev().filter_map(|entry| match entry.fact {
            super::Fact::Navigated { url } if entry.tab.as_deref().is_some_and(in_context) => Some(url),
            _ => None,
        });
        let mut origins: Vec<String> = Vec::new();
        for origin in tabs.chain(shown).filter_map(|url| origin_of(&url)) {
            if !origins.contains(&origin) && origins.len() < MOST_ORIGINS {
                origins.push(origin);
            }
        }
        origins
    }
}

/// Scheme, host and port of a page of the web.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    let fine = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
    fine.then(|| format!("{scheme}://{host}"))
}

async fn cookies(client: &CdpClient, context: Option<&str>) -> Result<Vec<Cookie>, ActError> {
    #[derive(Deserialize)]
    struct Got {
        cookies: Vec<Cookie>,
    }
    let method = "Storage.getCookies";
    let got: Got = read(method, client.send(None, method, &of(context)).await?.get())?;
    Ok(got
        .cookies
        .into_iter()
        .map(|cookie| Cookie { same_site: cookie.same_site.or(Some("Lax".into())), ..cookie })
        .collect())
}

async fn set_cookies(client: &CdpClient, context: Option<&str>, cookies: &[Value]) -> Result<(), ActError> {
    let mut params = of(context);
    params["cookies"] = json!(cookies);
    match client.send(None, "Storage.setCookies", &params).await {
        Ok(_) => Ok(()),
        Err(super::CdpError::Refused { message, .. }) => Err(not_taken(&message)),
        Err(error) => Err(error.into()),
    }
}

fn not_taken(why: &str) -> ActError {
    ActError::Refused(format!(
        "Chromium does not take the cookie: {why}; look at its domain, path, and secure with sameSite None"
    ))
}

async fn clear_cookies(client: &CdpClient, context: Option<&str>) -> Result<(), ActError> {
    client.send(None, "Storage.clearCookies", &of(context)).await?;
    Ok(())
}

fn of(context: Option<&str>) -> Value {
    context.map_or(json!({}), |context| json!({ "browserContextId": context }))
}

/// A cookie as Chromium takes it.
fn as_param(cookie: &Cookie) -> Result<Value, ActError> {
    let odd = |text: &str| text.len() > 4096 || text.chars().any(|c| c.is_control() || c == ';');
    let refused = |text: String| Err(ActError::Refused(text));
    if cookie.name.is_empty() || odd(&cookie.name) || odd(&cookie.value) || cookie.name.contains('=') {
        return refused(
            "a cookie's name and value have at most 4096 bytes and no ; = or control character".into(),
        );
    }
    let fine = |c: char| c.is_alphanumeric() || ".-:[]_".contains(c);
    if cookie.domain.len() > 253 || !cookie.domain.chars().all(fine) {
        return Err(not_taken("its domain is no host"));
    }
    if let Some(same_site) = cookie.same_site.as_deref()
        && !["Strict", "Lax", "None"].contains(&same_site)
    {
        return refused("sameSite is Strict, Lax or None".into());
    }
    let mut param = json!({
        "name": cookie.name, "value": cookie.value, "httpOnly": cookie.http_only, "secure": cookie.secure,
    });
    if !cookie.domain.is_empty() {
        param["domain"] = cookie.domain.clone().into();
    }
    param["path"] = if cookie.path.is_empty() { "/".into() } else { cookie.path.clone().into() };
    if let Some(same_site) = &cookie.same_site {
        param["sameSite"] = same_site.clone().into();
    }
    if cookie.expires >= 0.0 {
        param["expires"] = cookie.expires.into();
    }
    Ok(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host_of_the_web() {
        for (url, wanted) in [
            ("http://a:1/x?y", Some("http://a:1")),
            ("https://user:pw@a.b/x", Some("https://a.b")),
            ("https://[::1]:3/", Some("https://[::1]:3")),
            ("about:blank", None),
            ("file:///etc", None),
            ("http://", None),
            ("http://a b/", None),
        ] {
            assert_eq!(origin_of(url).as_deref(), wanted, "{url}");
        }
    }

    #[test]
    fn values_are_not_printed_and_odd_cookies_are_refused() {
        let cookie: Cookie =
            serde_json::from_value(json!({ "name": "a", "value": "hunter2" })).expect("a cookie");
        assert!(!format!("{cookie:?}").contains("hunter2"));
        let item = StorageItem { name: "a".into(), value: "hunter2".into() };
        assert!(!format!("{item:?}").contains("hunter2"));
        assert_eq!(as_param(&cookie).expect("fine")["path"], "/");
        for bad in [
            Cookie { name: String::new(), ..cookie.clone() },
            Cookie { value: "a;b".into(), ..cookie.clone() },
            Cookie { same_site: Some("lax".into()), ..cookie.clone() },
        ] {
            assert!(as_param(&bad).is_err(), "{bad:?}");
        }
    }
}
