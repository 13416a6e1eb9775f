//! The probability of a number of new users, by the negative binomial distribution that earlier weeks predict
//! (semantics §3, C21 to C23).

/// What new users of 7 days are expected to be, after whole blocks of 7 days with new users in all: a negative
/// binomial with r = ½ + total and success probability (1 + blocks) / (2 + blocks) (semantics §3).
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Newcomers {
    pub(super) blocks: u32,
    pub(super) total: u32,
}

impl Newcomers {
    /// P(X ≥ x).
    pub(in crate::engine) fn at_least(self, x: u32) -> f64 {
        if x == 0 {
            return 1.0;
        }
        let r = 0.5 + f64::from(self.total);
        let fail = 1.0 / f64::from(2 + self.blocks);
        let mean = r / f64::from(1 + self.blocks);
        let x = f64::from(x);
        // The sum that starts beside x and runs away from the mean: all its terms are small and none cancel.
        if x > mean {
            let mut term = self.probability(x, r, fail);
            let mut sum = term;
            let mut next = x;
            while term > sum * 1e-18 {
                term *= (next + r) / (next + 1.0) * fail;
                next += 1.0;
                sum += term;
            }
            sum
        } else {
            let mut term = self.probability(x - 1.0, r, fail);
            let mut sum = term;
            let mut last = x - 1.0;
            while last > 0.0 && term > sum * 1e-18 {
                term *= last / ((last - 1.0 + r) * fail);
                last -= 1.0;
                sum += term;
            }
            1.0 - sum
        }
    }

    /// P(X = x).
    fn probability(self, x: f64, r: f64, fail: f64) -> f64 {
        if r + x < 150.0 {
            // Short products keep every digit that logarithms of gammas would lose.
            let start = libm::pow(f64::from(1 + self.blocks) / f64::from(2 + self.blocks), r);
            return (0..x as u32).map(f64::from).fold(start, |p, k| p * ((k + r) / (k + 1.0) * fail));
        }
        let log = libm::lgamma(x + r) - libm::lgamma(r) - libm::lgamma(x + 1.0);
        libm::exp(log + r * libm::log1p(-fail) + x * libm::log(fail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_negative_binomial_is_exact() {
        // S = 0 after two blocks: r = ½, fail = ¼. P(X ≥ 1) = 1 − √¾.
        let none = Newcomers { blocks: 2, total: 0 };
        assert!((none.at_least(1) - (1.0 - 0.75_f64.sqrt())).abs() < 1e-15);
        assert_eq!(none.at_least(0), 1.0);
        // P(X ≥ 2) = 1 − √¾·(1 + ½·¼).
        assert!((none.at_least(2) - (1.0 - 0.75_f64.sqrt() * 1.125)).abs() < 1e-15);
        // Both sums and both forms of the probability meet: P(X ≥ x) = P(X = x) + P(X ≥ x + 1).
        for total in [0, 3, 40, 149, 150, 2_000, 100_000] {
            for blocks in [2, 8] {
                let expected = Newcomers { blocks, total };
                let mean = (total / (1 + blocks)) as i64;
                for x in [mean - 3, mean, mean + 1, mean + 30] {
                    let x = x.max(0) as u32;
                    let fail = 1.0 / f64::from(2 + blocks);
                    let step = expected.probability(f64::from(x), 0.5 + f64::from(total), fail);
                    let (here, next) = (expected.at_least(x), expected.at_least(x + 1));
                    assert!((here - next - step).abs() < 1e-9 * here, "{expected:?} {x}: {here} {next} {step}");
                }
            }
        }
    }
}
