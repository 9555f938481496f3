//! A tracker as far as a webserver and a redirected client can tell.

use std::net::SocketAddr;

use axum::extract::RawQuery;
use axum::routing::get;
use proto::accept::{self, Door, Services};
use shared::model::HostPort;
use shared::runtime::{OnExit, Tasks};
use tokio::net::TcpListener;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub(crate) struct FakeTracker {
    address: SocketAddr,
    health: HealthReporter,
    tasks: Tasks,
}

impl FakeTracker {
    pub(crate) async fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().expect("valid")).await
    }

    pub(crate) async fn start_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("bound");
        let (grpc, health) = Services::new().into_router();
        let router = grpc.route(
            "/api/v1/names",
            get(async |RawQuery(query): RawQuery| {
                format!("the tracker's answer to {}", query.unwrap_or_default())
            }),
        );
        let tasks = Tasks::new();
        tasks.spawn(
            "fake tracker",
            OnExit::Continue,
            accept::serve(listener, router, tasks.clone(), Door::new()),
        );
        let tracker = Self {
            address,
            health,
            tasks,
        };
        tracker.set_healthy(true).await;
        tracker
    }

    pub(crate) fn socket_addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn address(&self) -> HostPort {
        self.address.into()
    }

    pub(crate) async fn set_healthy(&self, is_healthy: bool) {
        let status = if is_healthy {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.health
            .set_service_status("enjambre.v1.Catalog", status)
            .await;
    }

    /// Stops the tracker; its address refuses connections when this returns.
    pub(crate) async fn stop(self) {
        assert!(self.tasks.stop(crate::PATIENCE).await);
    }
}

impl Drop for FakeTracker {
    fn drop(&mut self) {
        self.tasks.token().cancel();
    }
}
