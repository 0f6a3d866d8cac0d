"""The logistic curves of VQEG, from predictions to the scale of the opinion scores.

For a given centre and width of the logistic, the other parameters of both curves follow from linear least squares. So
only centre and width are searched for: from the best places of a coarse grid, by ``scipy.optimize.least_squares``, on
predictions that are shifted and scaled to unit spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import check_scores

EVALUATIONS = 200  # of the curve, for each start
WIDTHS = (0.2, 0.4, 0.8, 1.6)  # of the starts, in units of the spread of the predictions
NEIGHBOURS = (0.05, 0.2)  # share of the photos on either side of a centre whose distance gives further widths
WIDEST = {4: 30.0, 5: 2.0}  # in units of the range; a wider logistic is a line (4), or line and cubic (5)
PLAIN = {4: 0.05, 5: 0.1}  # least width in units of the spread, of the search from starts of these WIDTHS
BEYOND = 12.0  # widths from the nearest prediction to the centre; there the curve is an exponential
ON_SLOPE = {4: 0.01, 5: 0.05}
"""Share of the photos, and at least 3 of them, that must lie where the logistic has between 5 and 95 % of its rise: on
fewer, it is a step between photos or a spike at one end, and fits noise."""

Basis = Callable[[np.ndarray, np.ndarray, np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Fit:
    """A fitted curve.

    Args:
        parameters: b1 to b4 or b1 to b5 of the formulas of :func:`fit_logistic4` and :func:`fit_logistic5`.
    """

    parameters: tuple[float, ...]

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """Predictions (any shape) -> values on the scale of the opinion scores."""
        z = np.asarray(x, np.float64)
        if len(self.parameters) == 4:
            b1, b2, b3, b4 = self.parameters
            return (b1 - b2) * expit((z - b3) / abs(b4)) + b2
        b1, b2, b3, b4, b5 = self.parameters
        return b1 * (expit(b2 * (z - b3)) - 0.5) + b4 * z + b5


def fit_logistic4(predicted: ArrayLike, mos: ArrayLike) -> Fit:
    """Fit ``(b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2`` by least squares.

    The form that IQA papers cite from the reports of VQEG (FR-TV Phase I, 2000, and Phase II, 2003). It is monotonic;
    it falls where b1 < b2.

    Args:
        predicted: N predictions, on any scale.
        mos: N opinion scores.

    Raises:
        InputError: as :func:`check_scores`; fewer than 5 photos or 4 different predictions; or no curve was found:
            every start ended in a step or a spike (see :data:`ON_SLOPE`), or did not converge.
    """
    x, y = check_scores(predicted, mos)
    centre, width, (rise,), offset, (middle, spread) = _search(4, x, y, _rising)
    return _finite((rise + offset, offset, middle + spread * centre, spread * width))


def fit_logistic5(predicted: ArrayLike, mos: ArrayLike) -> Fit:
    """Fit ``b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5`` by least squares.

    Logistic and line: Sheikh, Sabir and Bovik, "A statistical evaluation of recent full reference image quality
    assessment algorithms", IEEE TIP 15(11), 2006. Held monotonic over the range of the predictions, as ITU-T P.1401
    asks of a mapping. Its logistic part is kept from becoming a step, which would fit noise where a line is enough.

    Args:
        predicted: N predictions, on any scale.
        mos: N opinion scores.

    Raises:
        InputError: as :func:`fit_logistic4`; here 6 photos and 5 different predictions are needed.
    """
    x, y = check_scores(predicted, mos)
    z, (middle, spread) = _standardise(x)
    ends = (z.min(), z.max())

    def basis(z: np.ndarray, centre: np.ndarray, width: np.ndarray) -> list[np.ndarray]:
        return _rising_with_line(z, centre, width, ends)

    centre, width, (first, second), offset, _ = _search(5, x, y, basis)
    steep, flat = (float(k) for k in _steepness(np.asarray(centre), np.asarray(width), ends))
    amplitude = (first - second) / (steep - flat)
    slope = second - amplitude * flat
    # offset + amplitude * logistic + slope * z, back to x
    return _finite(
        (
            amplitude,
            1 / (width * spread),
            middle + spread * centre,
            slope / spread,
            offset + amplitude / 2 - slope * middle / spread,
        )
    )


def _search(
    count: int, x: np.ndarray, y: np.ndarray, basis: Basis
) -> tuple[float, float, tuple[float, ...], float, tuple[float, float]]:
    """Centre and width (in standardised units), coefficients and offset of the basis, and middle and spread of x."""
    if len(x) <= count:
        raise InputError(f'a curve of {count} parameters needs at least {count + 1} photos, got {len(x)}')
    different = len(np.unique(x))
    if different < count:
        raise InputError(f'a curve of {count} parameters needs at least {count} different predictions, got {different}')
    z, scale = _standardise(x)
    low, high = float(z.min()), float(z.max())
    groups = _grid(z)
    narrowest = min(float(group[:, 1].min()) for group in groups) - np.log(10)
    bounds = ([2 * low - high, narrowest], [2 * high - low, np.log(max(WIDEST[count] * (high - low), 2e-9))])
    groups = [np.clip(group, *bounds) for group in groups]
    grid = np.concatenate(groups)
    centre_y, scale_y = y.mean(), y.std()
    target = (y - centre_y) / scale_y
    columns = basis(z, grid[:, :1], np.exp(grid[:, 1:]))
    costs = {sign: np.square(_project(columns, sign * target)[0]).sum(axis=-1) for sign in (1.0, -1.0)}
    sign = min(costs, key=lambda s: costs[s].min())
    ends = np.cumsum([len(group) for group in groups])[:-1]
    starts = [group[cost.argmin()] for group, cost in zip(groups, np.split(costs[sign], ends), strict=True)]

    def near(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre and width; further beyond an end the curve is the same, but its height loses all digits."""
        width = np.exp(place[1])
        return np.clip(place[0], low - BEYOND * width, high + BEYOND * width), width

    def residuals(place: np.ndarray) -> np.ndarray:
        return _project(basis(z, *near(place)), sign * target)[0]

    margin = high - low if count == 4 else 0.0
    least = np.log(PLAIN[count])
    plain = ([low - margin, least], [high + margin, max(bounds[1][1], least + 1)])
    best = None
    reasons = []
    for number, start in enumerate(starts):
        usual = number < len(WIDTHS)
        limits = plain if usual else bounds
        start = np.clip(start, *limits)
        result = least_squares(residuals, start, bounds=limits, x_scale='jac', max_nfev=EVALUATIONS)
        if usual and count == 4 and result.x[1] < least + 0.05:  # a step, or predictions that are dense at its centre
            result = least_squares(residuals, np.clip(result.x, *bounds), bounds=bounds, x_scale='jac', max_nfev=50)
        middle, breadth = (float(value) for value in near(result.x))
        reason = '' if usual and count == 5 else _too_steep(z, middle, breadth, ON_SLOPE[count])
        if result.status <= 0 or reason:
            reasons.append(reason or f'no convergence in {EVALUATIONS} steps')
        elif best is None or result.cost < best[0]:
            best = (result.cost, result.x)
    if best is None:
        raise InputError(', '.join(dict.fromkeys(reasons)))
    centre, width = near(best[1])
    _, factors, offset = _project(basis(z, centre, width), sign * target)
    rises = tuple(float(sign * scale_y * factor) for factor in factors)
    if not any(rises):
        raise InputError('the best curve is a constant')
    return float(centre), float(width), rises, float(sign * scale_y * offset + centre_y), scale


def _grid(z: np.ndarray) -> list[np.ndarray]:
    """Groups of places (centre, log of the width), of each of which the best is a start.

    A group for each of :data:`WIDTHS`; one for each of :data:`NEIGHBOURS`, whose widths follow how dense predictions
    are about the centre; and one beyond either end, where the curve is nearly an exponential of the predictions.
    """
    low, high = float(z.min()), float(z.max())
    quantiles = np.linspace(0.05, 0.95, 7)
    centres = np.quantile(z, quantiles)
    groups = [[(centre, width) for centre in centres] for width in WIDTHS]
    beyond: tuple[list[tuple[float, float]], ...] = ([], [])
    for share in NEIGHBOURS:
        left, right = (np.quantile(z, np.clip(quantiles + side * share, 0, 1)) for side in (-1, 1))
        groups.append(list(zip(centres, (right - left) / 4, strict=True)))
        for steps in (1, 4, 12):
            width = (float(np.quantile(z, share)) - low) / 2
            beyond[0].append((low - steps * width, width))
            width = (high - float(np.quantile(z, 1 - share))) / 2
            beyond[1].append((high + steps * width, width))
    least = 1e-9 * (high - low)  # of many equal predictions
    return [np.array([(centre, np.log(max(width, least))) for centre, width in group]) for group in (*groups, *beyond)]


def _too_steep(z: np.ndarray, centre: float, width: float, share: float) -> str:
    """Why a logistic is no curve through the photos: too few lie on its slope; empty where enough do."""
    rise = expit((z - centre) / width)
    rise = (rise - rise.min()) / max(float(np.ptp(rise)), 1e-300)
    if np.count_nonzero((rise > 0.05) & (rise < 0.95)) >= max(3, share * len(z)):
        return ''
    at_ends = min(np.count_nonzero(rise <= 0.05), np.count_nonzero(rise >= 0.95))
    return 'the best curve is a step' if at_ends >= max(2, share * len(z)) else 'the best curve is a spike at one end'


def _standardise(x: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """To median 0 and unit spread; a few far outliers do not set the scale."""
    middle = float(np.median(x))
    low, high = np.quantile(x, [0.16, 0.84])
    spread = float(high - low) / 2 or float(x.std())
    return (x - middle) / spread, (middle, spread)


def _rising(z: np.ndarray, centre: np.ndarray, width: np.ndarray) -> list[np.ndarray]:
    return [expit((z - centre) / width)]


def _steepness(centre: np.ndarray, width: np.ndarray, ends: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The largest and the least derivative of the logistic between two ends."""
    nearest = np.clip(centre, *ends)
    steep, flat = ((z - centre) / width for z in (nearest, np.where(centre < sum(ends) / 2, ends[1], ends[0])))
    return expit(steep) * expit(-steep) / width, expit(flat) * expit(-flat) / width


def _rising_with_line(
    z: np.ndarray, centre: np.ndarray, width: np.ndarray, ends: tuple[float, float]
) -> list[np.ndarray]:
    """Two curves whose sums with factors >= 0 are all monotonic sums of the logistic and a line.

    The derivative of ``a * logistic + b * z`` lies between ``a * steep + b`` and ``a * flat + b``. The first curve has
    1 and 0 for these two, the second has 0 and 1.
    """
    steep, flat = _steepness(centre, width, ends)
    logistic = expit((z - centre) / width)
    return [(logistic - flat * z) / (steep - flat), (steep * z - logistic) / (steep - flat)]


def _project(columns: list[np.ndarray], y: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Least squares of y on one or two columns (..., N) with factors >= 0 and an offset.

    Returns:
        Residuals (..., N), the factors (...) and the offset (...).
    """
    means = [column.mean(axis=-1) for column in columns]
    centred = [column - mean[..., None] for column, mean in zip(columns, means, strict=True)]
    y_mean = y.mean()
    products = [column @ (y - y_mean) for column in centred]
    squares = [np.square(column).sum(axis=-1) for column in centred]
    factors = [
        np.maximum(product, 0) / np.maximum(square, 1e-300) for product, square in zip(products, squares, strict=True)
    ]
    if len(columns) == 2:
        cross = (centred[0] * centred[1]).sum(axis=-1)
        determinant = np.maximum(squares[0] * squares[1] - cross**2, 1e-300)
        first = (products[0] * squares[1] - products[1] * cross) / determinant
        second = (products[1] * squares[0] - products[0] * cross) / determinant
        both = (first >= 0) & (second >= 0)
        alone = factors[0] * np.maximum(products[0], 0) >= factors[1] * np.maximum(products[1], 0)
        factors = [
            np.where(both, first, np.where(alone, factors[0], 0)),
            np.where(both, second, np.where(alone, 0, factors[1])),
        ]
    fitted = sum(factor[..., None] * column for factor, column in zip(factors, centred, strict=True))
    offset = y_mean - sum(factor * mean for factor, mean in zip(factors, means, strict=True))
    return fitted - (y - y_mean), factors, offset


def _finite(parameters: tuple[float, ...]) -> Fit:
    if not np.isfinite(parameters).all():
        raise InputError(f'parameters are not finite: {parameters}')
    return Fit(parameters)
