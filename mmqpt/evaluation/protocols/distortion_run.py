"""Run the readers of distortions on encoders; every encoder is a cell, kept with all that was read."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.evaluation.protocols.cells import Cell, run_cells, slug
from mmqpt.evaluation.protocols.distortion_readers import Readings, read_distortions
from mmqpt.evaluation.protocols.distortions import RUNGS, Design
from mmqpt.evaluation.protocols.encoders import Encoder
from mmqpt.evaluation.protocols.features import digest_of
from mmqpt.evaluation.protocols.frozen import FrozenFeatures
from mmqpt.evaluation.protocols.linear_probe import FLOOR, PENALTIES

COLUMNS = ('photo', 'group', 'fold', 'distortion', 'level', 'read_level', 'read_type', 'read_level_each', 'position')
READERS = 1
"""Version of what the readers compute; part of the key of a cell."""


@dataclass(frozen=True)
class Ladders:
    """What was read of every ladder, as the file of an encoder holds it.

    Args:
        photos: L names.
        groups: L names of groups of photos.
        distortions: L names.
        level: (L, 6) level of each rung by the reader of all distortions.
        kinds: (L, 5) names of distortions that rungs 1 to 5 were taken for.
        level_each: (L, 6) level of each rung by the reader of that distortion.
        position: (L, 6) see :class:`Readings`.
    """

    photos: Sequence[str]
    groups: Sequence[str]
    distortions: Sequence[str]
    level: np.ndarray
    kinds: np.ndarray
    level_each: np.ndarray
    position: np.ndarray


def run_distortions(
    out: Path, encoders: Sequence[Encoder], design: Design, features: FrozenFeatures
) -> list[dict[str, Any]]:
    """Read the distortions of a design from the features of encoders; see :func:`run_cells`.

    Returns:
        For each encoder: ``encoder`` (its name), ``weights``, ``run``, ``step``, ``features`` (how many), ``seconds``
        and ``predictions``, the name of the CSV in ``out`` that :func:`read_ladders` reads.
    """
    stamps = design.stamps()
    of_design = {
        'images': digest_of(stamps),
        'folds': design.folds.tolist(),
        'groups': digest_of(list(design.groups)),
        'readers': READERS,
        'penalties': list(PENALTIES),
        'floor': FLOOR,
    }
    cells = [
        Cell(
            slug(encoder.name),
            json.loads(json.dumps({**of_design, 'features': [features.key(part) for part in encoder.parts]})),
            f'distortions of {encoder.name}: {len(stamps)} images of {len(design.names)} photos',
            partial(_compute, out, encoder, design, features, stamps),
        )
        for encoder in encoders
    ]
    found = run_cells(out, cells)
    places = [{'encoder': e.name, 'weights': e.weights, 'run': e.run, 'step': e.step} for e in encoders]
    return [{**cell, **place} for cell, place in zip(found, places, strict=True)]


def _compute(
    out: Path, encoder: Encoder, design: Design, features: FrozenFeatures, stamps: Sequence[str], folder: Path
) -> dict[str, Any]:
    start = time.perf_counter()
    found = np.concatenate([features.of_images(part, stamps, design.make) for part in encoder.parts], axis=1)
    with tqdm(total=int(design.folds.max()) + 1, desc='linear readers', unit='fold') as bar:
        readings = read_distortions(found, design, bar.update)
    path = out / 'predictions' / f'{slug(encoder.name)}.csv'
    write_ladders(path, readings, design)
    seconds = round(time.perf_counter() - start, 1)
    print(f'    done in {seconds:.0f} s', flush=True)
    return {'features': found.shape[1], 'seconds': seconds, 'predictions': path.relative_to(out).as_posix()}


def write_ladders(path: str | Path, readings: Readings, design: Design) -> None:
    """Write a row with :data:`COLUMNS` for every rung of every ladder; numbers keep all their digits.

    ``read_type`` is empty at level 0, where the photo has no distortion.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial_path, open(partial_path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, (photo, kind) in enumerate(design.ladders.tolist()):
            for level, image in zip(RUNGS, design.rungs[number].tolist(), strict=True):
                writer.writerow(
                    [
                        design.names[photo], design.groups[photo], int(design.folds[photo]),
                        design.distortions[kind].name, level, repr(float(readings.level[image])),
                        design.distortions[int(readings.kind[image])].name if level else '',
                        repr(float(readings.level_each[number, level])), repr(float(readings.position[number, level])),
                    ]
                )  # fmt: skip


def read_ladders(path: str | Path) -> Ladders:
    """Read what :func:`write_ladders` wrote.

    Raises:
        FileNotFoundError: no such file.
        InputError: something else; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such file of readings: {path}')
    try:
        with path.open(newline='', encoding='utf-8') as file:
            head, *rows = list(csv.reader(file)) or [[]]
        if tuple(head) != COLUMNS or not rows or len(rows) % len(RUNGS):
            raise ValueError(f'its columns must be {", ".join(COLUMNS)}, and its rows ladders of {len(RUNGS)}')
        table = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        if tuple(map(int, table['level'])) != RUNGS * (len(rows) // len(RUNGS)):
            raise ValueError('the levels of a ladder must be 0 to 5')
        numbers = {
            name: np.array(table[name], np.float64).reshape(-1, len(RUNGS))
            for name in ('read_level', 'read_level_each', 'position')
        }
    except (csv.Error, ValueError) as error:
        raise InputError(f'{path}: not a file of readings ({error})') from error
    first = slice(None, None, len(RUNGS))
    return Ladders(
        table['photo'][first],
        table['group'][first],
        table['distortion'][first],
        numbers['read_level'],
        np.array(table['read_type'], dtype=str).reshape(-1, len(RUNGS))[:, 1:],
        numbers['read_level_each'],
        numbers['position'],
    )
