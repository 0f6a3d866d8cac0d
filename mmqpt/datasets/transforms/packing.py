"""The last step of a pipeline: from a dict of arrays to the input of the models."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample

from mmqpt.core.settings_repr import SettingsRepr

ORIGIN = ('img_path', 'sample_key', 'skipped')
"""Where a packed sample comes from: its file, its :class:`SampleKey`, and unreadable photos it stands in for."""


@TRANSFORMS.register_module()
class PackPatchPairs(SettingsRepr):
    """``patches`` -> what :class:`QPT` takes: ``inputs`` uint8 (V, P, 3, S, S) BGR, and a ``DataSample``."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Keeps ``recipes``, ``positions`` and what :data:`ORIGIN` names as metainfo of the sample."""
        patches = results['patches']
        planes = np.empty((*patches.shape[:2], 3, *patches.shape[2:4]), np.uint8)
        for version, split in zip(patches, planes, strict=True):
            for patch, (blue, green, red) in zip(version, split, strict=True):
                cv2.split(patch, [blue, green, red])
        sample = DataSample()
        for key in ('recipes', 'positions', *ORIGIN):
            if key in results:  # not by the constructor, which copies all that it is given, piece by piece
                sample.set_field(results[key], key, field_type='metainfo')
        return {'inputs': torch.from_numpy(planes), 'data_samples': sample}


@TRANSFORMS.register_module()
class PackRatedPhoto(SettingsRepr):
    """``img`` -> what :class:`IQARegressor` takes: ``inputs`` BGR, and a ``DataSample`` with ``gt_score`` (1,).

    ``inputs`` is (3, H, W), or (N, 3, H, W) of N crops. Where the data set has them, the sample holds ``gt_histogram``
    (K,), shares of the opinions, and ``gt_score_sd`` (1,), their standard deviation in units of the score; after a
    :class:`LevelLadder` also its ``ladder``.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Keeps ``img_path``, ``name`` and ``mos``, and if given ``scale``, ``mos_range`` and ``sample_key``."""
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(results['img'], -1, -3)))
        sample = DataSample(metainfo={key: results[key] for key in ('img_path', 'name', 'mos')})
        sample.set_metainfo({key: results[key] for key in ('scale', 'mos_range', 'sample_key') if key in results})
        sample.set_gt_score(torch.tensor([results['score']], dtype=torch.float32))
        if 'histogram' in results:
            sample.gt_histogram = torch.tensor(results['histogram'], dtype=torch.float32)
        if 'score_sd' in results:
            sample.gt_score_sd = torch.tensor([results['score_sd']], dtype=torch.float32)
        if 'ladder' in results:
            _pack_ladder(results, sample)
        return {'inputs': image, 'data_samples': sample}


def _pack_ladder(results: dict[str, Any], sample: Any) -> None:
    """Put a ladder into a ``DataSample``, uint8 (rungs, 3, H, W), with its levels and its operator."""
    sample.ladder = torch.from_numpy(np.ascontiguousarray(results['ladder'].transpose(0, 3, 1, 2)))
    sample.ladder_levels = torch.from_numpy(np.asarray(results['ladder_levels'], dtype=np.float32))
    sample.set_metainfo({'ladder_operator': results['ladder_operator']})
