//! Tells the service manager that the gateway works, as often as it wants to hear it.

use tokio::time::{MissedTickBehavior, interval};

use crate::os::{self, Notice};
use crate::runtime::Runtimes;

/// Of the time that the manager waits, the part after which it is told. It recommends a half.
const PART: u32 = 3;

/// Tells it for ever, each time after every runtime thread has done something; returns at once when nobody wants to hear
/// it. One that is stuck keeps it silent, and so has the gateway started again.
pub async fn run(runtimes: Runtimes) {
    let Some(limit) = os::watchdog().filter(|limit| !limit.is_zero()) else {
        return;
    };
    let mut ticks = interval(limit / PART);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for thread in runtimes.handles() {
            if thread.spawn(async {}).await.is_err() {
                return;
            }
        }
        os::notify(Notice::Alive);
    }
}
