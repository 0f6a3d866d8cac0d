"""What training and testing share: the config with the options of the command line, and launchers on a CPU."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.device import is_cuda_available, is_mlu_available, is_musa_available, is_npu_available

from mmqpt.core.errors import InputError
from mmqpt.engine.config_options import read_with_options

TRAINING = (
    *('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'default_hooks'),
    'custom_hooks',
)
"""Settings that only a training reads."""


def load_config(args: argparse.Namespace, unused: Mapping[str, str] | None = None) -> Config:
    """The config with the options of the command line in it.

    Args:
        args: with ``config``, ``cfg_options``, ``launcher``, ``local_rank`` and ``work_dir``.
        unused: settings that the command replaces, and what its user gives instead.

    Raises:
        FileNotFoundError: no such config.
        InputError: as of :func:`read_with_options`; a batch size or a number of workers that is none.
    """
    if 'LOCAL_RANK' not in os.environ:
        os.environ['LOCAL_RANK'] = str(args.local_rank)
    cfg = read_with_options(args.config, args.cfg_options, unused)
    _check_loaders(cfg)
    cfg.launcher = args.launcher
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _init_cpu_ranks(cfg)
    return cfg


def _check_loaders(cfg: Config) -> None:
    """PyTorch's own errors name neither the setting nor the loader, and come as tracebacks."""
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for name, least in (('batch_size', 1), ('num_workers', 0)):
            value = (cfg.get(loader) or {}).get(name, least)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f'{loader}.{name} must be an integer >= {least}, got {value!r}')


def _init_cpu_ranks(cfg: Config) -> None:
    """MMEngine assumes CUDA for torchrun: start gloo before it does."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrap_for_cpu_ranks(cfg)


def wrap_for_cpu_ranks(cfg: Config) -> None:
    """Let the model be wrapped without device ids, which PyTorch refuses on a CPU."""
    cfg.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'device_ids': None,
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
    }


def set_precision(cfg: Config, amp: bool = False) -> None:
    """Before a training: mixed precision where ``--amp`` or the config asks for it, if this machine has it.

    Args:
        cfg: with ``optim_wrapper``.
        amp: ``--amp``: float16 with a loss scale unless the config's ``optim_wrapper.dtype`` says otherwise.

    Raises:
        InputError: without a GPU (or an NPU, MLU or MUSA device in place of one); MMEngine has no AMP on a CPU.
    """
    wrapper = cfg.get('optim_wrapper')
    if not wrapper or (not amp and wrapper.get('type') != 'AmpOptimWrapper'):
        return  # without one MMEngine says what is missing
    if not (is_cuda_available() or is_npu_available() or is_mlu_available() or is_musa_available()):
        what = '--amp' if amp else "optim_wrapper.type='AmpOptimWrapper'"
        raise InputError(f'{what} needs a GPU; this machine has none')
    wrapper.type = 'AmpOptimWrapper'
    if amp:
        wrapper.setdefault('loss_scale', 'dynamic')
