"""Photos with opinion scores, for fine-tuning and testing."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import DATASETS, TRANSFORMS
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.datasets.sampler import SampleKey, sample_key


@dataclass(frozen=True)
class Rating:
    """One row of a CSV: a photo and its mean opinion score in the set's own units."""

    name: str
    mos: float
    row: Mapping[str, str]


def read_ratings(ann_file: str | Path, mos_range: tuple[float, float]) -> list[Rating]:
    """Read a CSV in pyiqa's meta_info format: a header, then name and MOS in the first two columns.

    Args:
        ann_file: the CSV.
        mos_range: the least and the greatest score of the scale, in its units.

    Raises:
        FileNotFoundError: there is no such CSV.
        InputError: no rows, or a MOS that is no number, not finite or outside the range; names file and line.
    """
    path = Path(ann_file)
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of scores: {path}')
    low, high = mos_range
    if not low < high:
        raise InputError(f'mos_range must be (low, high) with low < high, got {mos_range}')
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f'{path}: not UTF-8 text ({error})') from error
    reader = csv.reader(lines)
    header = next(reader, [])
    if len(header) < 2:
        raise InputError(f'{path}: needs a header and at least the columns name and MOS, got {header}')
    ratings = []
    for fields in reader:
        if not fields:
            continue
        where = f'{path}, line {reader.line_num}'
        if len(fields) < len(header):
            raise InputError(f'{where}: {len(fields)} columns, but the header has {len(header)}: {fields}')
        try:
            mos = float(fields[1])
        except ValueError:
            raise InputError(f'{where}: no MOS in the second column: {fields}') from None
        if not math.isfinite(mos):
            raise InputError(f'{where}: MOS of {fields[0]!r} is {fields[1]}, not a finite number')
        if not low <= mos <= high:
            raise InputError(f'{where}: MOS of {fields[0]!r} is {mos}, outside mos_range {low} to {high}')
        ratings.append(Rating(fields[0], mos, dict(zip(header, fields, strict=False))))
    if not ratings:
        raise InputError(f'{path}: no rows below the header')
    return ratings


def check_columns(ratings: Sequence[Rating], columns: Iterable[str], ann_file: str | Path) -> None:
    """Raise InputError for a column that the CSV does not have; ``ann_file`` is its name in the message."""
    for column in columns:
        if column not in ratings[0].row:
            raise InputError(f'{ann_file}: no column {column!r}; there are: {", ".join(ratings[0].row)}')


def select_ratings(ratings: Sequence[Rating], where: Mapping[str, Any], ann_file: str | Path) -> list[Rating]:
    """The rows whose columns have the values of ``where``; InputError for a column that does not exist."""
    check_columns(ratings, where, ann_file)
    return [r for r in ratings if all(r.row[column] == str(value) for column, value in where.items())]


def split_holdout(
    ratings: Sequence[Rating], share: float, group_column: str | None
) -> tuple[list[Rating], list[Rating]]:
    """Cut a part off for validation, always the same one for the same names.

    Groups are ordered by a hash of their name and the first ones are held out until they have ``share`` of the photos.

    Args:
        ratings: what to cut.
        share: 0 to 1.
        group_column: photos with the same value stay on one side; None for every photo on its own.

    Returns:
        The part to fit, and the held-out part, in the order given.
    """
    groups: dict[str, int] = {}
    for rating in ratings:
        groups[_group(rating, group_column)] = groups.get(_group(rating, group_column), 0) + 1
    held: set[str] = set()
    count = 0
    for group in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if count >= share * len(ratings):
            break
        held.add(group)
        count += groups[group]
    fit = [rating for rating in ratings if _group(rating, group_column) not in held]
    return fit, [rating for rating in ratings if _group(rating, group_column) in held]


def _group(rating: Rating, column: str | None) -> str:
    return rating.row[column] if column else rating.name


@DATASETS.register_module()
class IQADataset(Dataset):
    """Photos and their MOS, as scores from 0 to 1: ``(mos - low) / (high - low)``.

    Args:
        data_root: folder of the photos.
        ann_file: CSV in pyiqa's meta_info format, see :func:`read_ratings`.
        mos_range: least and greatest score of the scale in its units.
        pipeline: transforms.
        where: keep rows whose columns have these values, such as ``{'split': 'train'}``.
        holdout: share of the kept rows that is held out for validation.
        part: ``'all'``, or with a holdout ``'fit'`` or ``'holdout'``.
        group_column: column of groups that the holdout does not tear apart (near-duplicates, reference images).
        name: name of the data set, stored with the weights; by default that of the CSV.

    Raises:
        FileNotFoundError: the CSV is missing.
        InputError: a bad row, a column that does not exist, rows whose photos are missing, or no rows left.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        mos_range: tuple[float, float],
        pipeline: Sequence[dict[str, Any]],
        where: Mapping[str, str] | None = None,
        holdout: float = 0.0,
        part: str = 'all',
        group_column: str | None = None,
        name: str | None = None,
    ) -> None:
        low, high = (float(x) for x in mos_range)
        self.mos_range = (low, high)
        self.name = name or Path(ann_file).stem
        self.root = Path(data_root)
        ratings = read_ratings(ann_file, self.mos_range)
        if group_column:
            check_columns(ratings, [group_column], ann_file)
        ratings = select_ratings(ratings, where or {}, ann_file)
        if part not in ('all', 'fit', 'holdout') or not 0 <= holdout < 1 or (part == 'all') != (holdout == 0):
            raise InputError(
                f"part must be 'all', or 'fit' or 'holdout' with 0 < holdout < 1, got {part!r} and {holdout}"
            )
        if part != 'all':
            ratings = split_holdout(ratings, holdout, group_column)[part == 'holdout']
        if not ratings:
            raise InputError(f'{ann_file}: no rows left with {dict(where or {})} and part {part!r}')
        missing = [r.name for r in ratings if not (self.root / r.name).is_file()]
        if missing:
            raise InputError(
                f'{ann_file}: {len(missing)} of {len(ratings)} photos are not in {self.root}, the first: {missing[0]}'
            )
        self.ratings = ratings
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is stored with the weights about the data."""
        return {'dataset': self.name, 'mos_range': list(self.mos_range), 'photos': len(self.ratings)}

    def full_init(self) -> None:
        """Nothing is deferred; MMEngine calls this."""

    def __len__(self) -> int:
        return len(self.ratings)

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        index, entropy = sample_key(key, len(self))
        rating = self.ratings[index]
        low, high = self.mos_range
        return self.pipeline(
            {
                'img_path': str(self.root / rating.name),
                'rng': np.random.default_rng(entropy),
                'name': rating.name,
                'mos': rating.mos,
                'score': (rating.mos - low) / (high - low),
            }
        )


@TRANSFORMS.register_module()
class RandomQualityCrop:
    """A random crop at the photo's own scale, and a random mirror image; neither changes quality as resizing would.

    Args:
        crop: side in px; cut to the photo where the size rule leaves it smaller.
        flip: probability to mirror left and right.
        view: arguments of :class:`View`: the size rule of the model. Its bounds are applied before the crop.
    """

    def __init__(self, crop: int, flip: float = 0.5, view: dict[str, Any] | None = None) -> None:
        if crop < 1 or not 0 <= flip <= 1:
            raise InputError(f'crop must be >= 1 px and flip a probability, got {crop} and {flip}')
        self.crop = crop
        self.flip = flip
        self.view = View(**(view or {}))
        if self.view.min_side < crop:
            raise InputError(f'crop is {crop} px, more than min_side ({self.view.min_side} px) of the view')

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes ``img``: uint8, or float32 in [0, 255] where the size rule resized the photo."""
        image, rng = results['img'], results['rng']
        if self.view.target_size(*image.shape[:2]) != image.shape[:2]:
            tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
            image = (self.view.resize(tensor)[0].permute(1, 2, 0) * 255).numpy()
        height, width = image.shape[:2]
        top = rng.integers(0, max(0, height - self.crop) + 1)
        left = rng.integers(0, max(0, width - self.crop) + 1)
        image = image[top : top + self.crop, left : left + self.crop]
        results['img'] = image[:, ::-1] if rng.random() < self.flip else image
        return results


@TRANSFORMS.register_module()
class PackRatedPhoto:
    """``img`` -> what :class:`IQARegressor` takes: ``inputs`` (3, H, W) BGR, and a ``DataSample`` with ``gt_score``."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Keeps ``img_path``, ``name`` and ``mos`` as metainfo of the sample."""
        image = torch.from_numpy(np.ascontiguousarray(results['img'].transpose(2, 0, 1)))
        sample = DataSample(metainfo={key: results[key] for key in ('img_path', 'name', 'mos')})
        return {
            'inputs': image,
            'data_samples': sample.set_gt_score(torch.tensor([results['score']], dtype=torch.float32)),
        }
