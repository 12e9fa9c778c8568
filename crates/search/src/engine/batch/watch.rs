//! Asks a batch system for the states of its tasks, rarely, and without waiting for the answer.

use super::system::run;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// A listing costs the system at most this part of its time.
const SHARE: u32 = 20;

/// An answer, and when it was asked for: what was submitted later is not in it.
pub struct Answer {
    pub asked: Instant,
    pub said: Result<String, String>,
}

/// Asks again and again. A controller that is away lets a command wait for many seconds, during which outcomes still come in.
pub struct Watch {
    every: Duration,
    next: Instant,
    asked: Option<(Instant, Receiver<Reply>)>,
}

/// What a command said, and how long it took.
type Reply = (Result<String, String>, Duration);

impl Watch {
    pub fn new(every: Duration) -> Self {
        Self { every, next: Instant::now() + every, asked: None }
    }

    /// The answer that has come, if one has; asks by `command` where it is time to.
    pub fn poll(&mut self, command: impl FnOnce() -> Command) -> Option<Answer> {
        let now = Instant::now();
        let Some((asked, answer)) = &self.asked else {
            if now >= self.next {
                let (sender, receiver) = mpsc::channel();
                let mut command = command();
                std::thread::spawn(move || {
                    let said = run(&mut command);
                    // Nobody receives where the engine is gone.
                    let _ = sender.send((said, now.elapsed()));
                });
                self.asked = Some((now, receiver));
            }
            return None;
        };
        let (said, took) = match answer.try_recv() {
            Ok(reply) => reply,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => (Err("nobody runs the command".into()), Duration::ZERO),
        };
        let asked = *asked;
        self.asked = None;
        self.next = now + (took * SHARE).clamp(self.every, self.every * 12);
        Some(Answer { asked, said })
    }
}
