//! What a tool is: a type whose fields are its arguments. From it come the
//! schema, the reader and the act, so that a tool is written once for all
//! doors.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::answer::Done;
use super::args;
use super::call::Call;
use crate::base::ToolGroup;

/// What a tool does to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes nothing: may be done again when the browser went under it.
    Looks,
    Acts,
    /// Takes something away that does not come back.
    Destroys,
}

/// A tool, by its arguments.
pub(super) trait Tool: DeserializeOwned + JsonSchema + Send + 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const GROUP: ToolGroup;
    const KIND: Kind;

    fn run(self, call: &mut Call) -> impl Future<Output = Done> + Send;
}

type Run = for<'a> fn(&'a mut Call, JsonObject) -> BoxFuture<'a, Done>;

/// A tool whose type is forgotten.
pub(super) struct Entry {
    pub tool: rmcp::model::Tool,
    pub group: ToolGroup,
    pub kind: Kind,
    pub run: Run,
    /// Whether it can be called with these.
    #[cfg(feature = "bench")]
    pub reads: fn(JsonObject) -> bool,
}

pub(super) fn entry<T: Tool>() -> Entry {
    let mut tool = rmcp::model::Tool::new(T::NAME, T::ABOUT, Arc::new(schema::<T>()));
    let looks = T::KIND == Kind::Looks;
    tool.annotations =
        Some(ToolAnnotations::new().read_only(looks).destructive(T::KIND == Kind::Destroys).open_world(true));
    Entry {
        tool,
        group: T::GROUP,
        kind: T::KIND,
        run: run::<T>,
        #[cfg(feature = "bench")]
        reads: |arguments| args::read::<T>(arguments).is_ok(),
    }
}

fn run<T: Tool>(call: &mut Call, arguments: JsonObject) -> BoxFuture<'_, Done> {
    Box::pin(async move { args::read::<T>(arguments)?.run(call).await })
}

/// The schema as agents get it: inline, without a title, and with
/// `properties` also when there are none. They pay for every byte of it.
fn schema<T: JsonSchema>() -> JsonObject {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = match settings.into_generator().into_root_schema_for::<T>().to_value() {
        serde_json::Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    schema.remove("title");
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| serde_json::json!({}));
    if let Some(properties) = schema.get_mut("properties").and_then(|all| all.as_object_mut()) {
        properties.values_mut().for_each(slim);
    }
    schema
}

/// An argument that may be left out need not say that it may be null, nor a
/// whole number how many bits it has.
fn slim(schema: &mut serde_json::Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    if let Some(kinds) = object.get("type").and_then(|kinds| kinds.as_array())
        && let [kind, null] = kinds.as_slice()
        && null == "null"
    {
        let kind = kind.clone();
        object.insert("type".into(), kind);
    }
    if let Some(any) = object.get("anyOf").and_then(|any| any.as_array())
        && let [one, null] = any.as_slice()
        && null["type"] == "null"
        && let Some(one) = one.as_object().cloned()
    {
        object.remove("anyOf");
        for (key, value) in one {
            object.entry(key).or_insert(value);
        }
    }
    if let Some(values) = object.get_mut("enum").and_then(|values| values.as_array_mut()) {
        values.retain(|value| !value.is_null());
    }
    for key in ["items", "properties"] {
        match object.get_mut(key) {
            Some(items) if key == "items" => slim(items),
            Some(serde_json::Value::Object(properties)) => properties.values_mut().for_each(slim),
            _ => {}
        }
    }
}
