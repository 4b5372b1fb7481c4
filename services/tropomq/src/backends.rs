//! Which backend is meant, where a command does not name one.

use anyhow::bail;
use console::BackendState;
use protocol::BackendName;
use serde::Deserialize;

use crate::client::Client;

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
    let Backends { backends } = client.get(&["v1", "backends"], &[]).await?;
    match backends.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => bail!("there is no backend: configure one (backends.NAME)"),
        several => {
            let names: Vec<&str> = several.iter().map(|backend| backend.name.as_str()).collect();
            bail!("say --backend; there are: {}", names.join(", "))
        }
    }
}
