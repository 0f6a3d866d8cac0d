"""The table of operators: what drives the sampler, the docs, the contact sheet and the tests.

Levels run from mild (1) to harsh (5). They were set by eye and by a test that asks for a distance to the original that
grows with the level on real photos; all levels are a design choice of this implementation, the paper states none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations import (
    blur,
    colour,
    compression,
    damage,
    detail,
    displacement,
    geometry,
    noise,
    resampling,
    tone,
)
from mmqpt.degradations._filter import gaussian_reach

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
        reach: how far, in px along x or y, a pixel can still change the result, or that as a function of the value:
            cropping with this much surroundings and degrading equals degrading and cropping. None where the result
            depends on the whole photo or on the place in it (warps, the mean grey, codecs' blocks, noise).
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
    reach: int | Callable[[float], int] | None = None

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

    def __call__(self, image: np.ndarray, level: int, sign: int = 1, seed: int = 0) -> np.ndarray:
        """Degrade an RGB uint8 image of shape (H, W, 3); returns a new image of the same shape."""
        value = self.value(level, sign)
        return self.function(image, value, seed) if self.seeded else self.function(image, value)


_KADID = 'KADID-10k (Lin et al., QoMEX 2019)'
_TID = 'TID2013 (Ponomarenko et al., 2015)'
_OURS = 'design choice'
_AFFINE = 'common augmentation; design choice'
_SCALING = 'super-resolution literature; design choice'
_G, _C, _T = KINDS

# One row a line, or two: the formatter would need twelve.
# fmt: off
_ROWS: tuple[Operator, ...] = (
    # Geometric deformation
    Operator('rotate', _G, geometry.rotate, 'degrees', 'degrees', (2, 4, 7, 11, 16), _AFFINE, mirrored=True),
    Operator('shear', _G, geometry.shear, 'factor', 'px/px', (0.03, 0.07, 0.12, 0.19, 0.28), _AFFINE, mirrored=True),
    Operator('stretch', _G, geometry.stretch, 'factor', '1', (0.05, 0.11, 0.19, 0.3, 0.45), _AFFINE, mirrored=True),
    Operator('perspective', _G, geometry.perspective, 'amount', 'share of half the side', (0.03, 0.06, 0.1, 0.15, 0.22),
             _AFFINE, seeded=True),
    Operator('lens', _G, geometry.lens, 'strength', '1', (0.05, 0.1, 0.18, 0.3, 0.5), "Brown's lens model",
             negative=(-0.04, -0.08, -0.13, -0.19, -0.27)),
    Operator('elastic', _G, displacement.elastic, 'amplitude', 'px', (0.6, 1.1, 1.8, 2.8, 4.5),
             'Simard et al., ICDAR 2003', seeded=True),
    Operator('jitter', _G, displacement.jitter, 'sigma', 'px', (0.32, 0.5, 0.8, 1.3, 2.2), f'{_KADID}: jitter',
             seeded=True),
    Operator('rolling_shutter', _G, displacement.rolling_shutter, 'amplitude', 'px', (1, 2.2, 4, 7, 12), _OURS,
             seeded=True),
    Operator('block_shift', _G, displacement.block_shift, 'share', 'share of the area', (0.03, 0.07, 0.14, 0.26, 0.45),
             f'{_KADID}: non-eccentricity patch', seeded=True),
    Operator('pixelate', _G, resampling.pixelate, 'block', 'px', (2, 3, 4, 6, 9), f'{_KADID}: pixelate'),
    Operator('resample_area', _G, resampling.resample_area, 'factor', 'times', (1.5, 2, 2.8, 4, 6), _SCALING),
    Operator('resample_nearest', _G, resampling.resample_nearest, 'factor', 'times', (1.25, 1.6, 2.2, 3.2, 5),
             _SCALING),
    Operator('resample_bilinear', _G, resampling.resample_bilinear, 'factor', 'times', (1.4, 2, 2.8, 4, 6), _SCALING),
    Operator('resample_bicubic', _G, resampling.resample_bicubic, 'factor', 'times', (1.5, 2, 2.8, 4, 6), _SCALING),
    Operator('resample_lanczos', _G, resampling.resample_lanczos, 'factor', 'times', (1.5, 2, 2.8, 4, 6), _SCALING),

    # Colour change
    Operator('brightness', _C, tone.brightness, 'shift', 'full range', (0.06, 0.12, 0.2, 0.3, 0.42),
             f'{_KADID}: mean shift', mirrored=True, reach=0),
    Operator('midtones', _C, tone.midtones, 'shift', 'full range', (0.06, 0.11, 0.17, 0.24, 0.32),
             f'{_KADID}: brighten, darken', mirrored=True, reach=0),
    Operator('contrast', _C, tone.contrast, 'gain', '1', (1.2, 1.45, 1.8, 2.3, 3.2), f'{_KADID}: contrast change',
             negative=(0.82, 0.66, 0.5, 0.36, 0.22)),
    Operator('gamma', _C, tone.gamma, 'exponent', '1', (1.2, 1.45, 1.8, 2.3, 3.1), _OURS, reach=0,
             negative=(0.83, 0.69, 0.55, 0.42, 0.3)),
    Operator('exposure', _C, tone.exposure, 'stops', 'f-stops', (0.3, 0.65, 1.1, 1.7, 2.5), _OURS, reach=0,
             negative=(-0.4, -0.85, -1.4, -2.1, -3)),
    Operator('saturation', _C, colour.saturation, 'gain', '1', (1.4, 1.8, 2.4, 3.3, 4.6),
             f'{_KADID}: colour saturation 1', negative=(0.7, 0.5, 0.3, 0.14, 0.0), reach=0),
    Operator('saturation_lab', _C, colour.saturation_lab, 'gain', '1', (1.4, 1.8, 2.4, 3.3, 4.6),
             f'{_KADID}: colour saturation 2', negative=(0.7, 0.5, 0.3, 0.14, 0.0), reach=0),
    Operator('hue', _C, colour.hue, 'degrees', 'degrees', (10, 22, 40, 65, 100), _OURS, mirrored=True, reach=0),
    Operator('temperature', _C, colour.temperature, 'shift', '1', (0.06, 0.12, 0.2, 0.3, 0.42), _OURS, mirrored=True,
             reach=0),
    Operator('tint', _C, colour.tint, 'shift', '1', (0.04, 0.08, 0.13, 0.2, 0.3), _OURS, mirrored=True, reach=0),
    Operator('colour_cast', _C, colour.colour_cast, 'chroma', 'grey levels', (6, 12, 20, 31, 46), _OURS, seeded=True,
             reach=0),
    Operator('fade', _C, colour.fade, 'amount', '1', (0.12, 0.25, 0.4, 0.58, 0.8), _OURS, reach=0),
    Operator('channel_shift', _C, colour.channel_shift, 'pixels', 'px', (0.7, 1.3, 2.1, 3.3, 5),
             f'{_KADID}: colour shift', seeded=True, reach=colour.channel_shift_reach),
    Operator('chromatic_aberration', _C, colour.chromatic_aberration, 'pixels', 'px in the corner',
             (1.2, 2.4, 4, 6.5, 10), f'{_TID}: chromatic aberrations'),
    Operator('chroma_blotches', _C, colour.chroma_blotches, 'sigma', 'grey levels', (4, 7, 12, 19, 30), _OURS,
             seeded=True),
    Operator('colour_diffusion', _C, colour.colour_diffusion, 'radius', 'px', (4, 8, 14, 24, 40),
             f'{_KADID}: colour diffusion', reach=colour.diffusion_reach),
    Operator('quantise', _C, tone.quantise, 'values', 'values a channel', (24, 14, 9, 6, 4),
             f'{_KADID}: quantisation', reach=0),
    Operator('palette', _C, colour.palette, 'colours', 'colours', (128, 64, 32, 18, 10),
             f'{_KADID}: colour quantisation'),
    Operator('banding', _C, tone.banding, 'step', 'grey levels', (12, 20, 32, 48, 72), _OURS, reach=tone.BANDING_REACH),
    Operator('vignette', _C, tone.vignette, 'loss', '1', (0.2, 0.38, 0.56, 0.74, 0.95), _OURS),
    Operator('haze', _C, tone.haze, 'density', '1', (0.12, 0.24, 0.38, 0.54, 0.72), 'Koschmieder model', reach=0),

    # Texture adjustment
    Operator('gaussian_blur', _T, blur.gaussian_blur, 'sigma', 'px', (0.7, 1.1, 1.8, 2.9, 4.8),
             f'{_KADID}: Gaussian blur', reach=gaussian_reach),
    Operator('anisotropic_blur', _T, blur.anisotropic_blur, 'sigma', 'px', (1, 1.6, 2.5, 3.9, 6), 'Real-ESRGAN',
             seeded=True, reach=blur.anisotropic_reach),
    Operator('defocus_blur', _T, blur.defocus_blur, 'radius', 'px', (1, 1.8, 3, 4.6, 7), f'{_KADID}: lens blur',
             reach=blur.defocus_reach),
    Operator('motion_blur', _T, blur.motion_blur, 'length', 'px', (3, 5.5, 9, 14, 22), f'{_KADID}: motion blur',
             seeded=True, reach=blur.motion_reach),
    Operator('zoom_blur', _T, blur.zoom_blur, 'amount', 'share of the radius', (0.015, 0.03, 0.055, 0.09, 0.14),
             'Hendrycks and Dietterich, ICLR 2019'),
    Operator('glass_blur', _T, blur.glass_blur, 'sigma', 'px', (0.45, 0.75, 1.2, 1.9, 3),
             'Hendrycks and Dietterich, ICLR 2019', seeded=True),
    Operator('denoise', _T, detail.denoise, 'size', 'px', (3, 5, 7, 10, 14), f'{_TID}: image denoising'),
    Operator('over_smoothing', _T, detail.over_smoothing, 'noise', 'grey levels', (4, 8, 15, 28, 55),
             'Lee, IEEE TPAMI 1980', reach=detail.WIENER_REACH),
    Operator('smear', _T, detail.smear, 'amount', '1', (0.2, 0.4, 0.6, 0.8, 1), 'Kuwahara et al., 1976',
             reach=detail.SMEAR_REACH),
    Operator('denoised_noise', _T, noise.denoised_noise, 'sigma', 'grey levels', (5, 10, 18, 30, 48),
             f'{_KADID}: denoise', seeded=True),
    Operator('sharpen', _T, detail.sharpen, 'amount', '1', (0.6, 1.2, 2.2, 3.8, 6.5), f'{_KADID}: high sharpen',
             reach=detail.SHARPEN_REACH),
    Operator('local_contrast', _T, detail.local_contrast, 'amount', '1', (0.25, 0.5, 0.9, 1.5, 2.5), _OURS,
             reach=detail.LOCAL_CONTRAST_REACH),
    Operator('ringing', _T, detail.ringing, 'cutoff', 'Nyquist frequency', (0.7, 0.5, 0.36, 0.26, 0.18),
             'Real-ESRGAN (Wang et al., ICCVW 2021)', reach=detail.ringing_reach),
    Operator('white_noise', _T, noise.white_noise, 'sigma', 'grey levels', (5, 10, 18, 30, 50),
             f'{_KADID}: white noise', seeded=True),
    Operator('colour_noise', _T, noise.colour_noise, 'sigma', 'grey levels', (6, 12, 21, 34, 55),
             f'{_KADID}: white noise in colour component', seeded=True),
    Operator('sensor_noise', _T, noise.sensor_noise, 'gain', 'grey levels', (0.3, 0.9, 2.2, 5, 11),
             'Foi et al., IEEE TIP 2008', seeded=True),
    Operator('speckle_noise', _T, noise.speckle_noise, 'sigma', '1', (0.03, 0.06, 0.11, 0.18, 0.3),
             f'{_KADID}: multiplicative noise', seeded=True),
    Operator('grain', _T, noise.grain, 'sigma', 'grey levels', (4, 8, 13, 20, 31), _OURS, seeded=True),
    Operator('line_noise', _T, noise.line_noise, 'sigma', 'grey levels', (2.5, 5, 9, 15, 24), _OURS, seeded=True),
    Operator('impulse_noise', _T, noise.impulse_noise, 'share', 'share of the pixels', (0.003, 0.01, 0.03, 0.07, 0.15),
             f'{_KADID}: impulse noise', seeded=True),
    Operator('jpeg', _T, compression.jpeg, 'quality', 'libjpeg quality', (48, 30, 19, 12, 7), f'{_KADID}: JPEG'),
    Operator('jpeg2000', _T, compression.jpeg2000, 'step', 'grey levels', (14, 24, 40, 64, 100),
             f'{_KADID}: JPEG 2000'),
    Operator('webp', _T, compression.webp, 'quality', 'libwebp quality', (40, 22, 11, 4, 0), _OURS),
    Operator('avif', _T, compression.avif, 'quality', 'libavif quality', (50, 36, 25, 15, 6), _OURS),
    Operator('lost_blocks', _T, damage.lost_blocks, 'share', 'share of the area', (0.02, 0.045, 0.09, 0.16, 0.28),
             f'{_TID}: JPEG transmission errors', seeded=True),
    Operator('colour_blocks', _T, damage.colour_blocks, 'share', 'share of the area', (0.01, 0.025, 0.05, 0.09, 0.16),
             f'{_KADID}: colour block', seeded=True),
    Operator('dead_pixels', _T, damage.dead_pixels, 'share', 'share of the pixels',
             (0.0008, 0.002, 0.005, 0.012, 0.03), _OURS, seeded=True),
    Operator('interlace', _T, damage.interlace, 'pixels', 'px', (0.8, 1.6, 3, 5.5, 10), _OURS),
    Operator('dither', _T, damage.dither, 'values', 'values a channel', (9, 6, 4, 3, 2), 'Bayer, 1973'),
)
# fmt: on

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
