//! The listeners of a process, bound before anything is started.

use std::net::SocketAddr;

use anyhow::Context;
use chassis::http;
use tokio::net::TcpListener;

use super::Services;
use crate::settings::Settings;

/// The listeners of the services that a process runs.
pub(crate) struct Listeners {
    pub(crate) ingress: Option<TcpListener>,
    pub(crate) router: Option<TcpListener>,
    pub(crate) egress: Option<TcpListener>,
    pub(crate) console: Option<TcpListener>,
    pub(crate) simulator: Option<TcpListener>,
    pub(crate) admin: TcpListener,
}

impl Listeners {
    /// Binds what the services need, and writes the addresses that were had back into the settings: port 0 takes any
    /// that is free.
    ///
    /// # Errors
    /// The address that cannot be had, its key, and what to do.
    pub(crate) async fn bind(settings: &mut Settings, services: Services) -> anyhow::Result<Self> {
        Ok(Self {
            ingress: bind(services.ingress, "ingress.listen", &mut settings.ingress.listen).await?,
            router: bind(services.router, "router.listen", &mut settings.router.listen).await?,
            egress: bind(services.egress, "egress.listen", &mut settings.egress.listen).await?,
            console: bind(services.console, "console.listen", &mut settings.console.listen).await?,
            simulator: bind(services.simulator, "simulator.listen", &mut settings.simulator.listen).await?,
            admin: bind(true, "admin.listen", &mut settings.admin.listen).await?.context("bind admin.listen")?,
        })
    }
}

async fn bind(wanted: bool, key: &str, address: &mut SocketAddr) -> anyhow::Result<Option<TcpListener>> {
    if !wanted {
        return Ok(None);
    }
    let listener = http::bind(*address).await.with_context(|| format!("configuration key {key}"))?;
    *address = listener.local_addr().with_context(|| format!("configuration key {key}"))?;
    Ok(Some(listener))
}
