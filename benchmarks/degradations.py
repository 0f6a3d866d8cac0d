"""Time the degradations on one core: each operator and level, and whole training samples.

Example:
    python benchmarks/degradations.py --json benchmark.json > benchmark.md
    python benchmarks/degradations.py --photos data/photos

Prints Markdown, and writes the same numbers and more as JSON. Times are process time (all threads, of which there is
one); the cost of a sample is also given relative to decoding the same JPEGs in the same run, which compares across
machines and days. Run it on a calm machine all the same. Photos are those of scikit-image, at 512 x 384 px, unless a
folder is given. Where albumentations or kornia are installed, their closest transforms are timed in the same run.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import platform
import statistics
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from mmqpt.cli.errors import run
from mmqpt.core.errors import InputError
from mmqpt.core.memory import keep_freed_memory
from mmqpt.core.photo import find_photos, read_photo
from mmqpt.datasets.transforms.load_photo import LoadPhoto
from mmqpt.datasets.transforms.packing import PackPatchPairs
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.degradations import KINDS, LEVELS, OPERATORS, DegradationSpace, Recipe, Step, apply

SIZE = (512, 384)
SEED = 7
PRESETS = ('qpt-paper', 'large')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=Path, help='folder of photos; those of scikit-image by default')
    parser.add_argument('--json', type=Path, help='file for the numbers')
    parser.add_argument('--repeats', type=int, default=15, help='runs of an operator at a level (default: %(default)s)')
    parser.add_argument('--samples', type=int, default=400, help='training samples to make (default: %(default)s)')
    args = parser.parse_args()
    if args.repeats < 1 or args.samples < 1:
        raise InputError('--repeats and --samples must be >= 1')
    cv2.setNumThreads(1)
    keep_freed_memory()  # as a training's loader does
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = find_photos(args.photos) if args.photos else sample_photos(Path(folder))
        photo = cv2.resize(read_photo(paths[0]), SIZE, interpolation=cv2.INTER_AREA)
        results: dict[str, Any] = {'machine': machine(), 'size': SIZE, 'repeats': args.repeats}
        ours = f'{len(paths)} of scikit-image, {SIZE[0]} x {SIZE[1]} px, JPEG of quality 92'
        results['photos'] = f'{len(paths)} of a folder' if args.photos else ours
        # Samples first: a fresh process spends much of its time on memory that a worker already has.
        results['samples'] = {name: time_samples(name, paths, args.samples) for name in PRESETS}
        results['operators'] = time_operators(photo, args.repeats)
        results['presets'] = {name: preset_mean(name, results['operators']) for name in PRESETS}
        results['others'] = {
            'albumentations': time_others('albumentations', albumentations_twins, photo, args, results['operators']),
            'kornia': time_others('kornia', kornia_twins, photo, args, results['operators']),
        }
    print(report(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + '\n', encoding='utf-8')


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    model = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').is_file():
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
        model = next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), model)
    versions = {'python': platform.python_version(), 'numpy': np.__version__, 'opencv': cv2.__version__}
    load = os.getloadavg()[0] if hasattr(os, 'getloadavg') else None
    return {'cpu': model, 'cores': os.cpu_count(), 'load': load, **versions}


def sample_photos(folder: Path) -> list[Path]:
    """Photos of scikit-image as JPEG files of 512 x 384 px."""
    from skimage import data

    paths = []
    for name in ('astronaut', 'coffee', 'chelsea'):
        photo = cv2.resize(getattr(data, name)(), SIZE, interpolation=cv2.INTER_AREA)
        paths.append(folder / f'{name}.jpg')
        Image.fromarray(photo).save(paths[-1], quality=92)
    return paths


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median process time, after a run that does not count."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def time_operators(photo: np.ndarray, repeats: int) -> dict[str, dict[str, list[float]]]:
    """ms of every operator and direction, by level."""

    def of(name: str, level: int, sign: int) -> float:
        recipe = Recipe((Step(name, level, sign, SEED),))
        return milliseconds(lambda: apply(recipe, photo), repeats)

    return {
        name: {f'{sign:+d}': [of(name, level, sign) for level in LEVELS] for sign in row.signs}
        for name, row in OPERATORS.items()
    }


def preset_mean(name: str, times: dict[str, dict[str, list[float]]]) -> float:
    """Mean ms over the options of a preset."""
    options = DegradationSpace.preset(name).options
    return statistics.mean(times[operator][f'{sign:+d}'][level - 1] for operator, level, sign in options)


def time_samples(preset: str, paths: list[Path], count: int) -> dict[str, float]:
    """ms of a training sample: JPEG read, two versions, two patches of 224 px each, packed."""
    load, pairs, pack = LoadPhoto(), PatchPairs(224, versions=2, patches=2, space={'preset': preset}), PackPatchPairs()
    loaded, whole = [], []
    for number in range(-5, count):
        start = time.process_time()
        sample = load({'img_path': str(paths[number % len(paths)]), 'rng': np.random.default_rng(number + 5)})
        middle = time.process_time()
        pack(pairs(sample))
        if number >= 0:
            loaded.append(1000 * (middle - start))
            whole.append(1000 * (time.process_time() - start))
    mean = statistics.mean(whole)
    tail = float(np.quantile(whole, 0.95))
    return {
        'mean': mean, 'median': statistics.median(whole), 'p95': tail, 'decode': statistics.mean(loaded),
        'per_second': 1000 / mean, 'decodes': mean / statistics.mean(loaded),
    }  # fmt: skip


def albumentations_twins(A: Any, photo: np.ndarray) -> dict[str, tuple[str, Callable[[], Any]]]:
    """The closest transform to an operator at level 3, where there is one: its name, and a call that runs it."""
    found: dict[str, tuple[str, Callable[[], Any]]] = {}
    for name, make in albumentations_transforms(A).items():
        transform = make()
        transform.p = 1.0
        found[name] = (type(transform).__name__, functools.partial(transform, image=photo))
    return found


def kornia_twins(K: Any, photo: np.ndarray) -> dict[str, tuple[str, Callable[[], Any]]]:
    """The same of kornia's functions, on a float tensor (1, 3, H, W) as they take it: conversions are not counted."""
    x = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None].float() / 255
    noise = torch.randn(1, 2, *x.shape[2:], generator=torch.Generator().manual_seed(SEED))
    warp, enhance, filters = K.geometry.transform, K.enhance, K.filters
    calls: dict[str, tuple[Callable[..., Any], Any]] = {
        'rotate': (warp.rotate, (torch.tensor([7.0]),)),
        'shear': (warp.shear, (torch.tensor([[0.12, 0.0]]),)),
        'elastic': (warp.elastic_transform2d, (noise, (33, 33), (8.0, 8.0), (0.1, 0.1))),
        'brightness': (enhance.adjust_brightness, (0.2,)),
        'contrast': (enhance.adjust_contrast_with_mean_subtraction, (1.8,)),
        'gamma': (enhance.adjust_gamma, (1.8,)),
        'hue': (enhance.adjust_hue, (0.7,)),
        'saturation': (enhance.adjust_saturation, (2.4,)),
        'quantise': (enhance.posterize, (3,)),
        'gaussian_blur': (filters.gaussian_blur2d, ((11, 11), (1.8, 1.8))),
        'motion_blur': (filters.motion_blur, (9, 30.0, 0.0)),
        'denoise': (filters.median_blur, ((7, 7),)),
        'sharpen': (filters.unsharp_mask, ((9, 9), (1.5, 1.5))),
        'jpeg': (enhance.jpeg_codec_differentiable, (torch.tensor([19.0]),)),
    }
    return {
        name: (function.__name__, functools.partial(function, x, *arguments))
        for name, (function, arguments) in calls.items()
    }


def albumentations_transforms(A: Any) -> dict[str, Callable[[], Any]]:
    """The closest transform to an operator at level 3, where there is one."""
    return {
        'rotate': lambda: A.Rotate(limit=(7, 7), border_mode=cv2.BORDER_REFLECT_101),
        'shear': lambda: A.Affine(shear={'x': (7, 7), 'y': (0, 0)}, border_mode=cv2.BORDER_REFLECT_101),
        'perspective': lambda: A.Perspective(scale=(0.1, 0.1), border_mode=cv2.BORDER_REFLECT_101),
        'lens': lambda: A.OpticalDistortion(distort_limit=(0.18, 0.18)),
        'elastic': lambda: A.ElasticTransform(alpha=30, sigma=8),
        'resample_bicubic': lambda: A.Downscale(
            scale_range=(0.357, 0.357),
            interpolation_pair={'downscale': cv2.INTER_CUBIC, 'upscale': cv2.INTER_CUBIC},
        ),
        'brightness': lambda: A.RandomBrightnessContrast(brightness_limit=(0.2, 0.2), contrast_limit=(0, 0)),
        'contrast': lambda: A.RandomBrightnessContrast(brightness_limit=(0, 0), contrast_limit=(0.8, 0.8)),
        'gamma': lambda: A.RandomGamma(gamma_limit=(180, 180)),
        'hue': lambda: A.HueSaturationValue((20, 20), (0, 0), (0, 0)),
        'saturation': lambda: A.HueSaturationValue((0, 0), (60, 60), (0, 0)),
        'quantise': lambda: A.Posterize(num_bits=3),
        'chromatic_aberration': lambda: A.ChromaticAberration(
            primary_distortion_limit=(0.02, 0.02), secondary_distortion_limit=(0.01, 0.01)
        ),
        'gaussian_blur': lambda: A.GaussianBlur(blur_limit=(11, 11), sigma_limit=(1.8, 1.8)),
        'defocus_blur': lambda: A.Defocus(radius=(3, 3), alias_blur=(0.1, 0.1)),
        'motion_blur': lambda: A.MotionBlur(blur_limit=(9, 9)),
        'zoom_blur': lambda: A.ZoomBlur(max_factor=(1.055, 1.055), step_factor=(0.01, 0.01)),
        'glass_blur': lambda: A.GlassBlur(sigma=0.8, max_delta=2, iterations=1),
        'denoise': lambda: A.MedianBlur(blur_limit=(7, 7)),
        'sharpen': lambda: A.UnsharpMask(blur_limit=(9, 9), sigma_limit=(1.5, 1.5), alpha=(1, 1)),
        'ringing': lambda: A.RingingOvershoot(blur_limit=(15, 15), cutoff=(1.13, 1.13)),
        'white_noise': lambda: A.GaussNoise(std_range=(18 / 255, 18 / 255)),
        'sensor_noise': lambda: A.ShotNoise(scale_range=(0.1, 0.1)),
        'speckle_noise': lambda: A.MultiplicativeNoise((0.89, 1.11), per_channel=True, elementwise=True),
        'impulse_noise': lambda: A.SaltAndPepper(amount=(0.03, 0.03)),
        'jpeg': lambda: A.ImageCompression('jpeg', quality_range=(19, 19)),
        'webp': lambda: A.ImageCompression('webp', quality_range=(11, 11)),
    }


def time_others(
    package: str,
    twins_of: Callable[[Any, np.ndarray], dict[str, tuple[str, Callable[[], Any]]]],
    photo: np.ndarray,
    args: argparse.Namespace,
    ours: dict[str, dict[str, list[float]]],
) -> dict[str, Any]:
    """ms of another package's closest transforms, beside ours at level 3; and of whole samples made of these alone."""
    os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')
    try:
        module = importlib.import_module(package)
    except ImportError:
        return {'missing': f'{package} is not installed'}
    pairs = {}
    twins = twins_of(module, photo)
    for name, (transform, call) in twins.items():
        theirs = milliseconds(call, args.repeats)
        pairs[name] = {'transform': transform, 'theirs': theirs, 'ours': ours[name]['+1'][2]}
    return {'version': module.__version__, 'pairs': pairs, 'sample': time_twin_samples(twins, photo, args.samples)}


def time_twin_samples(
    twins: dict[str, tuple[str, Callable[[], Any]]], photo: np.ndarray, count: int
) -> dict[str, float]:
    """Mean ms of degrading two versions by operators that have a twin, as ``order=2`` and ``skip=0.5`` draw them.

    Ours makes two patches of 224 px of each version; the others have no way to degrade less than the photo. Their
    transforms run on the photo each time, not on each other's results: the cost is the same.
    """
    options = [(name, 3, 1) for name in twins]
    pairs = PatchPairs(224, versions=2, patches=2, space={'options': options, 'skip': 0.5, 'order': 2})
    ours, theirs = [], []
    for number in range(count):
        sample = {'img': photo, 'rng': np.random.default_rng(number)}
        start = time.process_time()
        made = pairs(sample)
        middle = time.process_time()
        for recipe in made['recipes']:
            for step in recipe.steps:
                twins[step.operator][1]()
        ours.append(1000 * (middle - start))
        theirs.append(1000 * (time.process_time() - middle))
    return {'ours': statistics.mean(ours), 'theirs': statistics.mean(theirs)}


def report(results: dict[str, Any]) -> str:
    """Markdown."""
    machine_, size = results['machine'], results['size']
    load = '' if machine_['load'] is None else f', load average at the start {machine_["load"]:.1f}'
    parts = [
        '# Benchmarks of the degradations',
        'Written by `python benchmarks/degradations.py`. Times are process time of one thread, on a machine with '
        f'{machine_["cores"]} cores ({machine_["cpu"]}){load}; Python {machine_["python"]}, NumPy {machine_["numpy"]}, '
        f'OpenCV {machine_["opencv"]}. Photos: {results["photos"]}.',
        '## Whole training samples',
        'Read from JPEG, cut a window of at most 512 px, degrade two patches of 224 px of two versions, pack. "In '
        'decodes": the mean over that of decoding the JPEG.',
        table(
            ('preset', 'ms a sample (mean)', 'median', '95 %', 'of which JPEG', 'in decodes', 'samples/s on one core'),
            [
                (
                    f'`{name}`',
                    *(ms(t[key]) for key in ('mean', 'median', 'p95', 'decode', 'decodes')),
                    f'{t["per_second"]:.0f}',
                )
                for name, t in results['samples'].items()
            ],
        ),
        f'## Operators at {size[0]} x {size[1]} px',
        'Mean over the options of a preset: '
        + ', '.join(f'`{name}` {ms(mean)} ms' for name, mean in results['presets'].items())
        + '. Below, ms by level: the median of '
        + f'{results["repeats"]} runs.',
        operator_table(results['operators']),
        '## Beside albumentations and kornia',
        *(part for package, found in results['others'].items() for part in others_text(package, found)),
    ]
    return '\n\n'.join(
        part if part.startswith('|') else textwrap.fill(part, 100, break_on_hyphens=False) for part in parts
    )


def operator_table(times: dict[str, dict[str, list[float]]]) -> str:
    """One row an operator and direction."""
    rows = []
    for name in sorted(times, key=lambda name: KINDS.index(OPERATORS[name].kind)):
        for sign, levels in times[name].items():
            shown = f'`{name}`' + (f' {sign[0]}' if len(times[name]) == 2 else '')
            rows.append((shown, OPERATORS[name].kind, *map(ms, levels)))
    return table(('operator', 'kind', *map(str, LEVELS)), rows)


def others_text(package: str, found: dict[str, Any]) -> tuple[str, ...]:
    """What was compared, and a table of pairs."""
    if 'missing' in found:
        return (f'Not measured: {found["missing"]}.',)
    rows = [
        (f'`{name}`', ms(pair['ours']), f'`{pair["transform"]}`', ms(pair['theirs']))
        for name, pair in found['pairs'].items()
    ]
    sample = found['sample']
    return (
        f'{package} {found["version"]}, the closest transform to our level 3. They are not the same operations: '
        'kernels, borders and noise differ, and some of ours are approximations (a median of 7 px, for one). Two '
        f'degraded versions of a photo, drawn from these operators alone: {ms(sample["ours"])} ms for two patches of '
        f'224 px of each, {ms(sample["theirs"])} ms for the photo by {package}.',
        table(('ours', 'ms', package, 'ms'), rows),
    )


def ms(value: float) -> str:
    """Two or three digits."""
    return f'{value:.2f}' if value < 10 else f'{value:.1f}'


def table(head: tuple[str, ...], rows: list) -> str:
    """A Markdown table."""
    lines = [head, ('---',) * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


if __name__ == '__main__':
    run(main)
