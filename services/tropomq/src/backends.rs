//! Which backend is meant, where a command does not name one.

use anyhow::bail;
use console::BackendState;
use protocol::BackendName;
use serde::Deserialize;

use crate::client::{ApiError, Client};

/// The backends, as the console tells them.
#[derive(Deserialize)]
struct Backends {
    backends: Vec<BackendState>,
}

/// The one that is named, or the only one.
///
/// # Errors
/// None is named, and there are several, or none; or the console does not tell.
pub(crate) async fn meant(client: &Client, named: Option<BackendName>) -> anyhow::Result<BackendName> {
    if let Some(named) = named {
        return Ok(named);
    }
    let names = all(client).await?;
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!("there is no backend: configure one (backends.NAME)"),
        several => {
            let names: Vec<&str> = several.iter().map(BackendName::as_str).collect();
            bail!("say --backend; there are: {}", names.join(", "))
        }
    }
}

/// The only one, where there is but one and the console tells.
pub(crate) async fn only(client: &Client) -> Option<BackendName> {
    let names = all(client).await.ok()?;
    <[BackendName; 1]>::try_from(names).ok().map(|[only]| only)
}

/// Those that people text.
async fn all(client: &Client) -> Result<Vec<BackendName>, ApiError> {
    let Backends { backends } = client.get(&["v1", "backends"], &[]).await?;
    Ok(backends.into_iter().filter(|backend| !backend.is_probe).map(|backend| backend.name).collect())
}
