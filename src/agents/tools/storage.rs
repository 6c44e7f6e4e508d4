//! Cookies, and what a site keeps in the browser.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Cookie, StorageState, WebStorage};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Cookies {
    /// Only those of this domain
    domain: Option<String>,
    /// Only those of this path
    path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct OneCookie {
    /// Cookie name
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct SetCookie {
    /// Cookie name
    name: String,
    /// Cookie value
    value: String,
    /// Cookie domain; that of the current page if left out
    domain: Option<String>,
    /// Cookie path; / if left out
    path: Option<String>,
    /// When it expires, in seconds since 1970; with the session if left out
    expires: Option<f64>,
    /// Whether scripts cannot see it
    http_only: Option<bool>,
    /// Whether it is sent over TLS only
    secure: Option<bool>,
    /// When it is sent to its site from others
    same_site: Option<SameSite>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum SameSite {
    Strict,
    Lax,
    None,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct DeleteCookie {
    /// Cookie name
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct ClearCookies {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Save {
    /// Name of the file; storage-state.json if left out
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Restore {
    /// Name of a file that browser_storage_state made or that was laid down with PUT /api/rooms/{room}/files/{name}
    filename: String,
}

impl Tool for Cookies {
    const NAME: &'static str = "browser_cookie_list";
    const ABOUT: &'static str = "List cookies, of one domain or path if wanted";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let cookies = tab.cookies(self.domain.as_deref(), self.path.as_deref()).await?;
        let lines: Vec<_> = cookies.iter().map(line).collect();
        let text = if lines.is_empty() { "No cookies.".to_owned() } else { lines.join("\n") };
        Ok(Answer { structured: Some(json!({ "cookies": cookies })), ..Answer::result(text) })
    }
}

impl Tool for OneCookie {
    const NAME: &'static str = "browser_cookie_get";
    const ABOUT: &'static str = "Get a cookie by name";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let cookies = tab.cookies(None, None).await?;
        match cookies.iter().find(|cookie| cookie.name == self.name) {
            Some(cookie) => Ok(Answer { structured: Some(json!(cookie)), ..Answer::result(line(cookie)) }),
            None => Ok(Answer::result(format!("There is no cookie {:?}.", self.name))),
        }
    }
}

impl Tool for SetCookie {
    const NAME: &'static str = "browser_cookie_set";
    const ABOUT: &'static str = "Set a cookie";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let domain = match self.domain {
            Some(domain) => domain,
            None => host(&tab.url()).ok_or_else(|| {
                Fault::argument("the current page has no domain of its own; say which the cookie is for")
            })?,
        };
        let cookie = Cookie {
            name: self.name,
            value: self.value,
            domain,
            path: self.path.unwrap_or_else(|| "/".into()),
            expires: self.expires.unwrap_or(-1.0),
            http_only: self.http_only == Some(true),
            secure: self.secure == Some(true),
            same_site: self.same_site.map(|same_site| format!("{same_site:?}")),
        };
        let held = call.floor().await?;
        call.session.say(format!("sets the cookie {}", cookie.name));
        tab.set_cookie(held.permit(), &cookie).await?;
        Ok(Answer::result(format!("Set the cookie {:?} of {}.", cookie.name, cookie.domain)))
    }
}

impl Tool for DeleteCookie {
    const NAME: &'static str = "browser_cookie_delete";
    const ABOUT: &'static str = "Delete a cookie by name";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("deletes the cookie {}", self.name));
        tab.delete_cookies(held.permit(), &self.name, None, None).await?;
        Ok(Answer::result(format!("Deleted the cookie {:?}.", self.name)))
    }
}

impl Tool for ClearCookies {
    const NAME: &'static str = "browser_cookie_clear";
    const ABOUT: &'static str = "Clear all cookies. People are signed out everywhere too";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let ClearCookies {} = self;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("clears all cookies");
        tab.clear_cookies(held.permit()).await?;
        Ok(Answer::result("Cleared all cookies."))
    }
}

impl Tool for Save {
    const NAME: &'static str = "browser_storage_state";
    const ABOUT: &'static str = "Save storage state (cookies, local storage) to a file for later reuse";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let state = call.browser.storage_state(&tab).await?;
        let text =
            serde_json::to_string_pretty(&state).map_err(|error| Fault::new("browser", error.to_string()))?;
        let name = self.filename.as_deref().unwrap_or("storage-state.json");
        Ok(Answer::result(call.file(name, "application/json", text)?))
    }
}

impl Tool for Restore {
    const NAME: &'static str = "browser_set_storage_state";
    const ABOUT: &'static str =
        "Restore storage state (cookies, local storage) from a file. Clears what is there before";
    const GROUP: ToolGroup = ToolGroup::Storage;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let name = self.filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let file = call.session.shelf.get(&call.session.room, name).ok_or_else(|| {
            Fault::argument(format!("there is no file {name:?}; make one with browser_storage_state"))
        })?;
        let state: StorageState = serde_json::from_slice(&file.bytes)
            .map_err(|error| Fault::argument(format!("{name} is no storage state: {error}")))?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("restores cookies and storage");
        call.browser.set_storage_state(held.permit(), &tab, &state).await?;
        let (cookies, origins) = (state.cookies.len(), state.origins.len());
        Ok(Answer::result(format!("Restored {cookies} cookies and the storage of {origins} origins.")))
    }
}

fn line(cookie: &Cookie) -> String {
    let mut text =
        format!("{}={} (domain: {}, path: {}", cookie.name, cookie.value, cookie.domain, cookie.path);
    for (on, word) in [(cookie.http_only, "httpOnly"), (cookie.secure, "secure")] {
        if on {
            text.push_str(&format!(", {word}"));
        }
    }
    if let Some(same_site) = &cookie.same_site {
        text.push_str(&format!(", sameSite: {same_site}"));
    }
    text + ")"
}

/// The host of an address with http or https.
fn host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let name = match host.starts_with('[') {
        true => host.split_inclusive(']').next()?,
        false => host.split(':').next()?,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The five tools of one storage: they differ in their names only.
macro_rules! storage {
    ($storage:expr, $word:literal, $prefix:literal, $List:ident, $Get:ident, $Set:ident, $Delete:ident, $Clear:ident) => {
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::agents) struct $List {}

        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::agents) struct $Get {
            /// Key to get
            key: String,
        }

        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::agents) struct $Set {
            /// Key to set
            key: String,
            /// Value to set
            value: String,
        }

        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::agents) struct $Delete {
            /// Key to delete
            key: String,
        }

        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::agents) struct $Clear {}

        impl Tool for $List {
            const NAME: &'static str = concat!($prefix, "_list");
            const ABOUT: &'static str = concat!("List all ", $word, " key-value pairs of the page's origin");
            const GROUP: ToolGroup = ToolGroup::Storage;
            const KIND: Kind = Kind::Looks;

            async fn run(self, call: &mut Call) -> Done {
                let items = call.tab().await?.storage_items($storage).await?;
                let lines: Vec<_> = items.iter().map(|item| format!("{}={}", item.name, item.value)).collect();
                let text = match lines.is_empty() {
                    true => concat!("The ", $word, " is empty.").to_owned(),
                    false => super::bounded(lines.join("\n")),
                };
                Ok(Answer { structured: Some(json!({ "items": items })), ..Answer::result(text) })
            }
        }

        impl Tool for $Get {
            const NAME: &'static str = concat!($prefix, "_get");
            const ABOUT: &'static str = concat!("Get a ", $word, " item by key");
            const GROUP: ToolGroup = ToolGroup::Storage;
            const KIND: Kind = Kind::Looks;

            async fn run(self, call: &mut Call) -> Done {
                let value = call.tab().await?.storage_item($storage, &self.key).await?;
                let text = match &value {
                    Some(value) => super::bounded(format!("{}={value}", self.key)),
                    None => format!("There is no {:?} in the {}.", self.key, $word),
                };
                Ok(Answer { structured: Some(json!({ "value": value })), ..Answer::result(text) })
            }
        }

        impl Tool for $Set {
            const NAME: &'static str = concat!($prefix, "_set");
            const ABOUT: &'static str = concat!("Set a ", $word, " item");
            const GROUP: ToolGroup = ToolGroup::Storage;
            const KIND: Kind = Kind::Acts;

            async fn run(self, call: &mut Call) -> Done {
                let tab = call.tab().await?;
                let held = call.floor().await?;
                tab.set_storage_item(held.permit(), $storage, &self.key, &self.value).await?;
                Ok(Answer::result(format!("Set {:?} in the {}.", self.key, $word)))
            }
        }

        impl Tool for $Delete {
            const NAME: &'static str = concat!($prefix, "_delete");
            const ABOUT: &'static str = concat!("Delete a ", $word, " item");
            const GROUP: ToolGroup = ToolGroup::Storage;
            const KIND: Kind = Kind::Destroys;

            async fn run(self, call: &mut Call) -> Done {
                let tab = call.tab().await?;
                let held = call.floor().await?;
                tab.delete_storage_item(held.permit(), $storage, &self.key).await?;
                Ok(Answer::result(format!("Deleted {:?} from the {}.", self.key, $word)))
            }
        }

        impl Tool for $Clear {
            const NAME: &'static str = concat!($prefix, "_clear");
            const ABOUT: &'static str = concat!("Clear the ", $word, " of the page's origin");
            const GROUP: ToolGroup = ToolGroup::Storage;
            const KIND: Kind = Kind::Destroys;

            async fn run(self, call: &mut Call) -> Done {
                let $Clear {} = self;
                let tab = call.tab().await?;
                let held = call.floor().await?;
                tab.clear_storage(held.permit(), $storage).await?;
                Ok(Answer::result(concat!("Cleared the ", $word, ".")))
            }
        }
    };
}

storage!(
    WebStorage::Local,
    "localStorage",
    "browser_localstorage",
    LocalList,
    LocalGet,
    LocalSet,
    LocalDelete,
    LocalClear
);
storage!(
    WebStorage::Session,
    "sessionStorage",
    "browser_sessionstorage",
    SessionList,
    SessionGet,
    SessionSet,
    SessionDelete,
    SessionClear
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_its_name_alone() {
        for (url, wanted) in [
            ("https://user:pass@shop.example:8443/x?y", Some("shop.example")),
            ("http://[::1]:8080/", Some("[::1]")),
            ("about:blank", None),
            ("http://", None),
        ] {
            assert_eq!(host(url).as_deref(), wanted, "{url}");
        }
    }
}
