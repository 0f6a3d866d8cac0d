"""An operator and its row: a pure function, and beside it what the sampler, the docs and the tests need to know of it.

    @row('texture', unit='px', levels=(0.7, 1.1, 1.8, 2.9, 4.8), source=DESIGN_CHOICE)
    def gaussian_blur(image, sigma):
        \"""Blur with a Gaussian of standard deviation ``sigma`` px.\"""

Levels run from mild (1) to harsh (5). Those of this package were set by eye and by a test that asks for a distance to
the original that grows with the level on real photos; all levels are a design choice, the paper states none.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations.frame import Frame, Region

KINDS = ('geometry', 'colour', 'texture')
LEVELS = (1, 2, 3, 4, 5)

KADID_10K = 'KADID-10k (Lin et al., QoMEX 2019)'
TID2013 = 'TID2013 (Ponomarenko et al., 2015)'
DESIGN_CHOICE = 'design choice'

Footprint = Callable[[Region, float, int, int, int], Region]

_ATTRIBUTE = 'row'
_Function = TypeVar('_Function', bound=Callable[..., np.ndarray])


@dataclass(frozen=True)
class Operator:
    """One row.

    Args:
        name: unique name, used in recipes and configs.
        kind: one of :data:`KINDS`.
        function: ``function(image, value)``, or ``function(image, value, seed)`` when ``seeded``, and last ``frame``
            when ``framed``. It returns a new uint8 array of the shape of ``image``, an RGB uint8 array (H, W, 3) of any
            size that it must not write to; when ``framed``, of the shape that the frame asks for.
        parameter: name of the value in the function.
        unit: unit of the value; ``'1'`` for a plain number.
        levels: the value at level 1 to 5.
        source: where the operator comes from.
        summary: what it does, in one sentence of Markdown.
        negative: the values of sign -1, for operators with two directions of different strength; else None.
        mirrored: whether sign -1 means minus the value.
        seeded: whether the function takes a seed.
        framed: whether the function takes ``frame``, a :class:`Frame` or None (the image is the whole photo): its
            result depends on the place in the photo.
        reach: how far, in px along x or y, a pixel can still change the result, or that as a function of the value:
            cropping with this much surroundings and degrading equals degrading and cropping. None where the result
            depends on the whole photo (the mean grey, the colours of a palette), or where there is a footprint.
        footprint: for results that come from elsewhere (warps): ``footprint(asked, value, seed, height, width)`` is the
            :class:`Region` of a photo of that size that the region ``asked`` of the result depends on.
        grid: crops must begin at multiples of so many px of the photo, and end at one or at its border (blocks of
            codecs, reduced pixels), or that as a function of the value.
        approximate: whether a crop comes to other values because a codec decides by all that it is given; the
            loss is as large, its details differ.
        ties: whether float32 sums that round with the place in the row let a value half-way between two grey levels
            fall to either, about one in a million; steps that follow may widen such a difference.
        scattered: whether it shows on parts of a photo only. A patch may then show nothing of it and could not tell its
            version, so the default space leaves it out.
        taste: whether more of it is not always worse: it can mend a photo, or changes what it shows, not its quality.
        version: of the pixels, 1 or more. Raise it with any change of them: stored recipes that use the operator are
            then refused, all others still replay.

    Raises:
        InputError: a field breaks its rule.
    """

    name: str
    kind: str
    function: Callable[..., np.ndarray]
    parameter: str
    unit: str
    levels: tuple[float, ...]
    source: str
    summary: str = ''
    negative: tuple[float, ...] | None = None
    mirrored: bool = False
    seeded: bool = False
    framed: bool = False
    reach: int | Callable[[float], int] | None = None
    footprint: Footprint | None = None
    grid: int | Callable[[float], int] = 1
    approximate: bool = False
    ties: bool = False
    scattered: bool = False
    taste: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name in KINDS:
            raise InputError(f'name of an operator must be a Python identifier and no kind, got {self.name!r}')
        if self.kind not in KINDS:
            raise InputError(f'{self.name}: kind must be one of {KINDS}, got {self.kind!r}')
        for field in ('unit', 'source'):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                raise InputError(f'{self.name}: {field} must be a text, got {getattr(self, field)!r}')
        self._check_levels('levels', self.levels)
        if self.negative is not None:
            self._check_levels('negative', self.negative)
            if self.mirrored:
                raise InputError(f'{self.name}: give negative levels or mirrored, not both')
        if not (self.reach is None or callable(self.reach) or _is_whole(self.reach, 0)):
            raise InputError(f'{self.name}: reach must be px >= 0, a function of the value or None, got {self.reach!r}')
        if self.reach is not None and self.footprint is not None:
            raise InputError(f'{self.name}: give reach or footprint, not both')
        if not (callable(self.grid) or _is_whole(self.grid, 1)):
            raise InputError(f'{self.name}: grid must be px >= 1 or a function of the value, got {self.grid!r}')
        if not _is_whole(self.version, 1):
            raise InputError(f'{self.name}: version must be an integer >= 1, got {self.version!r}')

    def _check_levels(self, field: str, levels: Any) -> None:
        """Five finite numbers that rise or fall."""
        numbers = isinstance(levels, tuple) and all(
            isinstance(level, (int, float)) and math.isfinite(level) for level in levels
        )
        if not numbers or len(levels) != len(LEVELS):
            raise InputError(f'{self.name}: {field} must be {len(LEVELS)} numbers, from mild to harsh, got {levels!r}')
        steps = np.diff(levels)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(f'{self.name}: {field} must rise or fall throughout, got {levels!r}')

    @property
    def signs(self) -> tuple[int, ...]:
        """Directions: (1, -1) for signed operators, else (1,)."""
        return (1, -1) if self.mirrored or self.negative else (1,)

    def value(self, level: int, sign: int = 1) -> float:
        """The parameter's value.

        Args:
            level: 1 to 5.
            sign: 1, or -1 for signed operators.
        """
        if type(level) is not int or level not in LEVELS:
            raise InputError(f'{self.name}: level must be one of {LEVELS}, got {level!r}')
        if type(sign) is not int or sign not in self.signs:
            raise InputError(f'{self.name}: sign must be one of {self.signs}, got {sign!r}')
        if sign == -1 and self.negative:
            return self.negative[level - 1]
        return sign * self.levels[level - 1]

    def margin(self, level: int, sign: int = 1) -> int | None:
        """The reach at a level, in px; None as in ``reach``."""
        return self.reach(self.value(level, sign)) if callable(self.reach) else self.reach

    @property
    def local(self) -> bool:
        """Whether a region of the result can be had without the whole photo."""
        return self.reach is not None or self.footprint is not None

    def needs(self, asked: Region, level: int, sign: int, seed: int, height: int, width: int) -> Region:
        """The region of a photo of ``height`` x ``width`` px that must be given to get the region ``asked``."""
        value = self.value(level, sign)
        if self.footprint is not None:
            found = self.footprint(asked, value, seed, height, width)
        elif self.reach is not None:
            found = asked.grown(self.reach(value) if callable(self.reach) else self.reach, height, width)
        else:
            return Region(0, 0, height, width)
        return found.on_grid(self.grid(value) if callable(self.grid) else self.grid, height, width)

    def __call__(
        self, image: np.ndarray, level: int, sign: int = 1, seed: int = 0, frame: Frame | None = None
    ) -> np.ndarray:
        """Degrade an RGB uint8 image of shape (H, W, 3).

        Args:
            image: a photo, or what ``frame`` says of one.
            level: 1 to 5.
            sign: 1, or -1 for signed operators.
            seed: drives noise and random directions.
            frame: what the image shows, and what to return; None for a whole photo.

        Returns:
            A new image of the same shape, or of the region that the frame asks for.

        Raises:
            InputError: no such level or direction, or the function returned something else.
            RuntimeError: the function failed; names the operator, the level, the error and its place.
        """
        value = self.value(level, sign)
        shown = image.view()
        shown.flags.writeable = False  # the versions of a photo share it
        arguments: list[Any] = [shown, value]
        if self.seeded:
            arguments.append(seed)
        if self.framed:
            arguments.append(frame)
        try:
            out = self.function(*arguments)
        except (InputError, OSError, MemoryError):
            raise
        except Exception as error:  # a bug of the operator, perhaps a user's own
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise RuntimeError(
                f'operator {self.name}, level {level}: {type(error).__name__}: {error} '
                f'({place.filename}:{place.lineno})'
            ) from error
        shape = image.shape
        if self.framed and frame is not None:
            shape = (frame.asked.height, frame.asked.width, 3)
        if not isinstance(out, np.ndarray) or out.dtype != np.uint8 or out.shape != shape:
            got = f'{out.dtype} {out.shape}' if isinstance(out, np.ndarray) else type(out).__name__
            raise InputError(f'operator {self.name} must return a uint8 array of shape {shape}, got {got}')
        if frame is not None and not self.framed:
            out = frame.cut(out)
        return out.copy() if np.may_share_memory(out, image) else np.ascontiguousarray(out)


def row(
    kind: str,
    *,
    unit: str,
    levels: Sequence[float],
    source: str,
    negative: Sequence[float] | None = None,
    mirrored: bool = False,
    reach: int | Callable[[float], int] | None = None,
    footprint: Footprint | None = None,
    grid: int | Callable[[float], int] = 1,
    approximate: bool = False,
    ties: bool = False,
    scattered: bool = False,
    taste: bool = False,
    version: int = 1,
) -> Callable[[_Function], _Function]:
    """Attach its row to a function, which is otherwise unchanged.

    The arguments are those of :class:`Operator`. The function says the rest: its name, the name of its parameter,
    whether it takes a seed and a frame, and, in the first sentence of its docstring, what it does.

    Raises:
        InputError: a field breaks its rule, the function takes other arguments than ``image``, a value and perhaps
            ``seed`` and ``frame``, or it has no docstring.
    """

    def keep(function: _Function) -> _Function:
        name, parameter, seeded, framed = _signature(function)
        vars(function)[_ATTRIBUTE] = Operator(
            name=name,
            kind=kind,
            function=function,
            parameter=parameter,
            unit=unit,
            levels=_as_tuple(levels),
            source=source,
            summary=_first_sentence(name, function),
            negative=_as_tuple(negative),
            mirrored=mirrored,
            seeded=seeded,
            framed=framed,
            reach=reach,
            footprint=footprint,
            grid=grid,
            approximate=approximate,
            ties=ties,
            scattered=scattered,
            taste=taste,
            version=version,
        )
        return function

    return keep


def row_of(function: Any) -> Operator | None:
    """The row beside a function, or None."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Operator) else None


def rows_of(module: ModuleType) -> list[Operator]:
    """The rows of the functions that a module defines, in their order there."""
    rows = [row_of(value) for value in vars(module).values()]
    return [found for found in rows if found is not None and found.function.__module__ == module.__name__]


def _signature(function: Any) -> tuple[str, str, bool, bool]:
    """Name, name of the parameter, and whether there are a seed and a frame."""
    if not isinstance(function, FunctionType):
        raise InputError(f'an operator must be a function, got {function!r}')
    name = function.__name__
    names = list(inspect.signature(function).parameters)
    rest = names[2:]
    if names[:1] != ['image'] or len(names) < 2 or rest not in ([], ['seed'], ['frame'], ['seed', 'frame']):
        raise InputError(f'{name} must take image, a value and perhaps seed and frame, got ({", ".join(names)})')
    return name, names[1], 'seed' in rest, 'frame' in rest


def _first_sentence(name: str, function: Callable[..., Any]) -> str:
    """Of a docstring, in Markdown and without the full stop."""
    text = ' '.join((inspect.getdoc(function) or '').split('\n\n')[0].split())
    if not text and sys.flags.optimize < 2:  # -OO leaves docstrings out
        raise InputError(f'{name} needs a docstring, whose first sentence says what it does')
    sentence = re.split(r'(?<=[.;:])\s+(?=[A-Z])', text)[0].rstrip('.')
    return re.sub(r':\w+:`(.*?)`', r'`\1`', sentence).replace('``', '`')


def _as_tuple(levels: Any) -> Any:
    """A list as a tuple, for a frozen row; anything else unchanged, for the checks."""
    return tuple(levels) if isinstance(levels, list) else levels


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least
