"""Photos with opinion scores, for fine-tuning and testing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmpretrain.registry import DATASETS, TRANSFORMS
from torch.utils.data import Dataset

from mmqpt.core.errors import InputError
from mmqpt.core.photo import photo_stamp
from mmqpt.datasets.photos.sampler import SampleKey, sample_key
from mmqpt.datasets.rated.opinions import read_deviation, read_histogram
from mmqpt.datasets.rated.ratings import check_columns, check_files_once, read_ratings, select_ratings, split_holdout
from mmqpt.datasets.rated.scales import group_labels, scale_of
from mmqpt.datasets.rated.sets import read_info
from mmqpt.datasets.transforms import packing, quality_crop  # noqa: F401 (registers the transforms)


@DATASETS.register_module()
class IQADataset(Dataset):
    """Photos and their MOS, as scores from 0 to 1: ``(mos - low) / (high - low)``.

    Args:
        data_root: folder of the photos.
        ann_file: CSV with a column of photos and one of scores, see :func:`read_ratings`.
        pipeline: transforms.
        mos_range: least and greatest score of the scale in its units; None to take it from the JSON file beside the CSV
            that mmqpt prepare-dataset wrote.
        where: keep rows whose columns have these values, such as ``{'split': 'train'}``.
        holdout: share of the kept rows that is held out for validation.
        part: ``'all'``, or with a holdout ``'fit'`` or ``'holdout'``.
        group_column: column of groups that the holdout keeps whole (near-duplicates, reference images).
        name: name of the data set, stored with the weights; by default that of the CSV.
        histogram_columns: columns with the number or share of opinions per category, from the worst to the best, for
            losses on histograms; such as c1 to c5 of KonIQ-10k.
        scale_column: column whose equal values share a rating scale, such as BIQ2021's ``subset``; photos then carry
            ``scale``, and the model needs such scales, see :class:`RatingScales`. None where all rows share one.
        scale: name of the one scale of all rows, for sets that are trained on together; not beside ``scale_column``.
        sd_column: column with the standard deviation of the opinions in units of the scale; a histogram is made of it
            where ``histogram_columns`` are not given.

    Raises:
        FileNotFoundError: the CSV is missing.
        InputError: a bad row (or a bad count or deviation in it), a column that does not exist, a file under two
            names, rows whose photos are missing, or no rows left.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        pipeline: Sequence[dict[str, Any]],
        mos_range: tuple[float, float] | None = None,
        where: Mapping[str, str] | None = None,
        holdout: float = 0.0,
        part: str = 'all',
        group_column: str | None = None,
        name: str | None = None,
        histogram_columns: Sequence[str] | None = None,
        sd_column: str | None = None,
        scale_column: str | None = None,
        scale: str | None = None,
    ) -> None:
        if scale is not None and scale_column is not None:
            raise InputError(f'give scale ({scale!r}) or scale_column ({scale_column!r}), not both')
        low, high = (float(x) for x in (mos_range or read_info(ann_file).mos_range))
        self.mos_range = (low, high)
        self.name = name or Path(ann_file).stem
        self.root = Path(data_root)
        ratings = read_ratings(ann_file, self.mos_range)
        check_files_once(ratings, self.root, ann_file)
        opinions = [*(histogram_columns or ()), *([sd_column] if sd_column else [])]
        check_columns(ratings, [*(column for column in (group_column, scale_column) if column), *opinions], ann_file)
        ratings = select_ratings(ratings, where or {}, ann_file)
        if part not in ('all', 'fit', 'holdout') or not 0 <= holdout < 1 or (part == 'all') != (holdout == 0):
            raise InputError(
                f"part must be 'all', or 'fit' or 'holdout' with 0 < holdout < 1, got {part!r} and {holdout}"
            )
        if part != 'all':
            fit, held_out = split_holdout(ratings, holdout, group_column)
            ratings = fit if part == 'fit' else held_out
        if not ratings:
            raise InputError(f'{ann_file}: no rows left with {dict(where or {})} and part {part!r}')
        missing = [r.name for r in ratings if not (self.root / r.name).is_file()]
        if missing:
            raise InputError(
                f'{ann_file}: {len(missing)} of {len(ratings)} photos are not in {self.root}, the first: {missing[0]}'
            )
        self.ratings = ratings
        self.scales = [scale_of(r, scale_column) if scale_column else scale for r in ratings]
        self.histograms = [read_histogram(r, histogram_columns, ann_file) for r in ratings if histogram_columns]
        self.deviations = [read_deviation(r, sd_column, ann_file) / (high - low) for r in ratings if sd_column]
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])

    def __repr__(self) -> str:
        low, high = self.mos_range
        scales = ', '.join(sorted({str(scale) for scale in self.scales if scale is not None}))
        return (
            f'{type(self).__name__}({self.name}: {len(self)} photos in {self.root}, MOS from {low:g} to {high:g}'
            f'{f", scales {scales}" if scales else ""}, pipeline {self.pipeline})'
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is stored with the weights about the data."""
        return {'dataset': self.name, 'mos_range': list(self.mos_range), 'photos': len(self.ratings)}

    def scores(self) -> list[float]:
        """The scores of all photos, from 0 to 1, in their order."""
        low, high = self.mos_range
        return [(rating.mos - low) / (high - low) for rating in self.ratings]

    def labels(self) -> dict[str, tuple[list[float], tuple[float, float]]]:
        """For every rating scale the scores of its photos, from 0 to 1, and its ``mos_range``."""
        return group_labels(
            [(scale, score, self.mos_range) for scale, score in zip(self.scales, self.scores(), strict=True)]
        )

    def fingerprint(self) -> str:
        """A text that changes when a photo or what is said of it does; photos by path, size and time of change.

        Raises:
            FileNotFoundError: a photo is gone.
        """
        digest = hashlib.sha256(repr((self.mos_range, self.scales, self.histograms, self.deviations)).encode())
        for rating in self.ratings:
            digest.update(f'{photo_stamp(self.root / rating.name)}|{rating.mos!r}\n'.encode(errors='surrogateescape'))
        return digest.hexdigest()

    def full_init(self) -> None:
        """Nothing is deferred; MMEngine calls this."""

    def __len__(self) -> int:
        return len(self.ratings)

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        index, entropy = sample_key(key, len(self))
        rating = self.ratings[index]
        low, high = self.mos_range
        results = {
            'img_path': str(self.root / rating.name),
            'rng': np.random.default_rng(entropy),
            'sample_key': SampleKey(index, entropy),
            'name': rating.name,
            'mos': rating.mos,
            'score': (rating.mos - low) / (high - low),
        }
        if self.scales[index] is not None:
            results |= {'scale': self.scales[index], 'mos_range': self.mos_range}
        if self.histograms:
            results['histogram'] = self.histograms[index]
        if self.deviations:
            results['score_sd'] = self.deviations[index]
        return self.pipeline(results)
