"""Whether probabilities mean what they say: reliability bins and calibration errors.

Of rows with probability near p, about the share p should be of class 1 (Murphy and Winkler 1977, Applied
Statistics 26:41). Calibration errors are never negative, so a perfect model's are above zero by chance:
:func:`calibration_error_floor` says how far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.model import Floats
from trainer.metrics.weighting import ratio, row_weights
from trainer.table import Labels

#: Uniform: bins of equal width. Quantile: bins of about equally many rows.
Binning = Literal["uniform", "quantile"]

#: With more (Guo et al. 2017, ICML 1321, took 15) a bin of a few hundred rows would be little but chance.
BINS = 10


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Predicted against observed in k bins; a bin without weight has nan for both, as all have beside a nan."""

    edges: Floats  #: (k + 1,) a bin holds its upper edge, not its lower one, but the first holds both
    weight: Floats  #: (k,) rows of each bin, or the sum of their weights
    mean_probability: Floats  #: (k,)
    observed_rate: Floats  #: (k,) share of class 1


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Rows in the order of their k bins of probability, made ready to be summed under many weightings."""

    edges: Floats  #: (k + 1,)
    order: NDArray[np.intp]  #: (n,)
    held: NDArray[np.intp]  #: (h,) the bins that hold rows
    starts: NDArray[np.intp]  #: (h,) where the rows of each of them begin in that order
    probability: Floats  #: (n,) in that order
    outcome: Floats  #: (n,) in that order: 0 or 1

    @classmethod
    def of(cls, y: Labels, probability: Floats, bins: int = BINS, binning: Binning = "uniform") -> BinnedRows:
        """From outcomes and probabilities (n,). Raises DataError for fewer than one bin.

        Quantiles are of the rows, whatever their weights, and stay where they are in a bootstrap.
        """
        if bins < 1:
            raise DataError(f"{bins} bins hold no rows; ask for at least one")
        outcome = (y == 1).astype(np.float64)
        if np.isnan(probability).any():
            # a row that belongs to no bin leaves no bin known
            probability, outcome = np.full_like(probability, np.nan), np.full_like(outcome, np.nan)
        edges = np.linspace(0.0, 1.0, bins + 1)
        if binning == "quantile":
            edges = np.percentile(probability, edges * 100)
        places = np.searchsorted(edges[1:-1], probability)
        order = np.argsort(places, kind="stable")
        held, starts = np.unique(places[order], return_index=True)
        return cls(edges, order, held, starts, probability[order], outcome[order])

    def sums(self, weights: Floats, values: Floats | None = None) -> Floats:
        """(b, k) weight in each bin under weights (b, n), each row times its value (n,), in ``order``."""
        ordered = weights[:, self.order]
        if values is not None:
            ordered *= values
        total = np.zeros((len(weights), len(self.edges) - 1))
        total[:, self.held] = np.add.reduceat(ordered, self.starts, axis=1)
        return total

    def mean_probabilities(self, weights: Floats) -> Floats:
        """(b, k) mean probability of each bin; nan for a bin without weight."""
        return ratio(self.sums(weights, self.probability), self.sums(weights))

    def observed_rates(self, weights: Floats) -> Floats:
        """(b, k) share of class 1 in each bin; nan for a bin without weight."""
        return ratio(self.sums(weights, self.outcome), self.sums(weights))

    def gaps(self, weights: Floats) -> Floats:
        """(b, k) observed rate less mean probability; nan for a bin without weight."""
        return ratio(self.sums(weights, self.outcome - self.probability), self.sums(weights))

    def weighted_gaps(self, weights: Floats) -> Floats:
        """(b, k) the same times the bin's share of all weight: their absolute sum is the expected error."""
        excess = self.sums(weights, self.outcome - self.probability)
        shares: Floats = excess / weights.sum(axis=1, keepdims=True)
        return shares


def reliability_bins(
    y: Labels,
    probability: Floats,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    binning: Binning = "uniform",
) -> ReliabilityBins:
    """Predicted against observed in bins of probability; n is at least one."""
    rows = BinnedRows.of(y, probability, bins, binning)
    w = row_weights(len(y), weights)[np.newaxis]
    return ReliabilityBins(rows.edges, rows.sums(w)[0], rows.mean_probabilities(w)[0], rows.observed_rates(w)[0])


def expected_calibration_error(
    y: Labels,
    probability: Floats,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    binning: Binning = "uniform",
) -> float:
    """Mean over the rows of their bin's absolute gap between observed rate and mean probability.

    Source: Naeini, Cooper, Hauskrecht 2015, AAAI 2901.

    >>> round(expected_calibration_error(np.array([0, 1], dtype=np.uint8), np.array([0.2, 0.9])), 6)
    0.15
    """
    rows = BinnedRows.of(y, probability, bins, binning)
    return float(sum_of_gaps(rows.weighted_gaps(row_weights(len(y), weights)[np.newaxis])).item())


def maximum_calibration_error(
    y: Labels,
    probability: Floats,
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    binning: Binning = "uniform",
) -> float:
    """The largest absolute gap of a bin that holds any weight; a bin of few rows may decide it.

    Source: Naeini, Cooper, Hauskrecht 2015, AAAI 2901.
    """
    rows = BinnedRows.of(y, probability, bins, binning)
    return float(largest_gap(rows.gaps(row_weights(len(y), weights)[np.newaxis])).item())


def calibration_error_floor(
    probability: Floats, weights: Floats | None = None, *, bins: int = BINS, binning: Binning = "uniform"
) -> float:
    """Expected calibration error that a perfect model with these probabilities (n,) has on average by chance.

    Outcomes are then Bernoulli draws, and a bin's excess is about normal with variance v = sum of w^2 p (1 - p):
    its absolute mean is sqrt(2 v / pi).
    """
    w = row_weights(len(probability), weights)
    nothing = np.zeros(len(probability), dtype=np.uint8)
    rows = BinnedRows.of(nothing, probability, bins, binning)
    variance = rows.sums((w**2)[np.newaxis], rows.probability * (1.0 - rows.probability))
    return float(np.sqrt(2.0 * variance / np.pi).sum() / w.sum())


def sum_of_gaps(weighted_gaps: Floats) -> Floats:
    """(b,) expected errors of weighted gaps (b, k)."""
    total: Floats = np.abs(weighted_gaps).sum(axis=1)
    return total


def largest_gap(gaps: Floats) -> Floats:
    """(b,) the largest absolute gap of gaps (b, k), bins without weight (nan) left out."""
    # fmax passes nan over; a row of nothing but nan stays nan
    largest: Floats = np.fmax.reduce(np.abs(gaps), axis=1)
    return largest
