"""Spaces with a name.

Every choice of operators, levels and probabilities in this file is a design choice; the paper states none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mmqpt.core.errors import InputError
from mmqpt.degradations.rows import LEVELS

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
    'large': Preset('Every operator, level and direction; otherwise as `qpt-paper`. The default.', {}),
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
    'single': Preset('Exactly one operator of all, at one level.', {'skip': 0, 'order': 1, 'choice': 'one'}),
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
