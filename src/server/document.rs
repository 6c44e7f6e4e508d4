//! The OpenAPI document. `openapi.json` is the committed copy; a test
//! compares the two.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    admin, api, audit, cdp, doctor, egress, floor, pick, ready, rules, secrets, socket, tokens, whep,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Tandem", description = "A remote browser that a person and an AI agent share"),
    paths(
        api::health,
        ready::ready,
        doctor::diagnosis,
        doctor::hello,
        api::metrics,
        api::openapi,
        admin::overview,
        admin::sleep,
        admin::wake,
        admin::stop,
        admin::start,
        admin::put_out,
        api::list,
        api::create,
        api::get,
        api::change,
        api::remove,
        floor::get,
        floor::put,
        floor::takeover,
        floor::handback,
        floor::request,
        floor::give,
        floor::private,
        pick::pick,
        audit::search,
        audit::export,
        audit::verify,
        egress::get,
        egress::put,
        rules::get_of_room,
        rules::put_of_room,
        rules::get_of_server,
        rules::put_of_server,
        rules::test,
        rules::approvals,
        rules::answer,
        rules::picture,
        secrets::list,
        secrets::put,
        secrets::remove,
        tokens::list,
        tokens::list_all,
        tokens::revoke_any,
        tokens::create,
        tokens::revoke,
        socket::open,
        whep::offer,
        whep::end,
        cdp::root,
        cdp::below,
    ),
    security(("token" = []), ("cookie" = [])),
    modifiers(&Tokens)
)]
struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(super::caller::TOKEN_COOKIE));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

/// The document with further path items, indented, ending with a newline.
pub fn openapi_json(more: &serde_json::Value) -> String {
    let mut document =
        serde_json::to_value(Document::openapi()).expect("the document has only texts for keys");
    let mut more = more.as_object().cloned().unwrap_or_default();
    let schemas = more.remove("components").and_then(|mut found| found["schemas"].as_object_mut().cloned());
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.extend(more);
    }
    if let (Some(own), Some(schemas)) = (document["components"]["schemas"].as_object_mut(), schemas) {
        own.extend(schemas);
    }
    format!("{document:#}\n")
}
