"""Runs that meet trouble: signals, NaN, loaders that fail, at a chosen step."""

import json
import os
import signal

import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS, TRANSFORMS

from mmqpt.models.checkpoint import newest_checkpoint

TROUBLE = {'imports': ['mmqpt.components'], 'allow_failed_imports': False}


@HOOKS.register_module()
class SignalAt(Hook):
    """Sends a signal to this process, or to its group, right after a step; on one rank."""

    def __init__(self, step: int, name: str = 'SIGTERM', rank: int = 0, group: bool = False) -> None:
        self.step, self.number, self.rank, self.group = step, signal.Signals[name], rank, group

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.step and get_rank() == self.rank:
            (os.killpg if self.group else os.kill)(os.getpgrp() if self.group else os.getpid(), self.number)


@HOOKS.register_module()
class PoisonAt(Hook):
    """Makes one weight of the neck NaN for the forward pass of some steps, and puts it back; keeps states around it."""

    states: list = []

    def __init__(self, steps: list[int], where: str = 'input') -> None:
        self.steps, self.where = steps, where

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        model = runner.model
        if runner.iter + 1 in self.steps:
            self.states.append(snapshot(runner))
            if self.where == 'input':
                data_batch['inputs'] = [torch.full_like(image, torch.nan, dtype=torch.float32)
                                        for image in data_batch['inputs']]  # fmt: skip
            else:
                weight = next(model.neck.parameters())
                self.handle = weight.register_hook(lambda grad: grad * torch.inf)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 in self.steps:
            self.states.append(snapshot(runner))
            if self.where != 'input':
                self.handle.remove()


def snapshot(runner):
    """All of the model and of the optimiser's memory, copied."""
    state = {name: value.clone() for name, value in runner.model.state_dict().items()}
    for number, entry in runner.optim_wrapper.optimizer.state_dict()['state'].items():
        state |= {f'{number}.{name}': value.clone() for name, value in entry.items() if torch.is_tensor(value)}
    return state


@TRANSFORMS.register_module()
class TroubleWith:
    """Meets trouble at one photo in one epoch."""

    def __init__(self, position: int, epoch: int, kind: str) -> None:
        self.position, self.epoch, self.kind = position, epoch, kind

    def __call__(self, results):
        _, epoch, position = results['sample_key'][1]
        if (epoch, position) == (self.epoch, self.position):
            if self.kind == 'dies':
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == 'bug':
                raise KeyError('no such entry')
            raise OSError('the disk is on fire')
        return results


@pytest.fixture
def stepwise(tiny_pretrain):
    """Makes a config of 3 epochs of 6 steps, with dropped paths, whose losses say all that happened."""

    def make(folder, **changes):
        cfg = tiny_pretrain(
            folder,
            **{
                'train_dataloader.batch_size': 1,
                'train_cfg.max_epochs': 3,
                'model.backbone.drop_path_rate': 0.3,
                'default_hooks.checkpoint.max_keep_ckpts': -1,
                **changes,
            },
        )
        return cfg

    return make


@pytest.fixture
def train():
    """Trains from a config, with further hooks; with ``resume`` from the newest checkpoint of its folder."""

    def run(cfg, *hooks, resume=False):
        cfg.custom_hooks += list(hooks)
        if resume:
            cfg.resume, cfg.load_from = True, str(newest_checkpoint(cfg.work_dir))
            cfg.experiment_name = f'{cfg.experiment_name}_resumed_{len(os.listdir(cfg.work_dir))}'
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    return run


@pytest.fixture
def losses_of():
    """Losses by step that a run, and those that resumed it, logged. A step logged twice must be the same twice."""

    def read(folder):
        found = {}
        for path in sorted(folder.glob('*/vis_data/scalars.json')):
            for line in map(json.loads, path.read_text().splitlines()):
                assert found.setdefault(line['step'], line['loss']) == line['loss'], line
        return [found[step] for step in sorted(found)]

    return read
