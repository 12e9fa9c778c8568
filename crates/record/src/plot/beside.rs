//! Labels beside points: each near its point, off the others and off the points.

/// Sides on which a label may stand, the best first.
const SIDES: [(f64, f64); 16] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.0, -1.0),
    (0.0, 1.0),
    (1.0, -1.0),
    (1.0, 1.0),
    (-1.0, -1.0),
    (-1.0, 1.0),
    (1.0, -0.5),
    (1.0, 0.5),
    (-1.0, -0.5),
    (-1.0, 0.5),
    (0.5, -1.0),
    (0.5, 1.0),
    (-0.5, -1.0),
    (-0.5, 1.0),
];
/// How far it may stand from its point.
const DISTANCES: [f64; 9] = [7.0, 16.0, 28.0, 42.0, 60.0, 80.0, 110.0, 140.0, 180.0];

/// A rectangle in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Area {
    fn around((x, y): (f64, f64), (width, height): (f64, f64)) -> Self {
        let (w, h) = (width / 2.0, height / 2.0);
        Self { left: x - w, right: x + w, top: y - h, bottom: y + h }
    }

    fn touches(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    /// The point of the rectangle that is nearest to another.
    pub fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }
}

/// A label to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    /// The point it belongs to.
    pub point: (f64, f64),
    /// Its width and height.
    pub size: (f64, f64),
}

/// Areas for labels, each beside its point, within `bounds` and off all the `points`, which have `radius`. Where that cannot be, a label covers points rather than another label. The first label has the first choice.
pub(super) fn place(labels: &[Label], points: &[(f64, f64)], radius: f64, bounds: Area) -> Vec<Area> {
    let marks: Vec<Area> = points.iter().map(|&point| Area::around(point, (2.0 * radius, 2.0 * radius))).collect();
    let mut placed: Vec<Area> = Vec::new();
    for &Label { point, size } in labels {
        let mut best: Option<(usize, Area)> = None;
        for (far, distance) in DISTANCES.into_iter().enumerate() {
            for side in SIDES {
                let area = beside(point, size, side, distance);
                let hidden = placed.iter().filter(|other| area.touches(other)).count();
                let covered = marks.iter().filter(|mark| area.touches(mark)).count();
                let outside = usize::from(!bounds.holds(&area));
                let cost = 10_000_000 * outside + 100_000 * hidden + 10 * covered + far;
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, area));
                }
            }
        }
        placed.extend(best.map(|(_, area)| area));
    }
    placed
}

/// The area of a label on one side of a point.
fn beside((x, y): (f64, f64), (width, height): (f64, f64), side: (f64, f64), distance: f64) -> Area {
    // As far from the point in every direction.
    let distance = distance / side.0.hypot(side.1);
    let center = (x + side.0 * (distance + width / 2.0), y + side.1 * (distance + height / 2.0));
    Area::around(center, (width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Area = Area { left: 0.0, right: 300.0, top: 0.0, bottom: 300.0 };
    const SIZE: (f64, f64) = (40.0, 12.0);

    #[test]
    fn a_lone_label_stands_to_the_right_or_where_there_is_room() {
        let place = |point| place(&[Label { point, size: SIZE }], &[point], 3.0, BOUNDS)[0];
        assert_eq!(place((100.0, 100.0)), Area { left: 107.0, right: 147.0, top: 94.0, bottom: 106.0 });
        assert_eq!(place((290.0, 100.0)).right, 283.0);
    }

    #[test]
    fn labels_of_crowded_points_do_not_touch() {
        let points: Vec<(f64, f64)> = (0..12).map(|n| (200.0 + f64::from(n % 4), 150.0 + f64::from(n))).collect();
        let labels: Vec<_> = points.iter().map(|&point| Label { point, size: SIZE }).collect();
        let placed = place(&labels, &points, 3.0, BOUNDS);
        assert_eq!(placed.len(), points.len());
        for (n, area) in placed.iter().enumerate() {
            assert!(BOUNDS.holds(area), "{area:?}");
            assert!(placed[n + 1..].iter().all(|other| !area.touches(other)), "{area:?}");
        }
    }
}
