"""Whether a pre-trained network tells degradations apart better than its start does, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import Tensor, nn

from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError, first_line
from mmqpt.core.photo import read_photo
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.evaluation.statistics.replicates import Replicated, draw_counts
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file

_REPLICATES = 2000
"""Draws of photos for an interval."""

_FIRST = 24
"""Photos whose patches set the statistics of a network that starts from random weights."""


def pretext_accuracies(cfg: Config, checkpoint: str | Path, paths: list[Path]) -> dict[str, Any]:
    """How often the positive is closer than every degradation-based negative, with keys from the key encoder.

    Beside it the same of the network that the config starts from, with its pooled features as they are: an untrained
    network solves much of the task, and only what the checkpoint has more was learned. Random weights are drawn with
    the seed of the config.

    Args:
        cfg: config of the pre-training.
        checkpoint: its checkpoint.
        paths: photos that were not trained on.

    Returns:
        ``photos`` and ``chance``; ``checkpoint`` and ``start``, each with ``different recipes``, which is the task;
        ``shared positions``, with all versions cut at the same places; ``same recipe``, with nothing to tell versions
        apart by; and ``gain`` of the same names, see :func:`gain`.

    Raises:
        InputError: not a checkpoint of pre-training, or the weights that the config starts from can't be read.
    """
    state = load_checkpoint_file(checkpoint)
    if export_spec_of(state).get('kind') != 'backbone':
        raise InputError(f'{checkpoint}: not a checkpoint of pre-training')
    config = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PatchPairs')
    independent, shared, control = (
        TRANSFORMS.build({**config, 'positions': positions, 'group_recipes': False})
        for positions in ('independent', 'shared', 'independent')
    )
    tasks = {'different recipes': independent, 'shared positions': shared, 'same recipe': same_recipe(control)}
    with torch.random.fork_rng():
        torch.manual_seed(cfg.get('randomness', {}).get('seed') or 0)
        model = MODELS.build({**cfg.model})
        model.init_weights()
    model.recipe_positives = 1  # photos come one by one
    model.eval()
    first = [patches_of(model, independent, path, number) for number, path in enumerate(paths[:_FIRST])]
    start = model.untrained_backbone(torch.cat(first))
    try:
        model.load_state_dict(state['state_dict'])
    except (LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f'{checkpoint}: not the weights of this config ({first_line(error)})') from error
    trained = {name: accuracies(model, pairs, paths) for name, pairs in tasks.items()}
    untrained = {name: accuracies(model, pairs, paths, start) for name, pairs in tasks.items()}
    return {
        'photos': len(paths),
        'chance': 1 / (1 + (independent.versions - 1) * independent.patches),
        'checkpoint': {name: float(found.mean()) for name, found in trained.items()},
        'start': {name: float(found.mean()) for name, found in untrained.items()},
        'gain': {name: gain(trained[name], untrained[name]) for name in tasks},
    }


def gain(trained: np.ndarray, start: np.ndarray) -> dict[str, Any]:
    """What training added on the same patches, with a paired bootstrap over photos.

    Args:
        trained: (N,) accuracies on N photos.
        start: (N,) of the start.

    Returns:
        ``value``, and ``low`` and ``high`` of its 95 % interval; these are None for fewer than two photos.
    """
    differences = trained - start
    found = None
    if len(differences) > 1:
        counts = draw_counts([str(number) for number in range(len(differences))], _REPLICATES)
        found = Replicated(float(differences.mean()), counts @ differences / len(differences)).interval()
    low, high = found or (None, None)
    return {'value': float(differences.mean()), 'low': low, 'high': high}


def same_recipe(pairs: PatchPairs) -> PatchPairs:
    """The transform, changed so that all versions of a photo have one recipe."""
    draw = pairs.space.draw
    pairs.draw_recipes = lambda rng: [draw(rng)] * pairs.versions  # type: ignore[method-assign]
    return pairs


@torch.no_grad()
def accuracies(model: BaseModel, pairs: PatchPairs, paths: list[Path], backbone: nn.Module | None = None) -> np.ndarray:
    """Share of (query, positive) whose positive is closer than every patch of the photo's other versions, (N,) a photo.

    Args:
        model: of pre-training, in eval mode.
        pairs: what makes versions and patches.
        paths: photos.
        backbone: a network whose features are compared instead of the model's queries and keys.
    """
    found = []
    for number, path in enumerate(paths):
        inputs = patches_of(model, pairs, path, number)
        right = model.loss(inputs)['acc_degradation'] if backbone is None else model.feature_accuracy(inputs, backbone)
        found.append(right)
    return torch.stack(found).double().cpu().numpy()


def patches_of(model: BaseModel, pairs: PatchPairs, path: Path, number: int) -> Tensor:
    """Preprocessed patches (1, V, P, 3, S, S) of a photo; ``number`` seeds them."""
    sample = {'img': swap_channels(read_photo(path)), 'rng': np.random.default_rng((1, number))}
    patches = torch.from_numpy(pairs(sample)['patches']).permute(0, 1, 4, 2, 3)[None]
    return model.data_preprocessor({'inputs': patches, 'data_samples': []})['inputs']
