"""Load a skipped batch again, and find where in it, or in the weights, numbers stop being finite."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import COLLATE_FUNCTIONS
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS, MODELS
from torch import Tensor, nn

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.files import check_inside
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.engine.config_file import config_from_text
from mmqpt.engine.custom_imports import import_components
from mmqpt.engine.finite_steps import describe_sample
from mmqpt.engine.train_loop import seed_step
from mmqpt.models.checkpoint import load_checkpoint_file


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``FiniteStepHook`` wrote about a batch.

    Raises:
        FileNotFoundError: no such file.
        InputError: something else.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such record of a batch: {name}')
    try:
        record = json.loads(Path(name).read_text(encoding='utf-8'))
        wanted = [int(record['step']), int(record['seed']), int(record['rank']), str(record['config'])]
        samples = [(int(sample['index']), [int(part) for part in sample['entropy']]) for sample in record['samples']]
        texts = [record['config'], *(sample['name'] for sample in record['samples'])]
        texts += [record['weights']] if record['weights'] is not None else []
        is_right = all(isinstance(text, str) and '\0' not in text for text in texts)
        is_right = is_right and isinstance(record['outputs'], dict) and min(wanted[:3], default=0) >= 0  # type: ignore[type-var, operator]
        is_right = is_right and all(index >= 0 and min(entropy) >= 0 for index, entropy in samples)
        if record['weights'] is not None:
            check_inside(record['weights'], name)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise InputError(f'{name}: not a record of a batch as FiniteStepHook writes it ({error!r:.200})') from error
    if not samples:
        raise InputError(f'{name}: holds no samples')
    if not is_right:
        raise InputError(f'{name}: not a record of a batch as FiniteStepHook writes it (a value of another type)')
    return record


def load_batch(record: dict[str, Any], cfg: Config) -> tuple[dict[str, Any], list[str]]:
    """The batch as the loader gave it, and what differs from then (photos that changed, other versions of the code).

    Args:
        record: of :func:`read_record`.
        cfg: the config of the run.

    Raises:
        InputError: the data set has fewer photos than it had.
    """
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    loaded, differences = [], []
    for sample in record['samples']:
        if sample['index'] >= len(dataset):
            raise InputError(
                f'{sample["name"]}: was photo {sample["index"]}, but the data set has {len(dataset)} photos'
            )
        found = dataset[SampleKey(sample['index'], tuple(sample['entropy']))]
        loaded.append(found)
        now = json.loads(json.dumps(describe_sample(found['data_samples'])))
        for key in sorted(sample.keys() | now.keys()):
            if sample.get(key) != now.get(key):
                differences.append(f'{sample["name"]}: {key} is {now.get(key)}, was {sample.get(key)}')
    collate = dict(cfg.train_dataloader.get('collate_fn', {'type': 'pseudo_collate'}))
    return COLLATE_FUNCTIONS.get(collate.pop('type'))(loaded, **collate), differences


def build_model(cfg: Config, weights: str | os.PathLike[str] | None) -> nn.Module:
    """The model of the run, with the weights that met the batch, in training mode.

    With ``EMAHook``, a checkpoint has the averages for its ``state_dict`` and keeps what was trained elsewhere.

    Raises:
        FileNotFoundError: no such weights.
        InputError: weights of another model.
    """
    settings = dict(cfg.model)
    model = MODELS.build({**settings, 'pretrained': None} if weights and 'pretrained' in settings else settings)
    if weights is None:
        model.init_weights()
    else:
        try:
            loaded = load_checkpoint_file(weights)
            trained = {
                name.removeprefix('module.'): value
                for name, value in loaded.get('ema_state_dict', {}).items()
                if name.startswith('module.')
            }
            model.load_state_dict({**loaded['state_dict'], **trained})
        except (KeyError, RuntimeError) as error:
            raise InputError(f'{weights}: not the weights of this run ({first_line(error)})') from error
    return model.train()


def replay(record: dict[str, Any], cfg: Config, batch: dict[str, Any], model: Any) -> dict[str, Any]:
    """Run the step again without changing any weight, under the run's AMP if the model is on a GPU.

    Returns:
        ``losses``: name -> value; ``inputs``: for each sample least, greatest and mean of the finite values, and how
        many are not finite; ``first``: the first layer whose output is not finite, or None; ``weights``: names of
        weights that are not finite; ``gradients``: names of weights whose gradient is not finite.
    """
    seed_step(record['seed'], record['step'] - 1, record['rank'])
    data = model.data_preprocessor(batch, training=True)
    found: dict[str, Any] = {
        'weights': [name for name, value in model.state_dict().items() if not _finite(value)],
        'inputs': [_spread(image) for image in data['inputs']],
        'first': None,
    }

    def look(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            values = output if isinstance(output, (tuple, list)) else [output]
            if found['first'] is None and not all(_finite(value) for value in values if isinstance(value, Tensor)):
                found['first'] = name

        return hook

    handles = [
        module.register_forward_hook(look(name))
        for name, module in model.named_modules()
        if not any(True for _ in module.children())
    ]
    try:
        with _autocast(cfg, model):
            losses = model(**data, mode='loss')
        loss, shown = model.parse_losses(losses)
        loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    found['losses'] = {name: float(value) for name, value in shown.items()}
    found['gradients'] = [
        name for name, weight in model.named_parameters() if weight.grad is not None and not _finite(weight.grad)
    ]
    return found


def config_of(record: dict[str, Any], folder: Path) -> Config:
    """The config that the run was started with; like every config it is run as code, so it must be your own.

    Args:
        record: of :func:`read_record`.
        folder: where the record lies, for the message.

    Raises:
        InputError: the text is no config.
    """
    try:
        cfg = config_from_text(record['config'])
        init_default_scope(cfg.get('default_scope', 'mmpretrain'))
        import_components(cfg)
    except Exception as error:  # of any kind: it is code
        raise InputError(f'{folder}: the config in the record can not be read ({error!r})') from error
    parts = ('model', 'optim_wrapper', 'train_dataloader.dataset')
    for part in parts:
        found: Any = cfg
        for name in part.split('.'):
            found = found.get(name) if isinstance(found, (Config, dict)) else None
        if not isinstance(found, dict) or (part != 'optim_wrapper' and not found.get('type')):
            raise InputError(f'{folder}: the config in the record has no {part}, so it is none of a training')
    return cfg


def _autocast(cfg: Config, model: nn.Module) -> torch.autocast:
    device = next(model.parameters()).device.type
    amp = device == 'cuda' and cfg.optim_wrapper.type == 'AmpOptimWrapper'
    return torch.autocast(device, getattr(torch, cfg.optim_wrapper.get('dtype') or 'float16'), enabled=amp)


def _finite(value: Tensor) -> bool:
    return bool(value.isfinite().all()) if value.is_floating_point() else True


def _spread(image: Tensor) -> dict[str, float]:
    values = image.detach().float().cpu().numpy()
    good = values[np.isfinite(values)]
    least, greatest, mean = (good.min(), good.max(), good.mean()) if good.size else (math.nan,) * 3
    return {
        'least': float(least),
        'greatest': float(greatest),
        'mean': float(mean),
        'not_finite': int(values.size - good.size),
    }
