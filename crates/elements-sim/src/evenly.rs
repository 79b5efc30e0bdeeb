//! Chance that repeats.

/// 2^32 divided by the golden ratio: steps of it, wrapped around, never bunch up.
const GOLDEN_STEP: u32 = 0x9E37_79B9;

/// The `nth` of the numbers that spread evenly from 0 to below 1, the same ones for the same seed.
pub(crate) fn spread(seed: u32, nth: u64) -> f64 {
    // After 2^32 numbers they begin anew.
    let steps = u32::try_from(nth % (1 << 32)).unwrap_or_default();
    f64::from(seed.wrapping_add(steps.wrapping_mul(GOLDEN_STEP))) / (f64::from(u32::MAX) + 1.0)
}
