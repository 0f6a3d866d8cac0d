"""Fine-tuning as a protocol's learner: every task is an ordinary MMEngine run."""

from __future__ import annotations

import copy
import json
import math
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.files import reading, write_json
from mmqpt.datasets.rated.columns import find_columns
from mmqpt.datasets.rated.ratings import Rating
from mmqpt.datasets.rated.scales import scale_of
from mmqpt.datasets.rated.sets import write_set
from mmqpt.evaluation.protocols.frozen import RANDOM, check_weights, model_config, weights_key
from mmqpt.evaluation.protocols.learners import Method, joined_weights
from mmqpt.evaluation.protocols.tasks import Task
from mmqpt.models.checkpoint import load_checkpoint_file, newest_checkpoint

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_DECISIVE = ('model', *_LOADERS, 'train_cfg', 'optim_wrapper', 'param_scheduler', 'custom_hooks', 'auto_scale_lr')
"""Keys of a config that a result depends on."""
_DATA = (
    'data_root',
    'ann_file',
    'mos_range',
    'where',
    'holdout',
    'part',
    'group_column',
    'name',
    'scale_column',
    'scale',
)
"""Arguments of the data sets that the task replaces."""
_PERIOD = 'T_max'
_SPEED = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')
"""Arguments of loaders that change no result."""


class FineTune:
    """Fine-tuning of the whole network with a config, as ``mmqpt pretrain`` does it.

    Every task becomes an ordinary run: its folder holds the three CSVs, the config and MMEngine's logs. The epoch is
    the one with the best SRCC on the validation part; the best mean within rating scales where the set has several, and
    then the predictions are on the common scale.

    Args:
        cfg: config of fine-tuning; its data sets are replaced by the task's.
        epochs: length of a run instead of the config's; schedules that end with the run follow.
        min_steps: epochs are added until a run has that many steps, so that small shares of the labels are trained
            enough; 0 to keep the config's number of epochs.
        keep_checkpoints: whether the last checkpoint stays beside the best one when a run is done.
    """

    title = 'fine-tuning'

    def __init__(
        self, cfg: Config, epochs: int | None = None, min_steps: int = 0, keep_checkpoints: bool = False
    ) -> None:
        if min_steps < 0 or (epochs is not None and epochs < 1):
            raise InputError(f'epochs must be >= 1 and min_steps >= 0, got {epochs} and {min_steps}')
        model_config(cfg)
        self.cfg = copy.deepcopy(cfg)
        if epochs is not None:
            set_epochs(self.cfg, epochs)
        self.min_steps = min_steps
        self.keep_checkpoints = keep_checkpoints

    def key(self, method: Method) -> dict[str, Any]:
        """See :class:`Learner`."""
        if len(joined_weights(method)) > 1:
            raise InputError(f'{method.weights}: features side by side are for the linear probe, not for fine-tuning')
        config = self.cfg.to_dict()
        parts = {name: config.get(name) for name in _DECISIVE}
        parts['model'] = {**parts['model'], 'pretrained': None}
        for loader in _LOADERS:
            parts[loader] = {k: v for k, v in parts[loader].items() if k not in _SPEED}
            parts[loader]['dataset'] = {k: v for k, v in parts[loader]['dataset'].items() if k not in _DATA}
        return {
            'learner': self.title,
            'weights': weights_key(method.weights),
            'min_steps': self.min_steps,
            'config': parts,
        }

    def check(self, method: Method) -> None:
        """See :class:`Learner`."""
        check_weights(model_config(self.cfg), method.weights)

    def predict(self, method: Method, task: Task, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`Learner`."""
        done = folder / 'result.json'
        if not done.is_file():
            predicted, chosen = self._train(self._task_config(method, task, folder), task, folder)
            write_json(done, {'predicted': predicted.tolist(), 'chosen': chosen})
        if not self.keep_checkpoints:
            for path in [*folder.glob('epoch_*.pth'), *folder.glob('last_checkpoint')]:
                path.unlink()
        low, high = task.train_set.info.mos_range
        with reading(done):
            result = json.loads(done.read_text(encoding='utf-8'))
            return low + np.array(result['predicted'], np.float64) * (high - low), dict(result['chosen'])

    @staticmethod
    def _train(cfg: Config, task: Task, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Train, choose the epoch, and score the test part from 0 to 1."""
        Runner.from_cfg(cfg).train()
        chosen_by = cfg.default_hooks.checkpoint.save_best.replace('/', '_')
        best = sorted(folder.glob(f'best_{chosen_by}_epoch_*.pth'), key=_epoch)
        if not best:
            raise InputError(
                f'{folder}: no epoch could be chosen, since SRCC on the {len(task.val)} validation photos was never '
                'defined (constant predictions)'
            )
        chosen = {'epoch': _epoch(best[-1]), 'of epochs': cfg.train_cfg.max_epochs}
        return _predict(cfg, best[-1], task.test), chosen

    def _task_config(self, method: Method, task: Task, folder: Path) -> Config:
        cfg = copy.deepcopy(self.cfg)
        cfg.model.pretrained = None if method.weights == RANDOM else method.weights
        cfg.work_dir = str(folder.resolve())
        # MMEngine keeps loggers and the best score so far in the process, under this name and the time in seconds.
        cfg.experiment_name = f'{folder.resolve()}_{uuid.uuid4().hex[:8]}'
        cfg.randomness = {'seed': task.seed, 'deterministic': (cfg.get('randomness') or {}).get('deterministic', False)}
        last = _last_checkpoint(folder)
        cfg.resume, cfg.load_from = last is not None, last and str(last)
        parts = (
            ('train_dataloader', 'train', task.train_set, task.train),
            ('val_dataloader', 'val', task.train_set, task.val),
            ('test_dataloader', 'test', task.test_set, task.test),
        )
        for loader, name, rated, rows in parts:
            path = folder / f'{name}.csv'
            write_set(path, rated.info, [_row(rating) for rating in rows])
            dataset = {key: value for key, value in cfg[loader].dataset.items() if key not in _DATA}
            if rated.info.scale_column:
                dataset['scale_column'] = rated.info.scale_column
            dataset.update(data_root=str(rated.root.resolve()), ann_file=str(path.resolve()), name=rated.info.name)
            cfg[loader].dataset = ConfigDict(dataset)
        size = cfg.train_dataloader.batch_size
        if len(task.train) < size:
            cfg.train_dataloader.batch_size = size = len(task.train)
        steps = max(1, len(task.train) // size if cfg.train_dataloader.get('drop_last') else len(task.train) / size)
        set_epochs(cfg, max(cfg.train_cfg.max_epochs, math.ceil(self.min_steps / steps)))
        hooks = cfg.get('custom_hooks') or []
        there = {hook.type for hook in hooks}
        wanted = ['ValidateOnResumeHook', 'ProgressBarHook']
        chosen_by, by = 'iqa/SRCC', None
        column = task.train_set.info.scale_column
        if column:
            wanted.append('RatingScalesHook')
            given = cfg.model.get('scales')
            settings = dict(given) if isinstance(given, dict) else {}
            cfg.model.scales = {**settings, 'names': sorted({scale_of(rating, column) for rating in task.train})}
            chosen_by, by = 'iqa/SRCC_macro', 'scale'
        cfg.custom_hooks = [*hooks, *({'type': name} for name in wanted if name not in there)]
        cfg.default_hooks.checkpoint.update(save_best=chosen_by, rule='greater', max_keep_ckpts=2, interval=1)
        cfg.val_evaluator, cfg.test_evaluator = {'type': 'IQAMetric', 'by': by}, {'type': 'IQAMetric'}
        return cfg


def set_epochs(cfg: Config, epochs: int) -> None:
    """Change the length of a run, and with it every schedule that ends where the run ended.

    A warm-up (``LinearLR`` from the first step) of a set number of steps keeps that number; a cosine without ``end``
    ends with the run anyway.

    Raises:
        InputError: a schedule whose end can't be told: one by iterations, or without ``end`` and ``T_max``.
    """
    before = cfg.train_cfg.max_epochs
    if epochs == before:
        return
    cfg.train_cfg.max_epochs = epochs
    schedules: Any = cfg.get('param_scheduler') or []
    listed: list[Any] = [schedules] if isinstance(schedules, dict) else schedules
    for schedule in listed:
        begin, end, period = schedule.get('begin', 0), schedule.get('end'), schedule.get('T_max')
        if schedule.type == 'LinearLR' and begin == 0 and end is not None and not schedule.get('by_epoch', True):
            continue
        if schedule.type == 'CosineAnnealingLR' and end is None:  # ends with the run, as the train loop sees to
            if period is not None:
                del schedule[_PERIOD]
                if schedule.get('by_epoch', True) and epochs > begin:
                    schedule[_PERIOD] = epochs - begin
            continue
        if not schedule.get('by_epoch', True) or period not in (None, before - begin) or (end is None and not period):
            raise InputError(
                f'the length of {schedule.type} in param_scheduler does not follow from {before} epochs; set it, and '
                'train_cfg.max_epochs, in the config'
            )
        if end == before:
            schedule.end = epochs
        if period is not None:
            schedule.T_max = epochs - begin


def _epoch(path: Path) -> int:
    return int(path.stem.rsplit('_', 1)[1])


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; a "best" one of a later epoch is forgotten, since that epoch is run again."""
    last = newest_checkpoint(folder)
    for path in folder.glob('best_*.pth'):
        if last is None or _epoch(path) > _epoch(last):
            path.unlink()
    return last


def _row(rating: Rating) -> dict[str, str]:
    """The columns of a row with ``name`` and ``mos`` in front, whatever the CSV calls them."""
    used = {'name', 'mos', *find_columns(list(rating.row), 'the set')[:2]}
    rest = {column: value for column, value in rating.row.items() if column not in used}
    return {'name': rating.name, 'mos': repr(rating.mos), **rest}


@torch.no_grad()
def _predict(cfg: Config, checkpoint: Path, rows: Sequence[Rating]) -> np.ndarray:
    """Scores of the test photos in [0, 1], in the order of the rows."""
    model = MODELS.build({**cfg.model, 'pretrained': None})
    model.load_state_dict(load_checkpoint_file(checkpoint)['state_dict'])
    model.to('cuda' if torch.cuda.is_available() else 'cpu').eval()
    loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
    scores = {}
    with tqdm(total=len(rows), desc='test', unit='photo', mininterval=1) as bar:
        for batch in loader:
            for sample in model.test_step(batch):
                scores[sample.name] = float(sample.pred_score)
            bar.update(len(batch['inputs']))
    return np.array([scores[rating.name] for rating in rows], np.float64)
