"""Spaces with a name.

Every choice of operators, levels and probabilities in this file is a design choice; the paper states none. The stages
of a camera and their order follow image signal processing: light, lens, sensor, processing, resizing, coding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mmqpt.core.errors import InputError
from mmqpt.degradations.rows import LEVELS
from mmqpt.degradations.table import OPERATORS

KADID: dict[str, tuple[str, int]] = {
    'Gaussian blur': ('gaussian_blur', 1),
    'lens blur': ('defocus_blur', 1),
    'motion blur': ('motion_blur', 1),
    'colour diffusion': ('colour_diffusion', 1),
    'colour shift': ('channel_shift', 1),
    'colour quantisation': ('palette', 1),
    'colour saturation 1': ('saturation', -1),
    'colour saturation 2': ('saturation_lab', 1),
    'JPEG 2000': ('jpeg2000', 1),
    'JPEG': ('jpeg', 1),
    'white noise': ('white_noise', 1),
    'white noise in colour component': ('colour_noise', 1),
    'impulse noise': ('impulse_noise', 1),
    'multiplicative noise': ('speckle_noise', 1),
    'denoise': ('denoised_noise', 1),
    'brighten': ('midtones', 1),
    'darken': ('midtones', -1),
    'mean shift': ('brightness', 1),
    'jitter': ('jitter', 1),
    'non-eccentricity patch': ('block_shift', 1),
    'pixelate': ('pixelate', 1),
    'quantisation': ('quantise', 1),
    'colour block': ('colour_blocks', 1),
    'high sharpen': ('sharpen', 1),
    'contrast change': ('contrast', -1),
}
"""The 25 distortions of KADID-10k (Lin et al., QoMEX 2019): the operator and the direction that stand for each."""

_QPT_PAPER = (
    # geometric deformation
    ('rotate', 2, 1),
    ('shear', 2, 1),
    ('stretch', 2, 1),
    ('perspective', 3, 1),
    ('lens', 3, 1),
    ('lens', 3, -1),
    ('elastic', 3, 1),
    ('jitter', 3, 1),
    ('resample_bicubic', 3, 1),
    # colour change
    ('brightness', 3, 1),
    ('brightness', 3, -1),
    ('contrast', 3, 1),
    ('contrast', 3, -1),
    ('saturation', 3, -1),
    ('hue', 3, 1),
    ('temperature', 3, 1),
    ('channel_shift', 3, 1),
    ('quantise', 3, 1),
    # texture adjustment
    ('gaussian_blur', 3, 1),
    ('defocus_blur', 3, 1),
    ('motion_blur', 3, 1),
    ('sharpen', 3, 1),
    ('denoise', 3, 1),
    ('white_noise', 3, 1),
    ('impulse_noise', 3, 1),
    ('jpeg', 3, 1),
    ('jpeg2000', 3, 1),
)

_MILD_MORE_OFTEN = (5, 4, 2, 1, 0.5)
_OPTICS = ('defocus_blur', 'motion_blur', 'gaussian_blur', 'anisotropic_blur')
_PROCESSING = ('denoise', 'over_smoothing', 'smear', 'sharpen')
_RESAMPLING = ('resample_area', 'resample_bilinear', 'resample_bicubic', 'resample_lanczos')
_CODEC = ('jpeg', 'webp', 'avif')


def _one_way(*named: tuple[str, int]) -> tuple[tuple[str, int, int], ...]:
    """Options of operators at all levels, each in one direction."""
    return tuple((name, level, sign) for name, sign in named for level in LEVELS)


class Preset(NamedTuple):
    """Arguments of :class:`DegradationSpace` with a name."""

    about: str
    """What it is, in Markdown."""

    arguments: dict[str, Any]

    draws: int = 1
    """Version of what a seed draws. Raise it where the same seed no longer gives the same recipes, as with another
    operator in the table (``large``, ``single``), other arguments, or another way to draw (all). Stored recipes do not
    depend on it; stored seeds, such as that of a training run, do."""


PRESETS: dict[str, Preset] = {
    'qpt-paper': Preset(
        'Near the 2e7 degradations that the paper states for three kinds, shuffled, skippable and applied twice. Nine '
        'options a kind, all equally likely, make 4,888 ways for one pass and 4,888^2 for two; different degradations '
        'are fewer, because some can arise in two ways.',
        {
            'options': _QPT_PAPER,
            'skip': 0.5,
            'shuffle': True,
            'order': 2,
            'choice': 'kind',
            'weights': {'lens': 2, 'brightness': 2, 'contrast': 2},
        },
    ),
    'large': Preset(
        'Every operator, level and direction, but for operators that show on parts of a photo only (`lost_blocks`, '
        '`colour_blocks`); otherwise as `qpt-paper`. The default.',
        {},
        draws=2,
    ),
    'camera': Preset(
        'What ails photographs, in the order in which a camera and its software do it: light, optics, sensor, '
        'processing, resampling, codec. A stage is left out half of the time; mild levels are likelier (5:4:2:1:.5).',
        {
            'groups': {
                'light': ('exposure', 'contrast', 'haze'),
                'optics': _OPTICS,
                'sensor': ('sensor_noise', 'white_noise', 'grain', 'chroma_blotches'),
                'processing': _PROCESSING,
                'resampling': _RESAMPLING,
                'codec': _CODEC,
            },
            'skip': 0.5,
            'shuffle': False,
            'order': 1,
            'severity': _MILD_MORE_OFTEN,
        },
    ),
    'camera-lowlight': Preset(
        'As `camera`, by night or indoors: too little light, a moving camera, a sensor at high gain, the wrong white '
        'balance, strong noise reduction.',
        {
            'groups': {
                'light': {
                    'options': _one_way(('exposure', -1), ('midtones', -1), ('contrast', -1)),
                    'skip': 0.2,
                    'weights': {'exposure': 2},
                },
                'optics': {'operators': _OPTICS, 'weights': {'motion_blur': 2, 'defocus_blur': 2}},
                'sensor': {
                    'operators': ('sensor_noise', 'colour_noise', 'chroma_blotches', 'line_noise'),
                    'skip': 0.2,
                    'weights': {'sensor_noise': 3, 'line_noise': 0.5},
                },
                'white balance': {
                    'options': _one_way(('temperature', 1), ('temperature', -1), ('tint', 1), ('tint', -1))
                    + _one_way(('saturation', -1)),
                    'skip': 0.6,
                    'weights': {'temperature': 2},
                },
                'processing': {'operators': _PROCESSING, 'skip': 0.4, 'weights': {'sharpen': 0.5}},
                'resampling': _RESAMPLING,
                'codec': _CODEC,
            },
            'skip': 0.5,
            'shuffle': False,
            'order': 1,
            'severity': _MILD_MORE_OFTEN,
        },
    ),
    'kadid': Preset(
        'One distortion of KADID-10k at one of five levels (of this table, not those of KADID-10k), all equally '
        'likely.',
        {
            'options': tuple((name, level, sign) for name, sign in KADID.values() for level in LEVELS),
            'skip': 0,
            'order': 1,
            'choice': 'one',
            'weights': {'midtones': 2},
        },
    ),
    'single': Preset(
        'Exactly one operator of all, at one level.',
        {'operators': tuple(OPERATORS), 'skip': 0, 'order': 1, 'choice': 'one'},
    ),
}


def preset_arguments(name: str) -> dict[str, Any]:
    """The arguments of :class:`DegradationSpace` that a preset stands for.

    Raises:
        InputError: no preset has that name; the message lists those there are.
    """
    try:
        return dict(PRESETS[name].arguments)
    except (KeyError, TypeError):
        raise InputError(f'unknown preset {name!r}; there are: {", ".join(PRESETS)}') from None
