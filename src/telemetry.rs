//! Logs on standard error and, where the feature `otel` is built in, traces to a collector of OpenTelemetry.
//!
//! **Invariant:** spans name nobody: a person is a pseudonym in them.

use crate::config::{self, Logs};
use std::io::IsTerminal;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// What is logged unless `RUST_LOG` says otherwise.
const SERVICE: &str = "info,actix_server=warn";

/// What is sent still has to leave when the program ends: that is what dropping this waits for.
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    _traces: Option<otel::Traces>,
}

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// For commands: only what went wrong, for people.
pub fn quiet() {
    // Who waits for a lock on the store is told what for.
    let message = "error,namely_okta_sync::store::engine::opening=warn";
    let logs = fmt::layer().with_writer(std::io::stderr).with_filter(filter(message));
    // Whoever has a subscriber already keeps it.
    let _ = tracing_subscriber::registry().with(logs).try_init();
}

/// For the service. The error says why spans cannot be sent.
pub fn start(settings: &config::Telemetry) -> Result<Telemetry, String> {
    let watched = std::io::stderr().is_terminal();
    let json = settings.logs == Logs::Json || (settings.logs == Logs::Auto && !watched);
    let logs = fmt::layer().with_writer(std::io::stderr).with_ansi(watched && std::env::var_os("NO_COLOR").is_none());
    let logs: Boxed =
        if json { logs.json().with_filter(filter(SERVICE)).boxed() } else { logs.with_filter(filter(SERVICE)).boxed() };
    let layers = vec![logs];
    #[cfg(feature = "otel")]
    let (layers, traces) = otel::add(layers, settings)?;
    let _ = tracing_subscriber::registry().with(layers).try_init();
    Ok(Telemetry {
        #[cfg(feature = "otel")]
        _traces: traces,
    })
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into())
}

#[cfg(feature = "otel")]
mod otel {
    use super::Boxed;
    use crate::config;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::time::Duration;
    use tracing::Level;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;

    /// A batch of spans that is not taken within this is lost.
    const TIMEOUT: Duration = Duration::from_secs(10);

    /// The way of spans to the collector.
    pub struct Traces(SdkTracerProvider);

    impl Drop for Traces {
        fn drop(&mut self) {
            if let Err(e) = self.0.shutdown() {
                tracing::warn!(error = %e, "the last spans could not be sent");
            }
        }
    }

    /// Adds the layer that sends spans, if they are to be sent. What `OTEL_*` variables say of headers, sampling, batches
    /// and the resource holds.
    pub fn add(mut layers: Vec<Boxed>, settings: &config::Telemetry) -> Result<(Vec<Boxed>, Option<Traces>), String> {
        let Some(url) = &settings.traces else { return Ok((layers, None)) };
        let transport = settings.network.transport(TIMEOUT);
        let client = std::thread::spawn(move || crate::http::blocking(&transport)).join();
        let client = client.map_err(|_| "the client of the collector could not be made".to_owned())?;
        let client = client.map_err(|e| format!("spans cannot be sent to {url}: {e}"))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(url).build();
        let exporter = exporter.map_err(|e| format!("spans cannot be sent to {url}: {e}"))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let provider =
            SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
        // Spans of our own only: what libraries do is theirs, and what is logged can be about a person.
        let ours = filter_fn(|meta| {
            meta.is_span() && *meta.level() <= Level::INFO && meta.target().starts_with("namely_okta_sync")
        });
        let layer =
            tracing_opentelemetry::layer().with_tracer(provider.tracer("namely-okta-sync")).with_location(false);
        let layer = layer.with_threads(false).with_target(false).with_tracked_inactivity(false);
        layers.push(layer.with_filter(ours).boxed());
        Ok((layers, Some(Traces(provider))))
    }
}
