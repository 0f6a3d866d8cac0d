"""A first look, on the photographs in scikit-image: scores, a map, a report page, and a pre-training in small.

Examples:
    python scripts/demo.py --out demo_output
    python scripts/demo.py --sheet docs/scores.jpg    # only the first picture: README's

The first part is what the installed weights do: photos and degraded copies of them are scored, and the scores fall. The
second part pre-trains a network for a minute from random weights. It shows that the parts work together; the network is
good for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2

from mmqpt.cli.errors import run
from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.degradations import Recipe, Step, apply

SHOWN = ('chelsea.png', 'coffee.png', 'rocket.jpg', 'motorcycle_left.png')
"""All 2:3, in colour, and in no training set of the installed weights."""

COPIES = {
    'blur, level 2': Recipe((Step('gaussian_blur', 2),)),
    'blur, level 4': Recipe((Step('gaussian_blur', 4),)),
    'JPEG, level 5': Recipe((Step('jpeg', 5),)),
    'noise, level 4': Recipe((Step('white_noise', 4),)),
}
HALF = 'right half blurred'
TRAINED_ON = (
    'motorcycle_left.png', 'motorcycle_right.png', 'rocket.jpg', 'hubble_deep_field.jpg', 'retina.jpg', 'ihc.png',
    'brick.png', 'grass.png', 'gravel.png', 'camera.png', 'coins.png', 'moon.png',
)  # fmt: skip
UNSEEN = ('astronaut.png', 'chelsea.png', 'coffee.png')
PRETRAIN = 'qpt_efficientnet-lite0-scratch_1xb12-coslr-600i_folder'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('demo_output'), help='folder to write to')
    parser.add_argument('--steps', type=int, default=60, help='of the pre-training')
    parser.add_argument('--sheet', type=Path, metavar='FILE', help='draw the first picture here, and nothing else')
    args = parser.parse_args()
    out: Path = args.out
    if args.sheet is not None:
        draw_sheet(write_copies(out / 'photos'), args.sheet)
        print(f'{args.sheet}: written')
        return
    started = time.time()
    say('1/5  four photographs of scikit-image, and degraded copies')
    copies = write_copies(out / 'photos')
    say('2/5  their scores: 0 to 1, higher is better')
    command('score', str(out / 'photos'))
    say('3/5  the same as a picture, where a photo is bad, and a page of the folder')
    draw_sheet(copies, out / 'scores.png')
    command('map', str(copies['coffee.png'][HALF]), '--out', str(out / 'map.png'))
    command('report', str(out / 'photos'), '--out', str(out / 'report.html'))
    say(f'4/5  pre-training in small: {args.steps} steps from random weights, on twelve photographs')
    copy_photos(out / 'pretrain_photos', TRAINED_ON)
    copy_photos(out / 'unseen_photos', UNSEEN)
    pretrain(out, args.steps)
    say('5/5  what it taught: are levels of degradation in order along its features, on photographs that it never saw?')
    command(
        'evaluate', 'distortions', '--data-root', str(out / 'unseen_photos'), '--photos', str(len(UNSEEN)),
        '--folds', '3', '--per-photo', '25', '--side', '128', '--scales', '1', '--replicates', '200',
        '--weights', 'before=random', f'after={out / "pretrain" / f"iter_{args.steps}.pth"}',
        '--out', str(out / 'distortions'), OMP_NUM_THREADS='1',
    )  # fmt: skip
    draw_training(out, out / 'pretraining.png')
    say(f'done after {time.time() - started:.0f} s')
    print(last_words(out))


def say(text: str) -> None:
    print(f'\n== {text}', flush=True)


def command(*args: str, **environment: str) -> None:
    """Run ``mmqpt`` as a user would, showing the call and the lines that matter."""
    print('$', *(f'{key}={value}' for key, value in environment.items()), 'mmqpt', shlex.join(args), flush=True)
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
        step = re.search(r'Iter\(train\) \[ *(\d*0)/.*?( loss: .*?) +acc_degradation', line)
        if step:
            print(f'step {step[1]}: {" ".join(step[2].split())}', flush=True)
        elif args[0] in ('score', 'map', 'report') or 'error:' in line:
            print(line.rstrip(), flush=True)
    if process.wait():
        print(*lines[-30:], sep='', file=sys.stderr)
        raise InputError(f'mmqpt {args[0]} ended with exit code {process.returncode}; see above')


def copy_photos(folder: Path, names: tuple[str, ...]) -> None:
    """Copy photographs out of scikit-image."""
    import skimage

    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes((Path(skimage.__file__).parent / 'data' / name).read_bytes())


def write_copies(folder: Path) -> dict[str, dict[str, Path]]:
    """Each photo, degraded copies, and one whose right half is blurred: files by photo and by what was done."""
    copy_photos(folder, SHOWN)
    files: dict[str, dict[str, Path]] = {}
    for name in SHOWN:
        photo = read_photo(folder / name)
        files[name] = {'the photo': folder / name}
        made = {what: apply(recipe, photo) for what, recipe in COPIES.items()}
        half = photo.copy()
        middle = photo.shape[1] // 2
        half[:, middle:] = made['blur, level 4'][:, middle:]
        for what, pixels in {**made, HALF: half}.items():
            path = folder / f'{Path(name).stem}-{re.sub("[^a-zA-Z0-9]+", "-", what)}.png'
            cv2.imwrite(str(path), pixels[..., ::-1])
            files[name][what] = path
    return files


def draw_sheet(copies: dict[str, dict[str, Path]], path: Path) -> None:
    """Photos and copies with their scores, and a map of the copy that is blurred on one side."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    import mmqpt
    from mmqpt.metric.quality_map import quality_map

    scorer = mmqpt.Scorer()
    columns = [*next(iter(copies.values())), 'its map']
    figure, axes = plt.subplots(
        len(copies),
        len(columns),
        figsize=(1.95 * len(columns), 1.58 * len(copies) + 0.55),
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01),
        squeeze=False,
    )
    drawn: Any = None
    for row, files in zip(axes, copies.values(), strict=True):
        for axis, file in zip(row, files.values(), strict=False):
            axis.imshow(read_photo(file), aspect='auto')
            axis.set_title(f'{scorer.score(file):.2f}', fontweight='bold', fontsize=13, pad=3)
        found = quality_map(scorer, files[HALF])
        row[-1].imshow(found.photo, aspect='auto')
        drawn = row[-1].imshow(found.per_pixel(), cmap='RdYlBu', alpha=0.55, vmin=0, vmax=1, aspect='auto')
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, what in zip(axes[-1], columns, strict=True):
        axis.text(0.5, -0.04, what, transform=axis.transAxes, ha='center', va='top', fontsize=11)
    figure.colorbar(drawn, ax=axes[:, -1], shrink=0.6, aspect=30, pad=0.02)
    figure.suptitle('scores of mmqpt, from 0 to 1, higher is better; in maps red is worse, blue is better', fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=92, facecolor='white', pil_kwargs={'quality': 85} if path.suffix == '.jpg' else None)
    plt.close(figure)


def pretrain(out: Path, steps: int) -> None:
    """A run that takes a minute on two cores, of which one degrades and one trains: patches of 64 px."""
    view = 'train_dataloader.dataset.pipeline.1'
    command(
        'pretrain', PRETRAIN, '--work-dir', str(out / 'pretrain'), '--cfg-options',
        f'{view}.patch_size=64', f'{view}.window=192', 'train_dataloader.num_workers=1', 'model.queue_length=256',
        f'train_cfg.max_iters={steps}', f'param_scheduler.0.end={max(1, steps // 20)}',
        f'param_scheduler.1.T_max={steps}', f'default_hooks.checkpoint.interval={steps}',
        'default_hooks.logger.interval=10',
        DATA_ROOT=str(out / 'pretrain_photos'), OMP_NUM_THREADS='1',
    )  # fmt: skip


def draw_training(out: Path, path: Path) -> None:
    """QC-Loss beside its chance level, and the level order of every distortion before and after."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    scalars = sorted((out / 'pretrain').glob('*/vis_data/scalars.json'))[-1]
    rows = [row for row in map(json.loads, scalars.read_text(encoding='utf-8').splitlines()) if 'chance_level' in row]
    summary = json.loads((out / 'distortions' / 'results.json').read_text(encoding='utf-8'))['summary']
    order = {
        name: {
            row['distortion']: row['value'] for row in summary if row['encoder'] == name and row['measure'] == 'order'
        }
        for name in ('before', 'after')
    }
    before, after = (order[name].pop('') for name in ('before', 'after'))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), layout='constrained')
    figure.suptitle(
        f'A pre-training in small: {rows[-1]["step"]} steps from random weights on {len(TRAINED_ON)} photographs. '
        'It shows that the parts work; the network is good for nothing.',
        fontsize=12,
    )
    steps = [row['step'] for row in rows]
    left.plot(steps, [row['chance_level'] for row in rows], '--', color='#888888', label='chance')
    left.plot(steps, [row['loss'] for row in rows], color='#1f77b4', label='QC-Loss (mean of 10 steps)')
    left.set_xlabel('step')
    left.legend(frameon=False)
    left.set_title(
        'The loss of the pretext task, and that of a network\nthat can tell no two patches apart', fontsize=11
    )
    names = sorted(order['after'], key=order['after'].__getitem__)
    places = range(len(names))
    for name, colour in (('before', '#bbbbbb'), ('after', '#1f77b4')):
        right.plot([order[name][n] for n in names], places, 'o', color=colour, label=name, markersize=5)
    right.axvline(0.5, color='#888888', linestyle='--', linewidth=1, label='chance')
    right.set_yticks(list(places), [n.replace('_', ' ') for n in names], fontsize=8)
    right.set_xlim(0, 1.02)
    right.legend(frameon=False, loc='lower left', fontsize=9)
    right.set_title(
        f'Pairs of levels in order along its features, on {len(UNSEEN)} unseen photographs:\n'
        f'{before:.2f} before, {after:.2f} after (so few photographs tell no more than that)',
        fontsize=11,
        loc='right',
    )
    figure.savefig(path, dpi=92, facecolor='white')
    plt.close(figure)


def last_words(out: Path) -> str:
    """What to open, and the three commands to go on with."""
    mmqpt = 'mmqpt' if shutil.which('mmqpt') else os.path.relpath(Path(sys.executable).parent / 'mmqpt')
    return f"""
Open
  {out / 'scores.png'}          photos and degraded copies with their scores, and maps
  {out / 'map.png'}             one map, as `mmqpt map` draws it
  {out / 'report.html'}         the page of a folder: sort, filter, keep or reject
  {out / 'pretraining.png'}     what the pre-training in small learned
  {out / 'distortions/report.html'}    the same, distortion by distortion

Next, with FOLDER a folder of your photos
  {mmqpt} report FOLDER -r --out report.html
  DATA_ROOT=FOLDER {mmqpt} pretrain qpt_efficientnet-lite0_1xb12-coslr_folder --work-dir work_dirs/pretrain
  {mmqpt} evaluate distortions --data-root UNSEEN --weights imagenet:efficientnet_lite0 work_dirs/pretrain \\
      --out work_dirs/distortions"""


if __name__ == '__main__':
    run(main)
