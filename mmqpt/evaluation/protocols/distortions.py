"""Distorted copies of photos without labels: which distortions, which photos get them, and the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.photo import photo_stamp, read_photo
from mmqpt.degradations import KADID, LEVELS, PRESETS, DegradationSpace, Recipe, Step, apply, operator

CLEAN = -1
"""Stands for the distortion of an image at level 0."""

RUNGS = (0, *LEVELS)
"""Levels of a ladder; 0 is the photo itself."""


@dataclass(frozen=True)
class Distortion:
    """One operator in one direction.

    Args:
        name: in tables, such as ``'Gaussian blur'`` or ``'midtones-'``.
        operator: its name in the table of operators.
        sign: 1 or -1.
    """

    name: str
    operator: str
    sign: int

    def recipe(self, level: int, seed: int) -> Recipe:
        """That of a level; level 0 has no steps."""
        return Recipe((Step(self.operator, level, self.sign, seed),) if level else ())


def find_distortions(names: Sequence[str] = ('kadid',)) -> list[Distortion]:
    """The distortions that names stand for, each once, in their order.

    Args:
        names: of presets (``'kadid'``: the 25 of KADID-10k under the names they have there; ``'single'``: all of this
            package), or of operators (``'gaussian_blur'``; of a signed one both directions, or one of them:
            ``'midtones-'``).

    Raises:
        InputError: an unknown name, or fewer than two distortions.
    """
    found: dict[tuple[str, int], Distortion] = {}
    for name in names:
        if name == 'kadid':
            made = [Distortion(title, *target) for title, target in KADID.items()]
        elif name in PRESETS:
            made = distortions_of(DegradationSpace.preset(name))
        else:
            plain, sign = (name[:-1], name[-1]) if name[-1:] in ('+', '-') else (name, '')
            signs = operator(plain).signs
            if sign and len(signs) == 1:
                raise InputError(f'{plain} has one direction: write it without {sign!r}')
            made = [_named(plain, one) for one in signs if not sign or (one > 0) == (sign == '+')]
        for distortion in made:
            found.setdefault((distortion.operator, distortion.sign), distortion)
    if len(found) < 2:
        raise InputError(f'at least two distortions are needed, got {len(found)}')
    return list(found.values())


def distortions_of(space: DegradationSpace) -> list[Distortion]:
    """Every operator of a space, in every direction that the space has it in."""
    return [_named(name, sign) for name, sign in dict.fromkeys((option[0], option[2]) for option in space.options)]


def _named(name: str, sign: int) -> Distortion:
    return Distortion(name if len(operator(name).signs) == 1 else f'{name}{"+" if sign > 0 else "-"}', name, sign)


def square(photo: np.ndarray, side: int) -> np.ndarray:
    """The middle of a photo: reduced until its short side has ``side`` px, then cut to a square.

    Args:
        photo: uint8 (H, W, 3) with sides of at least ``side`` px.
        side: px.

    Returns:
        uint8 (side, side, 3), contiguous.

    Raises:
        InputError: a smaller photo.
    """
    height, width = photo.shape[:2]
    short = min(height, width)
    if short < side:
        raise InputError(f'a photo of {width}x{height} px is smaller than {side} px')
    if short > side:
        size = (max(side, round(width * side / short)), max(side, round(height * side / short)))
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        height, width = photo.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


def assign(folds: np.ndarray, distortions: int, per_photo: int, seed: int = 0) -> np.ndarray:
    """Which photo gets which distortions: within every fold all distortions equally often, up to one.

    Args:
        folds: (N,) fold of each photo.
        distortions: how many there are, D.
        per_photo: how many a photo gets, 1 to D.
        seed: of the draw.

    Returns:
        bool (N, D).

    Raises:
        InputError: ``per_photo`` out of range, or a distortion that a fold has no photo for.
    """
    if not 1 <= per_photo <= distortions:
        raise InputError(f'per_photo must be from 1 to {distortions}, the number of distortions, got {per_photo}')
    rng = np.random.default_rng(seed)
    given = np.zeros((len(folds), distortions), bool)
    for fold in np.unique(folds):
        count = np.zeros(distortions, int)
        for photo in rng.permutation(np.flatnonzero(folds == fold)):
            chosen = np.lexsort((rng.random(distortions), count))[:per_photo]
            given[photo, chosen] = True
            count[chosen] += 1
        if not count.all():
            size = int((folds == fold).sum())
            raise InputError(
                f'{size} photos of a fold with {per_photo} of {distortions} distortions each leave some distortion '
                'out: give more photos, more distortions a photo, or fewer folds'
            )
    return given


@dataclass(frozen=True)
class Design:
    """The images of a run: photos, the distortions each of them gets, and the folds of photos.

    Image by image: every photo as it is, followed by its distortions, each at level 1 to 5.

    Args:
        root: folder of the photos.
        names: N photos, relative to it.
        groups: N names; photos of one group (near-duplicates) share a fold.
        folds: (N,), see :func:`~mmqpt.evaluation.protocols.folds.draw_folds`.
        distortions: D of them.
        given: bool (N, D), see :func:`assign`.
        side: px of the square that is cut from each photo.
        seed: of noise and random directions.
    """

    root: Path
    names: Sequence[str]
    groups: Sequence[str]
    folds: np.ndarray
    distortions: Sequence[Distortion]
    given: np.ndarray
    side: int
    seed: int = 0
    _squares: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @cached_property
    def ladders(self) -> np.ndarray:
        """(L, 2): the photo and the distortion of every ladder."""
        return np.argwhere(self.given)

    @cached_property
    def images(self) -> np.ndarray:
        """(I, 3): photo, distortion (:data:`CLEAN` for none) and level of every image."""
        rows = []
        for photo, given in enumerate(self.given):
            rows.append((photo, CLEAN, 0))
            rows += [(photo, kind, level) for kind in np.flatnonzero(given).tolist() for level in LEVELS]
        return np.array(rows)

    @cached_property
    def rungs(self) -> np.ndarray:
        """(L, 6): the images of every ladder, from level 0, the photo itself, to 5."""
        number = {tuple(row): i for i, row in enumerate(self.images.tolist())}
        return np.array(
            [
                [number[photo, CLEAN, 0], *(number[photo, kind, level] for level in LEVELS)]
                for photo, kind in self.ladders.tolist()
            ]
        )

    def recipe(self, image: int) -> Recipe:
        """What was done to an image. Levels of a photo share a seed, whichever photos are beside it."""
        photo, kind, level = self.images[image].tolist()
        if kind == CLEAN:
            return Recipe()
        distortion = self.distortions[kind]
        text = f'{self.seed}/{self.names[photo]}/{distortion.operator}/{distortion.sign}'
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], 'big')
        return distortion.recipe(level, seed)

    def stamps(self) -> list[str]:
        """A text for each image that changes with its pixels: photo, side and recipe."""
        photos = [photo_stamp(self.root / name) for name in self.names]
        return [f'{photos[self.images[i, 0]]}|{self.side}|{self.recipe(i).to_json()}' for i in range(len(self.images))]

    def make(self, image: int) -> np.ndarray:
        """The pixels of an image, uint8 RGB (side, side, 3); may be called by several threads."""
        return apply(self.recipe(image), self._square(int(self.images[image, 0])))

    def _square(self, photo: int) -> np.ndarray:
        with self._lock:
            if photo not in self._squares:
                while len(self._squares) >= 4:  # images come photo by photo
                    self._squares.pop(next(iter(self._squares)))
                path = self.root / self.names[photo]
                self._squares[photo] = square(read_photo(path, min_side=self.side), self.side)
            return self._squares[photo]


def usable_photos(
    paths: Sequence[Path], side: int, count: int | None, seed: int, done: Callable[[int], object] | None = None
) -> tuple[list[Path], list[str]]:
    """Draw photos that can be read and are large enough.

    Args:
        paths: to draw from.
        side: px that the short side must have.
        count: how many are wanted at most; None for all.
        seed: of the draw.
        done: called with 1 after each photo that was looked at.

    Returns:
        The photos, sorted, and notes on those that were drawn and left out.
    """
    chosen: list[Path] = []
    unreadable: list[str] = []
    small = 0
    for index in np.random.default_rng(seed).permutation(len(paths)):
        if count is not None and len(chosen) >= count:
            break
        try:
            fits = min(read_photo(paths[index], min_side=side).shape[:2]) >= side
        except (InputError, OSError) as error:
            unreadable.append(str(error))
            continue
        finally:
            if done:
                done(1)
        if fits:
            chosen.append(paths[index])
        else:
            small += 1
    notes = [f'{small} photos are smaller than {side} px and were left out'] if small else []
    if unreadable:
        notes.append(f'{len(unreadable)} photos could not be read and were left out, the first: {unreadable[0]}')
    return sorted(chosen), notes
