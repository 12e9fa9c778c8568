//! Losses that a device keeps until somebody asks for them.

use swish_kernels::cuda::{Engine, Slice, ViewMut};

/// Losses that nobody has asked for yet.
pub(super) struct Losses<D: Engine> {
    there: Slice<D, f32>,
    /// How many of them there are.
    len: usize,
    /// Those before, which the device had no more room for.
    here: Vec<f64>,
    /// Not 0 once one was not finite.
    pub(super) stop: Slice<D, u32>,
}

/// Losses that a device keeps.
pub(super) const KEPT: usize = 256;

impl<D: Engine> Losses<D> {
    /// With room for so many on the device.
    pub(super) fn new(device: &D, room: usize) -> Result<Self, D::Error> {
        let (there, stop) = (Slice::zeros(device, room)?, Slice::zeros(device, 1)?);
        Ok(Self { there, len: 0, here: Vec::new(), stop })
    }

    /// Where the next one goes, and the flag to set where it is not finite.
    pub(super) fn place(&mut self) -> (ViewMut<'_, D, f32>, ViewMut<'_, D, u32>) {
        (self.there.view_mut().range(self.len..self.len + 1), self.stop.view_mut())
    }

    /// The next one is in its place. Waits for the device where its room is full.
    pub(super) fn added(&mut self, device: &D) -> Result<(), D::Error> {
        self.len += 1;
        if self.len == self.there.len() { self.fetch(device) } else { Ok(()) }
    }

    fn fetch(&mut self, device: &D) -> Result<(), D::Error> {
        let losses = self.there.to_vec(device)?;
        self.here.extend(losses.into_iter().take(std::mem::take(&mut self.len)).map(f64::from));
        Ok(())
    }

    /// Those since the last call; waits for the device.
    pub(super) fn take(&mut self, device: &D) -> Result<Vec<f64>, D::Error> {
        self.fetch(device)?;
        Ok(std::mem::take(&mut self.here))
    }

    /// Forgets them, and that one was not finite.
    pub(super) fn clear(&mut self, device: &D) -> Result<(), D::Error> {
        (self.len, self.here) = (0, Vec::new());
        self.stop.view_mut().zero(device)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use swish_emulation::Host;

    #[test]
    fn no_loss_is_lost_or_told_twice_where_the_room_is_full() {
        let Some(host) = Host::new(&std::env::temp_dir()) else { return };
        let mut losses = Losses::new(&host, 3).unwrap();
        let add = |losses: &mut Losses<Host>, loss: f32| {
            losses.place().0.write(&host, &[loss]).unwrap();
            losses.added(&host).unwrap();
        };
        (0..7).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(losses.take(&host).unwrap(), [0.0; 0]);
        (7..10).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host).unwrap(), [7.0, 8.0, 9.0]);
        losses.place().1.write(&host, &[1]).unwrap();
        add(&mut losses, 10.0);
        losses.clear(&host).unwrap();
        assert_eq!(losses.take(&host).unwrap(), [0.0; 0]);
        assert_eq!(losses.stop.to_vec(&host).unwrap(), [0]);
    }
}
