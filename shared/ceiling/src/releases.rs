//! The releases in the database: all that wait are committed at once.

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// How many releases are committed at once.
const GROUP: usize = 256;

type Release = (Uuid, oneshot::Sender<()>);

/// Hands releases to the task.
pub(crate) struct Releases(mpsc::Sender<Release>);

impl Releases {
    /// The table, empty, and the work that goes on as long as it shall be written to.
    pub(crate) async fn start(url: &str) -> anyhow::Result<(Self, impl Future<Output = anyhow::Result<()>> + Send)> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
        let mut connection = Box::pin(connection);
        let table = "DROP TABLE IF EXISTS ceiling_releases; CREATE TABLE ceiling_releases (id uuid PRIMARY KEY)";
        tokio::select! {
            ended = &mut connection => ended.context("the connection to PostgreSQL")?,
            made = client.batch_execute(table) => made.context("make the table")?,
        }
        let (sender, receiver) = mpsc::channel(GROUP);
        let work = async move {
            tokio::select! {
                ended = connection => ended.context("the connection to PostgreSQL"),
                committed = commit_all(client, receiver) => committed,
            }
        };
        Ok((Self(sender), work))
    }

    /// Waits until a release is committed.
    pub(crate) async fn commit(&self, id: Uuid) -> anyhow::Result<()> {
        let (committed, commit) = oneshot::channel();
        self.0.send((id, committed)).await.ok().context("the database is gone")?;
        commit.await.context("it was not committed")
    }
}

async fn commit_all(client: Client, mut releases: mpsc::Receiver<Release>) -> anyhow::Result<()> {
    let insert = client.prepare("INSERT INTO ceiling_releases SELECT unnest($1::uuid[])").await?;
    let mut group = Vec::with_capacity(GROUP);
    while 0 < releases.recv_many(&mut group, GROUP).await {
        let ids: Vec<Uuid> = group.iter().map(|(id, _)| *id).collect();
        client.execute(&insert, &[&ids]).await.context("commit releases")?;
        for (_, committed) in group.drain(..) {
            // Who waited for it may be gone.
            let _ = committed.send(());
        }
    }
    Ok(())
}
