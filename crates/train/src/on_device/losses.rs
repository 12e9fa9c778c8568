//! Losses that a device keeps until somebody asks for them.

use swish_kernels::cuda::Engine;
use swish_kernels::cuda::launch::loss::Totals;

/// Losses that nobody has asked for yet.
pub(super) struct Losses<D: Engine> {
    pub(super) there: Totals<D>,
    /// How many of them there are.
    len: usize,
    /// Those before, which the device had no more room for.
    here: Vec<f64>,
}

/// Losses that a device keeps.
pub(super) const KEPT: usize = 256;

impl<D: Engine> Losses<D> {
    /// With room for so many on the device.
    pub(super) fn new(device: &D, room: usize) -> Result<Self, D::Error> {
        Ok(Self { there: Totals::new(device, room)?, len: 0, here: Vec::new() })
    }

    /// The device puts one more behind the others. Waits for it where its room is full.
    pub(super) fn added(&mut self, device: &D) -> Result<(), D::Error> {
        self.len += 1;
        if self.len == self.there.room() { self.fetch(device) } else { Ok(()) }
    }

    fn fetch(&mut self, device: &D) -> Result<(), D::Error> {
        let losses = self.there.take(device, std::mem::take(&mut self.len))?;
        self.here.extend(losses.into_iter().map(f64::from));
        Ok(())
    }

    /// Those of the steps since the last call, each of so many batches; waits for the device.
    pub(super) fn take(&mut self, device: &D, replicas: u64) -> Result<Vec<f64>, D::Error> {
        self.fetch(device)?;
        Ok(means(&std::mem::take(&mut self.here), replicas).collect())
    }

    /// Forgets them, and that one was not finite.
    pub(super) fn clear(&mut self, device: &D) -> Result<(), D::Error> {
        (self.len, self.here) = (0, Vec::new());
        self.there.clear(device)
    }
}

/// The mean loss of each step from the losses of its batches; one that is not finite is told instead.
fn means(losses: &[f64], replicas: u64) -> impl Iterator<Item = f64> {
    losses.chunks(replicas.max(1) as usize).map(|step| {
        let broken = step.iter().copied().find(|loss| !loss.is_finite());
        broken.unwrap_or_else(|| step.iter().sum::<f64>() / step.len() as f64)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use swish_emulation::Host;
    use swish_kernels::cuda::Slice;

    #[test]
    fn no_loss_is_lost_or_told_twice_where_the_room_is_full() {
        let Some(host) = Host::new(&std::env::temp_dir()) else { return };
        let mut losses = Losses::new(&host, 3).unwrap();
        let add = |losses: &mut Losses<Host>, loss: f32| {
            let both = Slice::of(&host, &[loss, f32::NAN]).unwrap();
            losses.there.add(&host, both.view(), 0.0, 0.0).unwrap();
            losses.added(&host).unwrap();
        };
        (0..7).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host, 1).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(losses.take(&host, 1).unwrap(), [0.0; 0]);
        (7..10).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host, 1).unwrap(), [7.0, 8.0, 9.0]);
        add(&mut losses, f32::INFINITY);
        let stop = |losses: &Losses<Host>| losses.there.stop().to_vec(&host).unwrap();
        assert_eq!(stop(&losses), [1]);
        losses.clear(&host).unwrap();
        assert_eq!((losses.take(&host, 1).unwrap(), stop(&losses)), (vec![], vec![0]));
        add(&mut losses, 11.0);
        assert_eq!(losses.take(&host, 1).unwrap(), [11.0]);
    }

    #[test]
    fn a_step_whose_batch_has_a_broken_loss_is_broken() {
        let steps = |losses: &[f64], replicas| means(losses, replicas).map(|loss| loss.to_string()).collect::<Vec<_>>();
        assert_eq!(steps(&[1.0, 3.0, f64::INFINITY, 5.0, 5.0, f64::NAN], 2), ["2", "inf", "NaN"]);
        assert_eq!(steps(&[1.0, 3.0], 1), ["1", "3"]);
        assert_eq!(steps(&[], 2), Vec::<String>::new());
    }
}
