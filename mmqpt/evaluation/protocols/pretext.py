"""Whether a pre-trained network tells degradations apart, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo, swap_channels
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file


def pretext_accuracies(cfg: Config, checkpoint: str | Path, paths: list[Path]) -> dict[str, float]:
    """How often the positive is closer than every degradation-based negative, with keys from the key encoder.

    Args:
        cfg: config of the pre-training.
        checkpoint: its checkpoint.
        paths: photos that were not trained on.

    Returns:
        ``photos`` and ``chance``; ``different recipes``, which is the task; ``shared positions``, with all versions cut
        at the same places; ``same recipe``, with nothing to tell versions apart by.

    Raises:
        InputError: not a checkpoint of pre-training.
    """
    state = load_checkpoint_file(checkpoint)
    if export_spec_of(state).get('kind') != 'backbone':
        raise InputError(f'{checkpoint}: not a checkpoint of pre-training')
    model = MODELS.build({**cfg.model, 'pretrained': None})
    model.load_state_dict(state['state_dict'])
    model.eval()
    pairs = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PatchPairs')
    return {
        'photos': len(paths),
        'chance': 1 / (1 + (pairs.versions - 1) * pairs.patches),
        'different recipes': accuracy(model, TRANSFORMS.build({**pairs}), paths),
        'shared positions': accuracy(model, TRANSFORMS.build({**pairs, 'positions': 'shared'}), paths),
        'same recipe': accuracy(model, same_recipe(TRANSFORMS.build({**pairs})), paths),
    }


def same_recipe(pairs: PatchPairs) -> PatchPairs:
    """The transform, changed so that all versions of a photo have one recipe."""
    draw = pairs.space.draw
    pairs.draw_recipes = lambda rng: [draw(rng)] * pairs.versions  # type: ignore[method-assign]
    return pairs


@torch.no_grad()
def accuracy(model: BaseModel, pairs: PatchPairs, paths: list[Path]) -> float:
    """Share of (query, positive) whose positive is closer than every patch of the photo's other versions."""
    right: list[Tensor] = []
    for number, path in enumerate(paths):
        sample = {'img': swap_channels(read_photo(path)), 'rng': np.random.default_rng((1, number))}
        patches = torch.from_numpy(pairs(sample)['patches']).permute(0, 1, 4, 2, 3)[None]
        inputs = model.data_preprocessor({'inputs': patches, 'data_samples': []})['inputs']
        right.append(model.loss(inputs)['acc_degradation'])
    return torch.stack(right).mean().item()
