//! [`Peers`]: several [`Host`]s that learn together, each in a thread of its own.
//!
//! A mean is as late as it can be: until [`Engine::averaged`](swish_kernels::cuda::Engine::averaged) its place holds NaN, and what is
//! written there meanwhile is lost. So who does not wait for it, or goes on writing, is found out.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use swish_kernels::cuda::{Misfit, Rank};

use crate::memory::Place;
use crate::{Host, HostError};

/// How long a rank is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A rank's lines to the others, to be taken to its thread.
pub struct Peers {
    rank: Rank,
    /// By their numbers; its own stays empty.
    to: Vec<Option<Sender<Vec<f32>>>>,
    from: Vec<Option<Receiver<Vec<f32>>>>,
    patience: Duration,
}

impl Peers {
    /// Those of `count` ranks, in the order of their numbers.
    ///
    /// # Errors
    /// None for any count that memory has room for.
    pub fn new(count: usize) -> Result<Vec<Self>, Misfit> {
        let mut all = (0..count)
            .map(|number| {
                let (to, from) = ((0..count).map(|_| None).collect(), (0..count).map(|_| None).collect());
                Ok(Self { rank: Rank::new(number, count)?, to, from, patience: PATIENCE })
            })
            .collect::<Result<Vec<_>, Misfit>>()?;
        for sender in 0..count {
            for receiver in (0..count).filter(|receiver| *receiver != sender) {
                let (to, from) = channel();
                all[sender].to[receiver] = Some(to);
                all[receiver].from[sender] = Some(from);
            }
        }
        Ok(all)
    }
}

/// A [`Host`]'s part among others.
pub(crate) struct Group {
    peers: Peers,
    asked: RefCell<Vec<Asked>>,
}

/// A mean that is not there yet.
struct Asked {
    place: Place,
    bytes: Range<usize>,
    own: Vec<f32>,
}

impl Group {
    pub(crate) fn rank(&self) -> Rank {
        self.peers.rank
    }

    /// Of f32 in these bytes.
    pub(crate) fn average(&self, place: &Place, bytes: Range<usize>) -> Result<(), HostError> {
        let own: Vec<f32> = {
            let mut memory = place.bytes_mut();
            let numbers = memory[bytes.clone()].as_chunks_mut().0.iter_mut();
            numbers.map(|x| f32::from_ne_bytes(std::mem::replace(x, f32::NAN.to_ne_bytes()))).collect()
        };
        for (number, to) in self.peers.to.iter().enumerate() {
            if let Some(to) = to
                && to.send(own.clone()).is_err()
            {
                return Err(HostError::Lost { rank: number });
            }
        }
        self.asked.borrow_mut().push(Asked { place: place.clone(), bytes, own });
        Ok(())
    }

    /// Sums are taken in the order of the ranks.
    pub(crate) fn averaged(&self) -> Result<(), HostError> {
        for Asked { place, bytes, own } in self.asked.take() {
            let mut sum = vec![0.0; own.len()];
            for (number, from) in self.peers.from.iter().enumerate() {
                let part = from.as_ref().map_or_else(|| Ok(own.clone()), |from| self.receive(number, from))?;
                if part.len() != own.len() {
                    let message = format!("rank {number} averages {} numbers, this one {}", part.len(), own.len());
                    return Err(HostError::Run { entry: "average".into(), message });
                }
                sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
            let share = 1.0 / self.peers.rank.of() as f32;
            let mean: Vec<u8> = sum.into_iter().flat_map(|sum: f32| (sum * share).to_ne_bytes()).collect();
            place.bytes_mut()[bytes].copy_from_slice(&mean);
        }
        Ok(())
    }

    fn receive(&self, number: usize, from: &Receiver<Vec<f32>>) -> Result<Vec<f32>, HostError> {
        from.recv_timeout(self.peers.patience).map_err(|error| match error {
            RecvTimeoutError::Disconnected => HostError::Lost { rank: number },
            RecvTimeoutError::Timeout => HostError::Silent { rank: number, patience: self.peers.patience },
        })
    }
}

impl Host {
    /// Learns with others from now on.
    pub fn join(&mut self, peers: Peers) {
        self.group = Some(Rc::new(Group { peers, asked: RefCell::default() }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use swish_kernels::cuda::{Engine, Slice};

    fn hosts(count: usize) -> Option<Vec<Host>> {
        let mut hosts = Vec::new();
        for peers in Peers::new(count).unwrap() {
            let mut host = Host::new(&std::env::temp_dir())?;
            host.join(peers);
            hosts.push(host);
        }
        Some(hosts)
    }

    #[test]
    fn a_mean_is_there_when_it_is_waited_for() {
        let Some(hosts) = hosts(3) else { return };
        let mut slices: Vec<_> =
            hosts.iter().zip([1.0, 2.0, 6.0]).map(|(host, x)| Slice::of(host, &[x, 5.0, -x]).unwrap()).collect();
        for (host, slice) in hosts.iter().zip(&mut slices) {
            host.average(slice.view_mut().range(1..3)).unwrap();
            let found = slice.to_vec(host).unwrap();
            assert!(found[0] > 0.0 && found[1..].iter().all(|x| x.is_nan()), "{found:?}");
        }
        for ((host, slice), own) in hosts.iter().zip(&slices).zip([1.0, 2.0, 6.0]) {
            host.averaged().unwrap();
            assert_eq!(slice.to_vec(host).unwrap(), [own, 5.0, -3.0]);
            host.averaged().unwrap();
        }
    }

    #[test]
    fn a_lost_rank_and_another_length_are_errors() {
        let Some(mut hosts) = hosts(2) else { return };
        let mut slices: Vec<_> = hosts.iter().map(|host| Slice::of(host, &[1.0, 2.0]).unwrap()).collect();
        hosts[0].average(slices[0].view_mut()).unwrap();
        hosts[1].average(slices[1].view_mut().range(0..1)).unwrap();
        let error = hosts[0].averaged().unwrap_err().to_string();
        assert!(error.contains("rank 1 averages 1 numbers, this one 2"), "{error}");
        drop(hosts.pop());
        let error = hosts[0].average(slices[0].view_mut()).unwrap_err().to_string();
        assert!(error.contains("rank 1"), "{error}");
    }
}
