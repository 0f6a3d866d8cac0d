"""What ``mmqpt evaluate distortions`` does: photos, their distorted copies, encoders, readers and the report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from mmqpt.cli.configs import find_config
from mmqpt.cli.evaluate_run import unused_settings
from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError
from mmqpt.core.photo import find_photos
from mmqpt.datasets.photos.listing import list_photos
from mmqpt.datasets.rated.duplicates import Fingerprints, clusters, fingerprint_photos, near_duplicates
from mmqpt.datasets.rated.overlap import Overlap, find_overlap
from mmqpt.degradations import DegradationSpace, apply, load_operators
from mmqpt.engine.config_file import read_config
from mmqpt.engine.custom_imports import import_components
from mmqpt.engine.launch import load_config
from mmqpt.evaluation.protocols.distortion_run import run_distortions
from mmqpt.evaluation.protocols.distortions import (
    Design,
    Distortion,
    assign,
    distortions_of,
    find_distortions,
    usable_photos,
)
from mmqpt.evaluation.protocols.encoders import find_encoders
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.folds import draw_folds
from mmqpt.evaluation.protocols.frozen import FrozenFeatures
from mmqpt.evaluation.reports.distortion_page import write_distortion_report
from mmqpt.evaluation.reports.distortion_results import write_distortion_results
from mmqpt.models.logs import silence_mmengine

EXAMPLE_LEVEL = 4
"""Level of the copies that the page shows."""


def evaluate_distortions(args: argparse.Namespace) -> None:
    """Run the protocol, and write its results."""
    silence_mmengine()
    args.launcher, args.local_rank, args.work_dir = 'none', 0, str(args.out)
    check_distortion_options(args)
    for name in args.imports:
        load_operators(name)
    distortions = named_distortions(args.distortions)
    encoders = find_encoders(args.weights, args.max_checkpoints)
    store = args.store or args.out / 'features'
    cfg = load_config(args, unused_settings('probe'))
    features = FrozenFeatures(cfg, args.scales, FeatureStore(store), args.device, args.workers, args.seed)
    for encoder in encoders:  # a name that is none costs no minutes
        for part in encoder.parts:
            features.key(part)
            features.check(part)
    design, overlap, notes = make_design(args, distortions, store)
    cells = run_distortions(args.out, encoders, design, features)
    results = write_distortion_results(
        args.out, design, cells, args.command_line, chosen(args), overlap, notes, args.replicates
    )
    write_examples(args.out / 'examples', design)
    page = write_distortion_report(args.out)
    print()
    print((args.out / 'results.md').read_text(encoding='utf-8'))
    for warning in results['warnings']:
        print(f'warning: {warning}')
    print(f'{page}: the report. results.json, results.csv and results.md are beside it.')


def check_distortion_options(args: argparse.Namespace) -> None:
    """Options that are out of range, or that another one must go with."""
    least = {'photos': 3, 'side': 32, 'per_photo': 1, 'folds': 3, 'workers': 1}
    for name, value in least.items():
        if getattr(args, name) < value:
            raise InputError(f'--{name.replace("_", "-")} must be >= {value}, got {getattr(args, name)}')
    if (args.trained_root or args.drop_overlap) and not args.trained_on:
        raise InputError('--trained-root and --drop-overlap go with --trained-on')


def named_distortions(names: Sequence[str]) -> list[Distortion]:
    """Those of presets, operators and configs of pre-training."""
    plain: list[str] = []
    for name in names:
        path = Path(find_config(name))
        plain += [d.name for d in distortions_of(space_of(path))] if path.suffix == '.py' else [name]
    return find_distortions(plain)


def space_of(path: Path) -> DegradationSpace:
    """The space of a config of pre-training."""
    cfg = read_config(path)
    import_components(cfg)
    loader = cfg.get('train_dataloader') or {}
    for step in (loader.get('dataset') or {}).get('pipeline') or []:
        if step.get('type') == 'PatchPairs':
            return DegradationSpace.from_config(step.get('space'))
    raise InputError(f'{path}: not a config of pre-training (no PatchPairs in its pipeline)')


def make_design(
    args: argparse.Namespace, distortions: Sequence[Distortion], store: Path
) -> tuple[Design, Overlap | None, list[str]]:
    """The photos and what each gets, how they overlap with training photos, and notes."""
    paths = list_photos(args.data_root, args.ann_file)
    with tqdm(total=min(args.photos, len(paths)), desc='photos', unit='photo', mininterval=1) as bar:
        drawn, notes = usable_photos(paths, args.side, args.photos, args.seed, bar.update)
    if not drawn:
        raise InputError(f'{args.data_root}: no photo can be used: {"; ".join(notes)}')
    prints = fingerprints_of(
        args.data_root, [path.relative_to(args.data_root).as_posix() for path in drawn], args, store
    )
    overlap = None
    if args.trained_on:
        overlap = overlap_with(args, prints, store)
        if args.drop_overlap and overlap.names:
            prints = without(prints, overlap.names)
            notes.append(
                f'{len(overlap.names)} photos were left out, since they are among the training photos of '
                f'{args.trained_on} or near-duplicates of them'
            )
    groups = clusters(prints.names, near_duplicates(prints))
    folds = draw_folds(groups, args.folds, args.seed)
    given = assign(folds, len(distortions), min(args.per_photo, len(distortions)), args.seed)
    design = Design(args.data_root, prints.names, groups, folds, distortions, given, args.side, args.seed)
    if len(prints.names) < args.photos:
        notes.append(f'{len(prints.names)} photos were used, fewer than the {args.photos} asked for')
    return design, overlap, notes


def fingerprints_of(root: Path, names: Sequence[str], args: argparse.Namespace, store: Path) -> Fingerprints:
    """By which near-duplicates among the photos are found."""
    with tqdm(total=len(names), desc='near-duplicates', unit='photo', mininterval=1) as bar:
        return fingerprint_photos(root, names, store / 'fingerprints.npz', args.workers, bar.update)


def overlap_with(args: argparse.Namespace, prints: Fingerprints, store: Path) -> Overlap:
    """What the photos share with those of ``--trained-on``."""
    folder = args.trained_on.is_dir()
    root = args.trained_on if folder else (args.trained_root or args.trained_on.parent)
    others = find_photos(root) if folder else list_photos(root, args.trained_on)
    names = [path.relative_to(root).as_posix() for path in others]
    with tqdm(total=len(names), desc='training photos', unit='photo', mininterval=1) as bar:
        return find_overlap(
            args.data_root, prints, root, names, store / 'fingerprints_trained.npz', args.workers, bar.update
        )


def without(prints: Fingerprints, names: Sequence[str]) -> Fingerprints:
    """The fingerprints of the other photos."""
    left = set(names)
    keep = [i for i, name in enumerate(prints.names) if name not in left]
    if not keep:
        raise InputError('all photos overlap with the training photos: none is left')
    return Fingerprints([prints.names[i] for i in keep], prints.bits[keep], prints.thumbnails[keep], prints.unreadable)


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """What the report says of the options."""
    names = ('distortions', 'side', 'per_photo', 'folds', 'scales', 'config', 'cfg_options', 'seed', 'trained_on')
    return {name: str(v) if isinstance(v := getattr(args, name), Path) else v for name in names}


def write_examples(folder: Path, design: Design) -> None:
    """One photo in every distortion, as JPEG files for the page: what the encoders were asked about."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('*.jpg'):
        old.unlink()
    photo = design.make(0)
    for number, distortion in enumerate(design.distortions):
        made = distortion.recipe(EXAMPLE_LEVEL, design.seed)
        path = folder / f'{number:03d}.jpg'
        pixels = swap_channels(apply(made, photo))
        if not cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90]):
            raise OSError(f'{path}: cannot be written')
