//! Summaries of a few numbers.

/// Numbers of one kind, in the order they were measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(pub(crate) Vec<f64>);

impl Sample {
    /// The value below which `share` of the numbers lie; 0 of nothing.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let place = share * last as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let at = |n: usize| sorted.get(n).copied().unwrap_or(0.0);
        at(below) + (at(above) - at(below)) * (place - place.floor())
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn least(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn most(&self) -> f64 {
        self.quantile(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn quantiles_of_few_and_of_none() {
        let sample = Sample(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((sample.least(), sample.median(), sample.most()), (1.0, 2.5, 4.0));
        assert_eq!(Sample::default().median(), 0.0);
        assert_eq!(Sample(vec![7.0]).quantile(0.9), 7.0);
    }
}
