//! Metrics and health over HTTP, on a thread of their own: they answer while the pipeline is busy or stuck.

use crate::metrics::Metrics;
use crate::pipeline::Readiness;
use actix_web::{App, HttpResponse, HttpServer, web};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

#[derive(Clone)]
struct State {
    metrics: Metrics,
    readiness: Readiness,
    store: PathBuf,
}

/// Serves `/metrics`, `/healthz` and `/readyz` at `listen`; returns the address, useful when the port was 0.
pub fn serve(
    listen: SocketAddr,
    metrics: Metrics,
    readiness: Readiness,
    store: PathBuf,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let state = State { metrics, readiness, store };
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        let served = actix_web::rt::System::new().block_on(async move {
            HttpServer::new(move || {
                App::new()
                    .app_data(web::Data::new(state.clone()))
                    .route("/metrics", web::get().to(metrics_text))
                    .route("/healthz", web::get().to(healthz))
                    .route("/readyz", web::get().to(readyz))
                    .default_service(web::to(not_here))
            })
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run()
            .await
        });
        if let Err(e) = served {
            tracing::error!(error = %e, "metrics and health are not served any more");
        }
    })?;
    Ok(address)
}

async fn metrics_text(state: web::Data<State>) -> HttpResponse {
    state.metrics.ready.set(i64::from(state.readiness.is_ready()));
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.text())
}

/// Alive: the process answers and its store is where it was.
async fn healthz(state: web::Data<State>) -> HttpResponse {
    match std::fs::metadata(&state.store) {
        Ok(_) => HttpResponse::Ok().json(serde_json::json!({ "status": "ok" })),
        Err(e) => {
            HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "store", "why": e.to_string() }))
        }
    }
}

/// Ready: nothing is missing for keeping Okta true to Namely.
async fn readyz(state: web::Data<State>) -> HttpResponse {
    let reasons = state.readiness.reasons();
    if reasons.is_empty() {
        HttpResponse::Ok().json(serde_json::json!({ "status": "ready" }))
    } else {
        HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "not ready", "missing": reasons }))
    }
}

async fn not_here() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": "not here; there are /metrics, /healthz and /readyz" }))
}
