//! The hardest life: an operator that is lost after every single change it makes; it must still get somewhere. No play ends without a verdict.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

use super::{Act, Props, Rehearsal, begin_act};
use crate::sim::ledger::Strike;
use crate::sim::world::World;

/// Changes that are told when it gets nowhere.
const TOLD: usize = 12;
/// No container is back earlier than after this long.
const RESTART: Duration = Duration::from_secs(1);

impl Props {
    /// Plays an act in which the operator is lost after every single change, one after another, each time over a broken connection.
    /// Returns how often it was lost.
    ///
    /// # Errors
    /// When it needs twice as many changes as without a mishap, does not come to rest, or not at the rehearsed end.
    pub async fn lose_always(&self, world: World, act: &Act, rehearsal: &Rehearsal) -> anyhow::Result<usize> {
        let mut embedded = self.stage(world);
        begin_act(&embedded, rehearsal.subject(), act).await?;
        let (mut lost, mut last) = (0, VecDeque::new());
        loop {
            embedded.start_operator();
            let ledger = Arc::clone(&embedded.ledger);
            ledger.strike(Some((1, Strike::ClientLost)));
            tokio::select! {
                what = ledger.struck() => {
                    lost += 1;
                    last.truncate(TOLD - 1);
                    last.push_front(what);
                    sleep(RESTART).await;
                }
                arrived = rehearsal.arrive(&embedded) => {
                    arrived.with_context(|| format!("having lost the operator {lost} times"))?;
                    return Ok(lost);
                }
            }
            if lost > 2 * rehearsal.points() {
                let last: Vec<String> = last.into_iter().collect();
                bail!("having lost the operator {lost} times it gets nowhere; its last changes, the latest first: {}", last.join("; "));
            }
        }
    }
}
