"""The table of operators: what drives the sampler, the docs, the contact sheet and the tests.

Levels run from mild (1) to harsh (5). They were set by eye and by a test that asks for a distance to the original that
grows with the level on real photos; all levels are a design choice of this implementation, the paper states none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations import colour, geometry, texture

KINDS = ('geometry', 'colour', 'texture')
LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Operator:
    """One row.

    Args:
        name: unique name, used in recipes and configs.
        kind: one of :data:`KINDS`.
        function: ``function(image, value)``, or ``function(image, value, seed)`` when ``seeded``.
        parameter: name of the value in the function.
        unit: unit of the value.
        levels: the value at level 1 to 5.
        source: where the operator comes from.
        negative: the values of sign -1, for operators with two directions of different strength; else None.
        mirrored: whether sign -1 means minus the value.
        seeded: whether the function takes a seed.
    """

    name: str
    kind: str
    function: Callable[..., np.ndarray]
    parameter: str
    unit: str
    levels: tuple[float, float, float, float, float]
    source: str
    negative: tuple[float, float, float, float, float] | None = None
    mirrored: bool = False
    seeded: bool = False

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

    def __call__(self, image: np.ndarray, level: int, sign: int = 1, seed: int = 0) -> np.ndarray:
        """Degrade an RGB uint8 image of shape (H, W, 3); returns a new image of the same shape."""
        value = self.value(level, sign)
        return self.function(image, value, seed) if self.seeded else self.function(image, value)


_KADID = 'KADID-10k (Lin et al., QoMEX 2019)'
_TID = 'TID2013 (Ponomarenko et al., 2015)'
_OURS = 'design choice'
_AFFINE = 'common augmentation; design choice'

_ROWS: tuple[Operator, ...] = (
    Operator('rotate', 'geometry', geometry.rotate, 'degrees', 'degrees', (2, 4, 7, 11, 16), _AFFINE, mirrored=True),
    Operator('shear', 'geometry', geometry.shear, 'factor', 'px/px', (0.03, 0.07, 0.12, 0.19, 0.28), _AFFINE, mirrored=True),
    Operator('stretch', 'geometry', geometry.stretch, 'factor', '1', (0.05, 0.11, 0.19, 0.3, 0.45), _AFFINE, mirrored=True),
    Operator('perspective', 'geometry', geometry.perspective, 'amount', 'share of the side', (0.03, 0.06, 0.1, 0.15, 0.22), _AFFINE, seeded=True),
    Operator('elastic', 'geometry', geometry.elastic, 'amplitude', 'px', (0.6, 1.1, 1.8, 2.8, 4.5), 'Simard et al., ICDAR 2003', seeded=True),
    Operator('lens', 'geometry', geometry.lens, 'strength', '1', (0.05, 0.1, 0.18, 0.3, 0.5), "Brown's lens model; design choice",
             negative=(-0.04, -0.08, -0.13, -0.19, -0.27)),
    Operator('resample', 'geometry', geometry.resample, 'factor', 'times', (1.5, 2, 2.8, 4, 6), 'super-resolution literature; design choice'),
    Operator('pixelate', 'geometry', geometry.pixelate, 'block', 'px', (2, 3, 4, 6, 9), _KADID),
    Operator('brightness', 'colour', colour.brightness, 'shift', 'full range', (0.06, 0.12, 0.2, 0.3, 0.42), _KADID, mirrored=True),
    Operator('contrast', 'colour', colour.contrast, 'gain', '1', (1.2, 1.45, 1.8, 2.3, 3.2), _TID, negative=(0.82, 0.66, 0.5, 0.36, 0.22)),
    Operator('gamma', 'colour', colour.gamma, 'exponent', '1', (1.2, 1.45, 1.8, 2.3, 3.1), _OURS, negative=(0.83, 0.69, 0.55, 0.42, 0.3)),
    Operator('saturation', 'colour', colour.saturation, 'gain', '1', (1.4, 1.8, 2.4, 3.3, 4.6), _KADID, negative=(0.7, 0.5, 0.3, 0.14, 0.0)),
    Operator('hue', 'colour', colour.hue, 'degrees', 'degrees', (10, 22, 40, 65, 100), _OURS, mirrored=True),
    Operator('temperature', 'colour', colour.temperature, 'shift', '1', (0.06, 0.12, 0.2, 0.3, 0.42), _OURS, mirrored=True),
    Operator('channel_shift', 'colour', colour.channel_shift, 'pixels', 'px', (0.8, 1.5, 2.5, 4, 6.5), _KADID, seeded=True),
    Operator('quantise', 'colour', colour.quantise, 'values', 'values a channel', (24, 14, 9, 6, 4), _KADID),
    Operator('haze', 'colour', colour.haze, 'density', '1', (0.12, 0.24, 0.38, 0.54, 0.72), 'Koschmieder model; design choice'),
    Operator('gaussian_blur', 'texture', texture.gaussian_blur, 'sigma', 'px', (0.7, 1.1, 1.8, 2.9, 4.8), _KADID),
    Operator('defocus_blur', 'texture', texture.defocus_blur, 'radius', 'px', (1, 1.8, 3, 4.8, 7.5), _KADID),
    Operator('motion_blur', 'texture', texture.motion_blur, 'length', 'px', (3, 5.5, 9, 14, 22), _KADID, seeded=True),
    Operator('denoise', 'texture', texture.denoise, 'size', 'px, odd', (3, 5, 7, 11, 17), _TID),
    Operator('sharpen', 'texture', texture.sharpen, 'amount', '1', (0.6, 1.2, 2.2, 3.8, 6.5), _KADID),
    Operator('white_noise', 'texture', texture.white_noise, 'sigma', 'grey levels', (5, 10, 18, 30, 50), _KADID, seeded=True),
    Operator('sensor_noise', 'texture', texture.sensor_noise, 'gain', 'grey levels', (0.4, 1.2, 3, 7, 16), 'Foi et al., IEEE TIP 2008', seeded=True),
    Operator('impulse_noise', 'texture', texture.impulse_noise, 'share', 'share of the pixels', (0.003, 0.01, 0.03, 0.07, 0.15), _KADID, seeded=True),
    Operator('jpeg', 'texture', texture.jpeg, 'quality', 'libjpeg quality', (45, 28, 17, 10, 5), _KADID),
)  # fmt: skip

OPERATORS: dict[str, Operator] = {row.name: row for row in _ROWS}


def operator(name: str) -> Operator:
    """Look up a row.

    Raises:
        InputError: no operator has that name; the message lists those there are.
    """
    try:
        return OPERATORS[name]
    except (KeyError, TypeError):
        raise InputError(f'unknown degradation operator {name!r}; there are: {", ".join(OPERATORS)}') from None
