"""Does a score fall as a degradation grows? Correctly ordered pairs of levels, for each operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, apply, operator
from mmqpt.degradations.blank import BLANK_KINDS, blank_frame


@dataclass(frozen=True)
class LevelOrder:
    """How scores change along the levels of one operator in one direction.

    Args:
        operator: name in the table.
        kind: geometry, colour or texture.
        sign: 1 or -1.
        ordered: share of pairs of levels, of one photo each, in which the harsher one has the lower score; 0.5 is
            chance, equal scores count half.
        below: share of photos whose level 5 scores lower than the photo itself.
        drop: mean score of the photos less that at level 1 to 5.
        by_photo: ``ordered`` of each photo.
    """

    operator: str
    kind: str
    sign: int
    ordered: float
    below: float
    drop: tuple[float, ...]
    by_photo: tuple[float, ...]


def level_orders(
    score: Callable[[np.ndarray], float],
    photos: Sequence[np.ndarray],
    operators: Sequence[str] = tuple(OPERATORS),
    seed: int = 0,
) -> Iterator[LevelOrder]:
    """Score every level of operators on photos.

    Args:
        score: of an RGB uint8 (H, W, 3) photo; higher is better.
        photos: uint8 (H, W, 3) each; of high quality, so that a degradation can only harm them.
        operators: their names.
        seed: of noise and random directions; photo k has the seed ``seed + k`` at all levels.

    Yields:
        One result for each operator and direction.

    Raises:
        InputError: no photos, or an unknown operator.
    """
    if not photos:
        raise InputError('no photos to degrade')
    rows = [operator(name) for name in operators]
    whole = np.array([score(photo) for photo in photos])  # (N,)
    for row in rows:
        for sign in row.signs:
            scores = np.array(
                [
                    [score(apply(Recipe((Step(row.name, level, sign, seed + k),)), photo)) for level in LEVELS]
                    for k, photo in enumerate(photos)
                ]
            )  # (N, 5)
            shares = ordered_shares(scores)
            yield LevelOrder(
                row.name,
                row.kind,
                sign,
                float(shares.mean()),
                float(np.mean(scores[:, -1] < whole)),
                tuple((whole[:, None] - scores).mean(axis=0).tolist()),
                tuple(shares.tolist()),
            )


def blank_scores(
    score: Callable[[np.ndarray], float], photos: Sequence[np.ndarray], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Lowest and highest score of frames without a picture, one of each kind as large as each photo.

    Args:
        score: of an RGB uint8 (H, W, 3) photo; higher is better.
        photos: uint8 (H, W, 3) each.
        seed: of tones, colours and noise.

    Returns:
        By kind, see ``BLANK_KINDS``.
    """
    rng = np.random.default_rng(seed)
    found = {kind: [score(blank_frame(photo, rng, kind)) for photo in photos] for kind in BLANK_KINDS}
    return {kind: (min(scores), max(scores)) for kind, scores in found.items()}


def ordered_shares(scores: np.ndarray) -> np.ndarray:
    """(N,) shares of correctly ordered pairs of levels, of each photo; equal scores count half.

    Args:
        scores: (N, L) of N photos, from mild to harsh.
    """
    pairs = [scores[:, mild] - scores[:, harsh] for mild, harsh in combinations(range(scores.shape[1]), 2)]
    return np.mean((np.sign(pairs) + 1) / 2, axis=0)  # type: ignore[no-any-return]
