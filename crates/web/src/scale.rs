//! Scales of drawings.

/// The end of a scale that holds `most`: 2, 4, 6, 8, 10, 12 or 16 of some power of ten, so that its half is round as
/// well.
pub fn top_of_scale(most: i64) -> i64 {
    let mut power = 1i64;
    loop {
        if let Some(top) =
            [2, 4, 6, 8, 10, 12, 16].into_iter().map(|n| power.saturating_mul(n)).find(|top| *top >= most)
        {
            return top;
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_everything() {
        for (most, top) in [
            (0, 2),
            (1, 2),
            (2, 2),
            (3, 4),
            (7, 8),
            (9, 10),
            (11, 12),
            (17, 20),
            (61, 80),
            (3998, 4000),
            (4001, 6000),
        ] {
            assert_eq!(top_of_scale(most), top, "{most}");
        }
        assert_eq!(top_of_scale(i64::MAX), i64::MAX);
    }
}
