//! Hands closed shadow roots to a script of ours. A page keeps them from every
//! script, those in worlds of their own included, but not from the debugger.
//! Asks about what the script has named and nothing else, so that a page that
//! makes thousands of them costs what the script lets it cost.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{CdpClient, CdpError};
use super::frames::read;

/// Gives the elements that the script asks about, as a list.
const ASKED: &str = "globalThis.__tandem_guard?.asked() ?? []";
/// Takes the roots of those that have one; it is told too that there are none.
const TAKE: &str = "function(...roots) { globalThis.__tandem_guard?.take(roots); }";
/// Elements that are asked about at once; the script names no more.
const MOST: usize = 64;
/// A page that hangs is not waited for; the script asks again.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    object_id: Option<String>,
}

/// Looks behind the elements that the script in this context asks about, and
/// gives it what is there. `group` must be nobody else's: it is let go of.
pub(super) async fn hand_over(
    client: &CdpClient,
    session: &str,
    context: i64,
    group: &str,
) -> Result<(), CdpError> {
    let done = tokio::time::timeout(PATIENCE, look_behind(client, session, context, group)).await;
    // However it ended, so that nothing of the page is kept alive for us.
    let params = json!({ "objectGroup": group });
    drop(client.post(Some(session), "Runtime.releaseObjectGroup", &params).await?);
    done.unwrap_or(Ok(()))
}

async fn look_behind(client: &CdpClient, session: &str, context: i64, group: &str) -> Result<(), CdpError> {
    #[derive(Deserialize)]
    struct Outcome {
        result: Object,
    }
    #[derive(Deserialize)]
    struct Listed {
        result: Vec<Property>,
    }
    #[derive(Deserialize)]
    struct Property {
        name: String,
        value: Option<Object>,
    }
    let method = "Runtime.evaluate";
    let params = json!({ "expression": ASKED, "contextId": context, "objectGroup": group });
    let list: Outcome = read(method, client.send(Some(session), method, &params).await?.get())?;
    let Some(list) = list.result.object_id else { return Ok(()) };
    let method = "Runtime.getProperties";
    let params = json!({ "objectId": list, "ownProperties": true });
    let listed: Listed = read(method, client.send(Some(session), method, &params).await?.get())?;
    let elements = listed.result.into_iter().filter(|property| property.name.parse::<usize>().is_ok());
    let elements: Vec<_> = elements.filter_map(|property| property.value?.object_id).take(MOST).collect();
    if elements.is_empty() {
        return Ok(());
    }
    let roots = elements.into_iter().map(|element| root_of(client, session, context, group, element));
    let roots: Vec<Value> = join_all(roots).await.into_iter().flatten().collect();
    let params = json!({ "functionDeclaration": TAKE, "executionContextId": context, "arguments": roots });
    client.send(Some(session), "Runtime.callFunctionOn", &params).await.map(drop)
}

/// An element's closed root, as an argument in the script's world; nothing when
/// it has none or has gone.
async fn root_of(
    client: &CdpClient,
    session: &str,
    context: i64,
    group: &str,
    element: String,
) -> Option<Value> {
    #[derive(Deserialize)]
    struct Described {
        node: Node,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Node {
        #[serde(default)]
        shadow_roots: Vec<Root>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Root {
        backend_node_id: i64,
        shadow_root_type: Option<String>,
    }
    #[derive(Deserialize)]
    struct Resolved {
        object: Object,
    }
    let method = "DOM.describeNode";
    let described = client.send(Some(session), method, &json!({ "objectId": element })).await.ok()?;
    let Described { node } = read(method, described.get()).ok()?;
    // Those of the browser's own making are no page's.
    let closed = |root: &Root| root.shadow_root_type.as_deref() == Some("closed");
    let root = node.shadow_roots.into_iter().find(closed)?;
    let method = "DOM.resolveNode";
    let params = json!({ "backendNodeId": root.backend_node_id, "executionContextId": context,
        "objectGroup": group });
    let resolved = client.send(Some(session), method, &params).await.ok()?;
    let Resolved { object } = read(method, resolved.get()).ok()?;
    Some(json!({ "objectId": object.object_id? }))
}
