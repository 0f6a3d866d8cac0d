"""Stored recipes replay, and stored seeds draw what they drew.

``golden.json`` holds hashes of the pixels of every operator and of what every preset draws, each with its version, as
the libraries named in it give them. With a new operator, after raising a version, or with other libraries, write it
anew; a hash that has changed under the same version is not overwritten:

    python tests/degradations/test_version.py
"""

import hashlib
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import PIL
import pytest

from mmqpt.degradations import LEVELS, OPERATORS, PRESETS, DegradationSpace

GOLDEN = Path(__file__).parent / 'golden.json'
CODECS = ('jpeg', 'webp', 'avif')  # their pixels belong to libraries inside OpenCV and Pillow
WRITE = 'run: python tests/degradations/test_version.py'
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


def pixels(name: str) -> dict:
    """The version of an operator, and hashes of its pixels by direction and level."""
    row, photo = OPERATORS[name], image()
    hashes = {f'{sign:+d}': [digest(row(photo, level, sign, SEED).tobytes()) for level in LEVELS] for sign in row.signs}
    return {'version': row.version, **hashes}


def draws(name: str) -> dict:
    """The version of what a preset draws, and a hash of that and of what it draws from."""
    space = DegradationSpace.preset(name)
    rng = np.random.Generator(np.random.PCG64(SEED))
    drawn = [space.draw(rng) for _ in range(100)]
    # In the layout of format 1, so that these hashes outlive formats.
    recipes = [json.dumps({'steps': [asdict(step) for step in recipe.steps], 'version': 1}) for recipe in drawn]
    content = json.dumps([space.options, space.skip, space.order, space.shuffle, space.weights, recipes])
    return {'version': PRESETS[name].draws, 'hash': digest(content.encode())}


def current() -> dict:
    return {
        'libraries': libraries(),
        'presets': {name: draws(name) for name in PRESETS},
        'pixels': {name: pixels(name) for name in OPERATORS if name not in CODECS},
    }


def unversioned_changes(old: dict, new: dict) -> list[str]:
    """Names whose hashes differ under the same version."""
    if old['libraries'] != new['libraries']:
        return []
    found = []
    for part in ('presets', 'pixels'):
        for name in old[part].keys() & new[part].keys():
            before, after = old[part][name], new[part][name]
            if before['version'] == after['version'] and before != after:
                found.append(name)
    return sorted(found)


@pytest.fixture(scope='module')
def stored() -> dict:
    return json.loads(GOLDEN.read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def golden(stored) -> dict:
    """The stored hashes, where these libraries can be held to them."""
    if stored['libraries'] != libraries():
        pytest.skip(f'hashes are of {stored["libraries"]}, this is {libraries()}')
    return stored


def test_golden_holds_every_version(stored):
    expected = {name: row.version for name, row in OPERATORS.items() if name not in CODECS}
    assert {name: entry['version'] for name, entry in stored['pixels'].items()} == expected, WRITE
    expected = {name: preset.draws for name, preset in PRESETS.items()}
    assert {name: entry['version'] for name, entry in stored['presets'].items()} == expected, WRITE


def test_table_has_its_order(stored):
    """Seeds draw by it."""
    assert list(stored['pixels']) == [name for name in OPERATORS if name not in CODECS], WRITE


@pytest.mark.parametrize('name', [name for name in OPERATORS if name not in CODECS])
def test_pixels_are_those_of_the_version(name, golden):
    advice = f'{name} gives other pixels. If it is meant to, raise the version in its row and {WRITE}'
    assert pixels(name) == golden['pixels'][name], advice


@pytest.mark.parametrize('name', PRESETS)
def test_draws_are_those_of_the_version(name, golden):
    advice = f'{name} draws something else from a seed. If it is meant to, raise its draws in presets.py and {WRITE}'
    assert draws(name) == golden['presets'][name], advice


def test_every_level_and_direction_differs():
    found = [pixels(name) for name in OPERATORS if name not in CODECS]
    digests = [one for entry in found for sign in ('+1', '-1') for one in entry.get(sign, [])]
    assert len(set(digests)) == len(digests)


def test_a_change_without_a_new_version_is_found():
    old = {'libraries': {}, 'presets': {}, 'pixels': {'one': {'version': 1, '+1': ['a']}}}
    for version, hashes, found in ((1, ['b'], ['one']), (2, ['b'], []), (1, ['a'], [])):
        new = {**old, 'pixels': {'one': {'version': version, '+1': hashes}, 'two': {'version': 1, '+1': ['c']}}}
        assert unversioned_changes(old, new) == found
    assert unversioned_changes(old, {**new, 'libraries': {'numpy': '3'}}) == []


if __name__ == '__main__':
    now = current()
    changed = unversioned_changes(json.loads(GOLDEN.read_text(encoding='utf-8')), now)
    if changed:
        sys.exit(f'changed under the same version, raise it first: {", ".join(changed)}')
    GOLDEN.write_text(json.dumps(now, indent=1) + '\n', encoding='utf-8')
    sys.stdout.write(f'{GOLDEN} written\n')
