//! One after the other under the same load: the exporter, the limit and nginx.

use crate::Encoding;
use crate::shared::Result;
use crate::wrk::Load;

/// How each did, at nearly the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) exporter: Load,
    pub(super) bare: Load,
    pub(super) nginx: Load,
}

/// Which part of its best rate the bare server has where nothing disturbs it.
const UNDISTURBED: f64 = 0.8;

impl Turn {
    /// The best of so many turns. Whatever else the machine does only slows: the exporter is measured by the turn in
    /// which it came nearest to the limit. Where the limit itself was disturbed, nobody comes near to it but by luck, and
    /// so that turn does not count.
    pub(super) fn best_of(turns: usize, addresses: [&str; 3], encoding: Encoding) -> Result<Self> {
        let turns = (0..turns).map(|_| Self::take(addresses, encoding)).collect::<Result<Vec<_>>>()?;
        let limit = turns.iter().map(|turn| turn.bare.rate).fold(0.0, f64::max);
        let undisturbed = turns.into_iter().filter(|turn| turn.bare.rate >= limit * UNDISTURBED);
        undisturbed.max_by(|one, other| one.ratio().total_cmp(&other.ratio())).ok_or_else(|| "no turn".into())
    }

    fn take([exporter, bare, nginx]: [&str; 3], encoding: Encoding) -> Result<Self> {
        Ok(Self {
            exporter: Load::on(exporter, encoding)?,
            bare: Load::on(bare, encoding)?,
            nginx: Load::on(nginx, encoding)?,
        })
    }

    /// Which part of the bare server's answers the exporter gave.
    pub(super) fn ratio(&self) -> f64 {
        self.exporter.rate / self.bare.rate
    }
}
