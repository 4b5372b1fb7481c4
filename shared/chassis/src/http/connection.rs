//! One connection: its requests, one after the other, under the limits.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{debug, warn};

use super::answer::{last_refusal, panicked};
use super::body::{Answering, Bounded};
use super::limits::Limits;
use super::paced::{Paced, Progress, Stage};
use super::places::Place;
use super::raw::Mended;
use crate::shutdown::Shutdown;

/// hyper accepts no smaller buffer.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What every connection of a listener shares.
pub(super) struct Door {
    router: Router,
    limits: Arc<Limits>,
    http: http1::Builder,
    shutdown: Shutdown,
    mends_targets: bool,
}

impl Door {
    pub(super) fn new(router: Router, limits: Limits, shutdown: Shutdown) -> Self {
        // Our own bound holds instead of axum's, whichever of them is the larger.
        let router = router.layer(DefaultBodyLimit::disable()).layer(CatchPanicLayer::custom(panicked));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .max_headers(limits.headers_max)
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN))
            // hyper counts the time between two requests as the time of headers, so this is the bound of both
            // together; `Paced` keeps each of them.
            .header_read_timeout(limits.idle_timeout.saturating_add(limits.header_timeout));
        Self { router, limits: Arc::new(limits), http, shutdown, mends_targets: false }
    }

    /// Mends the targets of requests.
    pub(super) fn for_careless(self) -> Self {
        Self { mends_targets: true, ..self }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Serves one connection to its end. It has its place for as long.
    pub(super) fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
    ) -> impl Future<Output = ()> + Send + 'static {
        let progress = place.progress.clone();
        let paced = Paced::new(stream, progress.clone(), &self.limits);
        let mended = if self.mends_targets {
            Mended::new(paced, self.limits.header_bytes_max)
        } else {
            Mended::untouched(paced)
        };
        let socket = TokioIo::new(mended);
        let (router, limits, shutdown) = (self.router.clone(), Arc::clone(&self.limits), self.shutdown.clone());
        let (place, ending) = (Arc::new(place), self.shutdown.clone());
        let held = Arc::clone(&place);
        let service = service_fn(move |request| {
            progress.set(Stage::InHand);
            let answering = answer(router.clone(), Arc::clone(&limits), peer, request, progress.clone());
            let (place, ending) = (Arc::clone(&held), ending.clone());
            async move {
                let mut response = answering.await?;
                if ending.is_announced() || place.is_wanted() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.http.serve_connection(socket, service);
        async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = ended_by(&shutdown, &place) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                debug!(%error, "a connection was cut");
            }
        }
    }
}

/// Waits until a connection has to end as soon as nothing is in hand.
async fn ended_by(shutdown: &Shutdown, place: &Place) {
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        () = place.leave.cancelled() => {}
    }
}

/// One request and its answer.
async fn answer(
    router: Router,
    limits: Arc<Limits>,
    peer: SocketAddr,
    request: Request<Incoming>,
    progress: Progress,
) -> Result<Response<Answering>, Infallible> {
    let mut request = request.map(|body| axum::body::Body::new(Bounded::new(body, &limits, progress.clone())));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = match timeout(limits.request_timeout, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_late) => {
            warn!("a request took longer than it may");
            last_refusal(StatusCode::SERVICE_UNAVAILABLE, "no answer in time")
        }
    };
    Ok(response.map(|body| Answering::new(body, progress)))
}
