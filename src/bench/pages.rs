//! The pages that rooms show while they are measured, served on loopback.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// Serves the pages; returns the address to put before their names.
pub(super) async fn serve() -> anyhow::Result<String> {
    let page = |html: &'static str| get(move || async move { Html(html) });
    let routes = Router::new()
        .route("/still", page(include_str!("pages/still.html")))
        .route("/typing", page(include_str!("pages/typing.html")))
        .route("/scrolling", page(include_str!("pages/scrolling.html")))
        .route("/click", page(include_str!("pages/click.html")))
        .route("/agent", page(include_str!("pages/agent.html")))
        .route("/floor", page(include_str!("pages/floor.html")))
        .route("/form", page(include_str!("../../tests/pages/form.html")))
        .route("/table", page(include_str!("../../tests/pages/table.html")))
        .route("/mail", page(include_str!("../../tests/pages/mail.html")))
        .route("/shop", page(include_str!("../../tests/pages/shop.html")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}
