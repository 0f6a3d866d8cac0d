"""Linear probe: how much quality is in frozen features?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.head import pool_features
from mmqpt.core.photo import read_photo
from mmqpt.core.view import View

PENALTIES = np.logspace(0, 5, 21)


@torch.no_grad()
def photo_features(
    backbone: nn.Module,
    paths: Sequence[Path],
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float] = (1.0,),
    view: View | None = None,
    device: str = 'cpu',
) -> np.ndarray:
    """Pooled features of whole photos.

    Args:
        backbone: network whose output :func:`pool_features` takes; it is put into eval mode.
        paths: the photos.
        mean: of R, G and B in units of 0 to 255.
        std: of R, G and B in units of 0 to 255.
        scales: sizes relative to the photo; features of all scales are joined.
        view: the size rule before scaling; its crops, if any, are averaged.
        device: where to compute.

    Returns:
        float32 (photos, scales x channels).
    """
    view = view or View()
    if not scales or min(scales) <= 0:
        raise InputError(f'scales must be > 0, got {tuple(scales)}')
    backbone = backbone.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    centre, spread = (torch.tensor(list(x), dtype=torch.float32, device=device).view(3, 1, 1) for x in (mean, std))

    def one(images: Tensor, scale: float) -> Tensor:
        if scale != 1:
            images = F.interpolate(
                images, scale_factor=scale, mode='bicubic', antialias=True, align_corners=False
            ).clamp(0, 1)
        images = ((images * 255 - centre) / spread).contiguous(memory_format=torch.channels_last)
        return pool_features(backbone(images))[0]

    rows = []
    for path in tqdm(paths, desc='features', unit='photo', mininterval=1):
        photo = torch.from_numpy(read_photo(path)).to(device).permute(2, 0, 1)[None].float() / 255
        crops = view.crops(photo)
        rows.append(
            torch.cat([torch.stack([one(crop, scale) for crop in crops]).mean(dim=0) for scale in scales]).cpu()
        )
    return torch.stack(rows).numpy()


def ridge_probe(train: np.ndarray, mos: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features to MOS.

    The penalty is chosen out of :data:`PENALTIES` by the leave-one-out error on the training photos; test photos have
    no part in it.

    Args:
        train: (N, F) features.
        mos: (N,) opinion scores.
        test: (M, F) features.

    Returns:
        (M,) predictions, and the penalty.
    """
    if train.ndim != 2 or test.ndim != 2 or len(train) != len(mos) or train.shape[1] != test.shape[1]:
        raise InputError(f'features and MOS do not fit: {train.shape}, {np.shape(mos)}, {test.shape}')
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=PENALTIES))
    model.fit(train.astype(np.float64), np.asarray(mos, np.float64))
    return model.predict(test.astype(np.float64)), float(model[-1].alpha_)
