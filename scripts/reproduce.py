"""Pre-train and fine-tune once more, end to end but shortened, and compare with stored numbers.

Example:
    git clone https://github.com/nisarahmedrana/BIQ2021
    python scripts/reproduce.py BIQ2021 --out work_dirs/reproduce

Data, near-duplicates and clean split are those of the full run; then pre-training, linear probe, fine-tuning, test,
export and scoring run on a small part of it, with the configs of the encoder (one branch of it) and of rating scales
and fewer steps. Five to eight minutes on two CPU cores. Counts must be equal, other numbers within the stated tolerance
(other processors round differently). The exit code is 1 if one is not. This shows that every step works as it did, not
how good the weights are.
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from mmqpt.cli.errors import run
from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.sets import read_set, write_set
from mmqpt.evaluation.statistics.groups import MACRO

ROOT = Path(__file__).resolve().parent.parent
STORED = Path(__file__).with_name('reproduce_small.json')
PRETRAIN = 'configs/qpt/qpt_efficientnet-lite0-side_1xb12-coslr-5000i_folder.py'
FINETUNE = 'configs/finetune/finetune_efficientnet-lite0-scales_1xb16-coslr_biq2021.py'
ONE_BRANCH = 'model.backbone.branches=1'  # as the run has it; the encoder that comes along has three
SPLIT = 'official_split_clean'
UNLABELLED, LABELLED, TESTED = 600, 320, 200
STEPS, EPOCHS = 40, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=Path, help='BIQ2021: its folder Images and its CSVs')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/reproduce'), help='folder for everything that is made'
    )
    parser.add_argument('--store', action='store_true', help=f'write {STORED.name} instead of comparing with it')
    args = parser.parse_args()
    if not (args.photos / 'Images').is_dir():
        raise InputError(f'{args.photos}: no folder Images; clone https://github.com/nisarahmedrana/BIQ2021')
    out, photos = args.out.resolve(), args.photos.resolve()
    out.mkdir(parents=True, exist_ok=True)
    found = make(photos, out)
    (out / 'found.json').write_text(json.dumps(found, indent=2) + '\n', encoding='utf-8')
    if args.store:
        entries = {name: {'value': value, 'tolerance': tolerance(name)} for name, value in found.items()}
        STORED.write_text(json.dumps(entries, indent=2) + '\n', encoding='utf-8')
        print(f'{STORED}: stored')
    elif not compare(found, json.loads(STORED.read_text(encoding='utf-8'))):
        sys.exit(1)


def make(photos: Path, out: Path) -> dict[str, float]:
    """Every step; gives the numbers to compare."""
    images, ann_file = photos / 'Images', out / 'biq2021.csv'
    if not (out / 'small.csv').is_file():
        command('prepare-dataset', 'biq2021', photos, '--out', ann_file, '--splits', 0, '--overwrite')
        command('find-duplicates', images, '--add-to', ann_file, '--list', 0)
        command('make-splits', ann_file, '--without-leaks', 'official_split')
        shorten(ann_file, out)
    found: dict[str, float] = {f'photos, {part}': count for part, count in parts(ann_file).items()}

    options = [f'train_dataloader.dataset.ann_file={out / "unlabelled.txt"}', f'iterations={STEPS}']
    options += ['train_dataloader.batch_size=8']
    checkpoint = out / 'pretrain' / f'iter_{STEPS}.pth'
    options += [f'default_hooks.checkpoint.interval={STEPS}', 'model.queue_length=256']
    work = ['--work-dir', out / 'pretrain', '--overwrite']
    command('pretrain', PRETRAIN, *work, '--cfg-options', *options, DATA_ROOT=images)
    last = last_record(out / 'pretrain')
    found |= {
        f'pre-training, last 10 steps: {name}': last[name] for name in ('loss', 'acc_degradation', 'mass_degradation')
    }

    probe = ['--ann-file', out / 'small.csv', '--data-root', images, '--splits', SPLIT, '--config', FINETUNE]
    weights = ['--weights', 'ImageNet=imagenet:efficientnet_lite0', f'QPT={checkpoint}', '--scales', 1]
    command('evaluate', 'probe', *probe, *weights, '--out', out / 'probe', DATA_ROOT=images)
    for row in json.loads((out / 'probe' / 'results.json').read_text(encoding='utf-8'))['summary']:
        if row['subset'] == MACRO:
            found[f'linear probe, mean SRCC within subsets: {row["method"]}'] = row['metrics']['SRCC']['median']

    variables = {'DATA_ROOT': images, 'ANN_FILE': out / 'small.csv', 'PRETRAINED': checkpoint}
    options = [ONE_BRANCH, 'head_only=False', f'train_cfg.max_epochs={EPOCHS}']
    options += [f'param_scheduler.1.T_max={EPOCHS}', 'param_scheduler.0.end=5']
    options += [f'custom_hooks.{place_of_hook("EMAHook")}.momentum=0.05', 'default_hooks.checkpoint.save_best=None']
    work = ['--work-dir', out / 'finetune', '--overwrite']
    command('finetune', FINETUNE, *work, '--cfg-options', *options, **variables)
    tuned = out / 'finetune' / f'epoch_{EPOCHS}.pth'
    predictions = out / 'predictions.csv'
    scored = ['--work-dir', out / 'test', '--out', out / 'test.json', '--overwrite', '--cfg-options', ONE_BRANCH]
    command('test', FINETUNE, tuned, *scored, **variables, OUT_FILE=predictions)
    tested = json.loads((out / 'test.json').read_text(encoding='utf-8'))
    found |= {f'fine-tuning, {name}': tested[f'iqa/{name}'] for name in ('SRCC_macro', 'PLCC_macro')}

    command('export', tuned, out / 'qpt.safetensors', '--half', '--overwrite')
    found['export in float16, largest change of 20 scores'] = change(predictions, images, out / 'qpt.safetensors')
    return found


def command(name: str, *arguments: object, **variables: object) -> None:
    """Run a command of mmqpt, showing its output."""
    call = [sys.executable, '-m', 'mmqpt', name, *map(str, arguments)]
    print('\n$', ' '.join(call[2:]), flush=True)
    done = subprocess.run(call, cwd=ROOT, env={**os.environ, **{k: str(v) for k, v in variables.items()}}, check=False)
    if done.returncode:
        raise InputError(f'mmqpt {name} ended with exit code {done.returncode}; see above')


def place_of_hook(name: str) -> int:
    """Where a hook stands in the config of the fine-tuning."""
    from mmengine.config import Config

    return [hook.type for hook in Config.fromfile(ROOT / FINETUNE).custom_hooks].index(name)


def shorten(ann_file: Path, out: Path) -> None:
    """A small part of the set, the same on every machine: the first photos in the order of the hash of their names."""
    data = read_set(ann_file)
    order = sorted(data.ratings, key=lambda rating: hashlib.sha256(rating.name.encode()).hexdigest())
    train = [rating for rating in order if rating.row[SPLIT] == 'train']
    test = [rating for rating in order if rating.row[SPLIT] == 'test']
    (out / 'unlabelled.txt').write_text('\n'.join(r.name for r in train[:UNLABELLED]) + '\n', encoding='utf-8')
    write_set(out / 'small.csv', data.info, [rating.row for rating in train[:LABELLED] + test[:TESTED]])


def parts(ann_file: Path) -> dict[str, int]:
    """How many photos of the whole set are in each part of the clean split."""
    ratings = read_set(ann_file).ratings
    return {part: sum(rating.row[SPLIT] == part for rating in ratings) for part in ('train', 'test', 'drop')}


def last_record(folder: Path) -> dict[str, float]:
    """The last line of MMEngine's log in JSON."""
    newest = max(folder.glob('*/vis_data/scalars.json'), key=lambda path: path.stat().st_mtime)
    return json.loads(newest.read_text(encoding='utf-8').splitlines()[-1])


def change(predictions: Path, images: Path, weights: Path) -> float:
    """How far scores of the exported file are from those of the checkpoint."""
    import mmqpt

    with predictions.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))[:20]
    scores = [mmqpt.score(images / row['name'], weights=weights) for row in rows]
    return float(np.abs(np.array(scores) - [float(row['score']) for row in rows]).max())


def tolerance(name: str) -> float:
    """Design choice: counts are exact; rounding adds up over a training."""
    if name.startswith('photos'):
        return 0
    return {'export': 0.002, 'pre-training': 0.05, 'linear probe': 0.02}.get(name.split(',')[0].split(' in ')[0], 0.03)


def compare(found: dict[str, float], stored: dict[str, dict[str, float]]) -> bool:
    """Print both; whether all are within the tolerance."""
    print('\n| number | stored | found | tolerance | |\n|---|---|---|---|---|')
    good = set(found) == set(stored)
    for name, entry in stored.items():
        value = found.get(name, float('nan'))
        fits = abs(value - entry['value']) <= entry['tolerance']
        good &= fits
        verdict = '' if fits else '**differs**'
        print(f'| {name} | {entry["value"]:.4g} | {value:.4g} | {entry["tolerance"]:g} | {verdict} |')
    print('everything is as stored' if good else 'not as stored: see the rows that differ')
    return good


if __name__ == '__main__':
    run(main)
