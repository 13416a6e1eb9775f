//! Random numbers of the simulations: hashes of integers, so that the same seed gives the same events on every machine.

/// The bijective finalizer of SplitMix64 (Steele, Lea, Flood 2014, constants of Stafford's variant 13).
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// The bijective finalizer of MurmurHash3 for 32 bits.
pub(super) fn scatter(mut bits: u32) -> u32 {
    bits = (bits ^ bits >> 16).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
    bits ^ bits >> 16
}

/// The `number`-th draw of a key, as SplitMix64 draws it; different for different numbers.
pub(super) fn hash(key: u64, number: u64) -> u64 {
    mix(key.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A number of `from..to`, or `from` if that is empty.
pub(super) fn between(draw: u64, from: i32, to: i32) -> i32 {
    from + (draw % (i64::from(to) - i64::from(from)).max(1) as u64) as i32
}

pub(super) fn pick<T: Copy>(choices: &[T], draw: u64) -> T {
    choices[(draw % choices.len() as u64) as usize]
}

/// ⌊total · part ÷ whole⌋, and 0 of nothing.
pub(super) fn portion(total: u64, part: u64, whole: u64) -> u64 {
    match total.checked_mul(part) {
        Some(product) => product.checked_div(whole).unwrap_or(0),
        None => (u128::from(total) * u128::from(part) / u128::from(whole.max(1))) as u64,
    }
}
