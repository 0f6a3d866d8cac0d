"""Recipes replay: any change of pixels, presets or draws must raise ``VERSION`` in recipe.py.

``golden.json`` holds hashes of what this version and the libraries named in it give. After raising ``VERSION``, or with
other libraries, write it anew:

    python tests/degradations/test_version.py
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

import cv2
import numpy as np
import PIL
import pytest

from mmqpt.degradations import LEVELS, OPERATORS, PRESETS, DegradationSpace
from mmqpt.degradations.recipe import VERSION

GOLDEN = Path(__file__).parent / 'golden.json'
CODECS = ('jpeg', 'webp', 'avif')  # their pixels belong to libraries inside OpenCV and Pillow
ADVICE = 'If this was meant to change, raise VERSION in recipe.py and run: python tests/degradations/test_version.py'
SEED = 2023


def image() -> np.ndarray:
    """320 x 384 px by integer arithmetic alone: ramps, stripes, a checkerboard, a disc and noise."""
    y, x = np.mgrid[:320, :384]
    noise = np.random.Generator(np.random.PCG64(1)).bit_generator.random_raw(y.size * 3).reshape(*y.shape, 3) >> 58
    planes = [2 * x // 3, x * y // 480, 220 - y // 2 - (x // 8 + y // 8) % 2 * 40]
    out = np.stack(planes, axis=-1) + noise.astype(int)
    out[(x - 120) ** 2 + (y - 150) ** 2 < 5000] += 60
    out[:, 300:340:4] //= 2
    return out.clip(0, 255).astype(np.uint8)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def libraries() -> dict[str, str]:
    return {
        'machine': platform.machine(),
        'simd': cv2.getCPUFeaturesLine(),  # OpenCV and NumPy round floats as the processor's instructions do
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'pillow': PIL.__version__,
    }


def pixels(name: str) -> dict[str, list[str]]:
    row, photo = OPERATORS[name], image()
    return {f'{sign:+d}': [digest(row(photo, level, sign, SEED).tobytes()) for level in LEVELS] for sign in row.signs}


def draws(name: str) -> str:
    """What a preset draws, and from what."""
    space = DegradationSpace.preset(name)
    rng = np.random.Generator(np.random.PCG64(SEED))
    recipes = [space.draw(rng).to_json() for _ in range(100)]
    return digest(json.dumps([space.options, space.skip, space.order, space.shuffle, space.weights, recipes]).encode())


def current() -> dict:
    return {
        'version': VERSION,
        'libraries': libraries(),
        'presets': {name: draws(name) for name in PRESETS},
        'pixels': {name: pixels(name) for name in OPERATORS if name not in CODECS},
    }


@pytest.fixture(scope='module')
def golden() -> dict:
    stored = json.loads(GOLDEN.read_text(encoding='utf-8'))
    assert stored['version'] == VERSION, f'{GOLDEN.name} is of another version. {ADVICE}'
    if stored['libraries'] != libraries():
        pytest.skip(f'hashes are of {stored["libraries"]}, this is {libraries()}')
    return stored


def test_operators_are_those_of_the_version():
    stored = json.loads(GOLDEN.read_text(encoding='utf-8'))
    assert list(stored['pixels']) == [name for name in OPERATORS if name not in CODECS], ADVICE
    assert list(stored['presets']) == list(PRESETS), ADVICE


@pytest.mark.parametrize('name', [name for name in OPERATORS if name not in CODECS])
def test_pixels_are_those_of_the_version(name, golden):
    assert pixels(name) == golden['pixels'][name], f'{name} gives other pixels. {ADVICE}'


@pytest.mark.parametrize('name', PRESETS)
def test_draws_are_those_of_the_version(name, golden):
    assert draws(name) == golden['presets'][name], f'preset {name} or what it draws has changed. {ADVICE}'


def test_every_level_and_direction_differs():
    digests = [one for name in OPERATORS if name not in CODECS for some in pixels(name).values() for one in some]
    assert len(set(digests)) == len(digests)


if __name__ == '__main__':
    GOLDEN.write_text(json.dumps(current(), indent=1) + '\n', encoding='utf-8')
    sys.stdout.write(f'{GOLDEN} written for version {VERSION}\n')
