//! Brings faults about, and lifts them.

use anyhow::Context;
use parts::Proxy;
use protocol::topology::QueueName;

use super::plan::{Act, Harm, Target, Wire};
use super::stage::{STOP_MAX, Stage, VHOST};
use crate::rig::blocking;

impl Stage {
    /// Brings a fault about. What needs no lifting is over when this returns.
    ///
    /// # Errors
    /// It could not be brought about.
    pub(super) async fn inject(&mut self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::Kill(target) => self.kill_and_cut(target)?,
            Act::BrokerAway => self.kill_and_cut(Target::Broker)?,
            Act::Pause(Target::Service(name)) => {
                let part = self.service(name)?.part();
                blocking(|| part.pause())?;
            }
            Act::Pause(Target::Broker) => blocking(|| anyhow::Ok(self.servers()?.broker.pause()?))?,
            Act::Pause(Target::Database) => blocking(|| anyhow::Ok(self.servers()?.database.pause()?))?,
            Act::Link(wire, harm) => do_harm(self.link(wire)?, harm),
            Act::Tropo(knobs) => self.tropo.turn(knobs).await?,
            Act::CloseConnections => blocking(|| anyhow::Ok(self.servers()?.broker.close_all_connections()?))?,
            Act::MemoryAlarm => blocking(|| anyhow::Ok(self.servers()?.broker.set_memory_alarm(true)?))?,
            Act::RollingRestart => self.restart_all().await?,
            Act::Purge => self.kill(Target::Service("router"))?,
        }
        Ok(())
    }

    /// Lifts a fault: what was ended is started again, what was harmed is whole.
    ///
    /// # Errors
    /// It could not be lifted.
    pub(super) async fn lift(&mut self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::Kill(target) => self.start_and_heal(target)?,
            Act::BrokerAway => self.start_and_heal(Target::Broker)?,
            Act::Pause(Target::Service(name)) => {
                let part = self.service(name)?.part();
                blocking(|| part.resume())?;
            }
            Act::Pause(Target::Broker) => blocking(|| anyhow::Ok(self.servers()?.broker.resume()?))?,
            Act::Pause(Target::Database) => blocking(|| anyhow::Ok(self.servers()?.database.resume()?))?,
            Act::Link(wire, _) => self.link(wire)?.heal(),
            Act::Tropo(_) => self.tropo.turn("{}").await?,
            Act::MemoryAlarm => blocking(|| anyhow::Ok(self.servers()?.broker.set_memory_alarm(false)?))?,
            Act::Purge => {
                blocking(|| {
                    let broker = &self.servers()?.broker;
                    anyhow::Ok(
                        QueueName::texts().try_for_each(|queue| broker.management().purge(VHOST, queue.as_str()))?,
                    )
                })?;
                self.service("router")?.start()?;
            }
            Act::CloseConnections | Act::RollingRestart => {}
        }
        Ok(())
    }

    /// Kills a process, and starts it again at once.
    ///
    /// # Errors
    /// It could not be killed, or not be started.
    pub(super) fn kill_and_start(&mut self, target: Target) -> anyhow::Result<()> {
        self.kill_and_cut(target)?;
        self.start_and_heal(target)
    }

    /// Nobody listens there any more: who connects is refused, and not reset.
    fn kill_and_cut(&mut self, target: Target) -> anyhow::Result<()> {
        self.kill(target)?;
        for wire in wires_to(target) {
            self.link(*wire)?.cut();
        }
        Ok(())
    }

    fn start_and_heal(&mut self, target: Target) -> anyhow::Result<()> {
        self.start_again(target)?;
        for wire in wires_to(target) {
            self.link(*wire)?.heal();
        }
        Ok(())
    }

    fn kill(&mut self, target: Target) -> anyhow::Result<()> {
        let killed = match target {
            Target::Service(name) => {
                let part = self.service(name)?.part();
                blocking(|| part.kill())
            }
            Target::Broker => {
                let broker = &mut self.servers()?.broker;
                blocking(|| broker.kill())
            }
            Target::Database => {
                let database = &mut self.servers()?.database;
                blocking(|| database.kill())
            }
        };
        killed.with_context(|| format!("kill {target:?}"))
    }

    fn start_again(&mut self, target: Target) -> anyhow::Result<()> {
        match target {
            Target::Service(name) => self.service(name)?.start(),
            Target::Broker => {
                let broker = &mut self.servers()?.broker;
                blocking(|| broker.restart()).context("start RabbitMQ again")
            }
            Target::Database => {
                let database = &mut self.servers()?.database;
                blocking(|| database.restart()).context("start PostgreSQL again")
            }
        }
    }

    /// One after the other, the next when all are ready again.
    async fn restart_all(&mut self) -> anyhow::Result<()> {
        for name in self.product() {
            self.service(name)?.stop(STOP_MAX)?;
            self.service(name)?.start()?;
            self.wait_ready().await.with_context(|| format!("restart {name}"))?;
        }
        Ok(())
    }
}

fn do_harm(link: &Proxy, harm: Harm) {
    match harm {
        Harm::Cut => link.cut(),
        Harm::Held => link.black_hole(),
        Harm::Reset => link.reset_all(),
    }
}

/// The links that end at what is killed.
fn wires_to(target: Target) -> &'static [Wire] {
    match target {
        Target::Service("ingress") => &[Wire::Webhooks],
        Target::Service("egress") => &[Wire::CallBacks],
        // The call-backs of one process stay in it.
        Target::Service("up") => &[Wire::Webhooks],
        Target::Service(_) => &[],
        Target::Broker => &[Wire::Broker],
        Target::Database => &[Wire::Ledger],
    }
}
