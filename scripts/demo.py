"""Every step on the photographs in scikit-image: pre-train, fine-tune, export, score, and draw a picture.

Example:
    python scripts/demo.py --out demo_output

There are no opinion scores in scikit-image, so fine-tuning uses made-up labels: 1 for the photo, less for each level
of degradation. The scores show that the parts work together; they say nothing about what people think of a photo.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from mmqpt.cli.errors import run
from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.degradations import OPERATORS, DegradationSpace, Recipe, Step, apply, draw_different

TRAINING = ('coffee.png', 'rocket.jpg', 'motorcycle_left.png', 'motorcycle_right.png', 'hubble_deep_field.jpg')
UNSEEN = ('astronaut.png', 'chelsea.png')
LEVEL_COST = 0.17
COPIES = 30
SIDE = 384
SHOWN = [Recipe()] + [
    Recipe((Step(name, level),))
    for name, level in [('gaussian_blur', 2), ('gaussian_blur', 4), ('jpeg', 3), ('jpeg', 5), ('white_noise', 4)]
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('demo_output'), help='folder to write to')
    parser.add_argument('--pretrain-epochs', type=int, default=24, help='each is one step over all training photos')
    parser.add_argument('--finetune-epochs', type=int, default=6)
    args = parser.parse_args()
    out: Path = args.out
    started = time.time()

    say('1/5  photographs of scikit-image')
    make_photos(out / 'photos')
    make_rated_copies(out / 'photos' / 'train', out / 'rated')

    say('2/5  pre-training (QC-Loss should fall below chance_level, acc_degradation rise above 0.14)')
    command(
        'pretrain', 'qpt_efficientnet-lite0_1xb12-coslr_folder', '--work-dir', str(out / 'pretrain'),
        '--cfg-options', f'train_dataloader.batch_size={len(TRAINING)}', f'train_cfg.max_epochs={args.pretrain_epochs}',
        f'param_scheduler.0.T_max={args.pretrain_epochs}', f'default_hooks.checkpoint.interval={args.pretrain_epochs}',
        'model.queue_length=512',
        'default_hooks.logger.interval=1', 'log_processor.window_size=1',
        DATA_ROOT=str(out / 'photos' / 'train'),
    )  # fmt: skip

    say('3/5  fine-tuning on the made-up labels')
    command(
        'finetune', 'finetune_efficientnet-lite0_1xb16-coslr_csv',
        '--work-dir', str(out / 'finetune'), '--cfg-options', f'train_cfg.max_epochs={args.finetune_epochs}',
        'default_hooks.logger.interval=3', 'train_dataloader.dataset.pipeline.1.crop=256',
        f'param_scheduler.1.T_max={args.finetune_epochs - 1}',
        DATA_ROOT=str(out / 'rated'), ANN_FILE=str(out / 'rated.csv'), MOS_RANGE='0,1',
        PRETRAINED=str(out / 'pretrain' / f'epoch_{args.pretrain_epochs}.pth'),
    )  # fmt: skip

    say('4/5  export')
    weights = out / 'qpt.safetensors'
    command('export', str(out / 'finetune' / f'epoch_{args.finetune_epochs}.pth'), str(weights))

    say("5/5  scores from pyiqa.create_metric('qpt')")
    scored = score_photos(out, weights)
    draw_picture(scored, out / 'demo.png')
    print(f'\n{out / "demo.png"} and {out / "scores.csv"} written after {time.time() - started:.0f} s')


def say(text: str) -> None:
    print(f'\n== {text}', flush=True)


def command(*args: str, **environment: str) -> None:
    """Run ``mmqpt`` as a user would, showing the call; its log goes on below."""
    print('$', *(f'{key}={value}' for key, value in environment.items()), 'mmqpt', *args, flush=True)
    process = subprocess.Popen(
        [sys.executable, '-m', 'mmqpt', *args],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if any(word in line for word in ('(train)', '(val)', 'safetensors:', 'error:')):
            print(line.split(' - INFO - ')[-1].rstrip(), flush=True)
    if process.wait():
        print(*lines[-30:], sep='', file=sys.stderr)
        raise InputError(f'mmqpt {args[0]} ended with exit code {process.returncode}; see above')


def make_photos(folder: Path) -> None:
    """Copy the photographs out of scikit-image."""
    import skimage

    for part, names in (('train', TRAINING), ('unseen', UNSEEN)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            data = (Path(skimage.__file__).parent / 'data' / name).read_bytes()
            (folder / part / name).write_bytes(data)


def make_rated_copies(photos: Path, folder: Path) -> None:
    """Degraded copies of the training photos with made-up labels, and their CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = sorted(name for name, row in OPERATORS.items() if row.kind != 'geometry')
    rows = []
    for path in sorted(photos.iterdir()):
        photo = read_photo(path)
        for number in range(COPIES):
            level = number % 6
            steps = (Step(names[rng.integers(len(names))], level, seed=int(rng.integers(1 << 30))),) if level else ()
            top = rng.integers(0, max(0, photo.shape[0] - SIDE) + 1)
            left = rng.integers(0, max(0, photo.shape[1] - SIDE) + 1)
            copy = apply(Recipe(steps), photo[top : top + SIDE, left : left + SIDE])
            name = f'{path.stem}_{number:02d}.png'
            cv2.imwrite(str(folder / name), copy[..., ::-1])
            rows.append((name, f'{1 - LEVEL_COST * level:.2f}', 'train'))
    with (folder.parent / 'rated.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([('name', 'mos', 'split'), *rows])


def score_photos(out: Path, weights: Path) -> list[tuple[str, Recipe, np.ndarray, float]]:
    """Score the unseen photos and degraded copies of them; writes the copies and scores.csv."""
    import pyiqa

    import mmqpt  # noqa: F401  (registers qpt)

    metric = pyiqa.create_metric('qpt', pretrained_model_path=str(weights), device='cpu')
    space = DegradationSpace()
    rng = np.random.default_rng(1)
    (out / 'scored').mkdir(exist_ok=True)
    scored = []
    for name in UNSEEN:
        photo = read_photo(out / 'photos' / 'unseen' / name)
        drawn = sorted(draw_different(space, len(SHOWN), rng), key=lambda recipe: len(recipe.steps))
        for number, recipe in enumerate([*SHOWN, *drawn]):
            path = out / 'scored' / f'{Path(name).stem}_{number:02d}.png'
            degraded = apply(recipe, photo)
            cv2.imwrite(str(path), degraded[..., ::-1])
            scored.append((path.name, recipe, degraded, float(metric(str(path)))))
            print(f'{scored[-1][3]:.3f}  {path.name}: {recipe}')
    with (out / 'scores.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows(
            [('name', 'score', 'recipe'), *((name, f'{s:.6f}', r.to_json()) for name, r, _, s in scored)]
        )
    return scored


def draw_picture(scored: list[tuple[str, Recipe, np.ndarray, float]], path: Path) -> None:
    """A sheet of the scored photos, the recipe under each."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    columns = len(SHOWN)
    rows = len(scored) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(2.7 * columns, 3.5 * rows), layout='constrained')
    for axis, (_, recipe, image, score) in zip(axes.flat, scored, strict=True):
        axis.imshow(image)
        axis.set_axis_off()
        axis.set_title(f'{score:.2f}', fontweight='bold', fontsize=15)
        steps = [str(step) for step in recipe.steps] or ['the photo itself']
        text = '\n'.join(', '.join(steps[i : i + 2]) for i in range(0, len(steps), 2))
        axis.text(0.5, -0.03, text, transform=axis.transAxes, ha='center', va='top', fontsize=9)
    figure.suptitle(
        "pyiqa.create_metric('qpt') on photos it was not trained on, after a demo-size training on five photos with "
        'made-up labels.\nThe number is the score (0 to 1, higher is better), the line below each photo its recipe '
        '(operator and level 1 to 5).',
        fontsize=12,
    )
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == '__main__':
    run(main)
