//! Seeded random numbers and hashes, the same on every machine: no dependence on time, address or number of threads.

/// The increment of SplitMix64: 2^64 / golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on every bit of `z`.
#[inline(always)]
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random bits number `index` of the stream `seed`: the output that [`SplitMix64::new`]`(seed)` gives after `index` others.
#[inline(always)]
pub fn at(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// The SplitMix64 generator: eight bytes of state, any seed is good; used to seed others.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the stream `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}

/// The generator of everything random in a run: xoshiro256++ (Blackman and Vigna 2019), seeded by SplitMix64. Its state can be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng([u64; 4]);

impl Rng {
    /// Starts the stream `seed`.
    pub fn new(seed: u64) -> Self {
        let mut seeds = SplitMix64::new(seed);
        Self(std::array::from_fn(|_| seeds.next_u64()))
    }

    /// The state, for [`Rng::from_state`].
    pub fn state(&self) -> [u64; 4] {
        self.0
    }

    /// Goes on from a saved state. All zeros, which no generator reaches, would repeat for ever and stands for seed 0.
    pub fn from_state(state: [u64; 4]) -> Self {
        if state == [0; 4] { Self::new(0) } else { Self(state) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform among 0..n without bias (Lemire 2019); 0 for n = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            // Among the 2^64 products, 2^64 mod n too many would fall on some results; those with the smallest low halves go.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // 1 - uniform lies in (0, 1], so the logarithm is finite. libm, not std: the same digits on every platform.
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Puts the items in random order, all orders equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// 64-bit FNV-1a hash of the text's bytes: stable across versions and machines.
pub fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the generator's published C program for seed 1234567.
    #[test]
    fn splitmix_known_answers() {
        let mut rng = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
        assert_eq!([0, 1, 2, 3].map(|i| at(1_234_567, i)), expected);
    }

    /// First outputs of the generator's published C program for the state 1, 2, 3, 4.
    #[test]
    fn xoshiro_known_answers() {
        let mut rng = Rng::from_state([1, 2, 3, 4]);
        let expected =
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
    }

    /// The test vectors of the hash's specification.
    #[test]
    fn fnv_known_answers() {
        assert_eq!(fnv1a64(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a64("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(7);
        let n = 200_000;
        let moment = |xs: &[f64], k: i32| xs.iter().map(|x| x.powi(k)).sum::<f64>() / xs.len() as f64;
        let uniform: Vec<f64> = (0..n).map(|_| rng.uniform()).collect();
        assert!(uniform.iter().all(|x| (0.0..1.0).contains(x)));
        // Standard errors: 0.29 / sqrt(n) = 0.0006 and about 1 / sqrt(n) = 0.002 (10 / sqrt(n) = 0.02 for the fourth moment).
        assert!((moment(&uniform, 1) - 0.5).abs() < 0.003);
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        assert!(moment(&normal, 1).abs() < 0.01);
        assert!((moment(&normal, 2) - 1.0).abs() < 0.015);
        assert!((moment(&normal, 4) - 3.0).abs() < 0.1);
    }

    #[test]
    fn below_is_even_and_state_resumes() {
        let mut rng = Rng::new(3);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // Five standard deviations of a count: 5 * sqrt(10000 * 6 / 7) = 463.
        assert!(counts.iter().all(|&c: &i32| (c - 10_000).abs() < 463), "{counts:?}");
        assert_eq!([rng.below(0), rng.below(1)], [0, 0]);
        let mut resumed = Rng::from_state(rng.state());
        assert_eq!(rng.next_u64(), resumed.next_u64());
        let mut items: Vec<u32> = (0..100).collect();
        rng.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
