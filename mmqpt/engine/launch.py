"""What tools/train.py and tools/test.py share: options, launchers on a CPU, and one-sentence errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed
from mmengine.config import Config, DictAction

from mmqpt.core.errors import InputError
from mmqpt.engine.custom_imports import import_components
from mmqpt.engine.stopping import RESUME_ME, RunStopped


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that OpenMMLab users know."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; work_dirs/<config name> by default')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value with dots between keys'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> Config:
    """The config with the options of the command line in it.

    Raises:
        FileNotFoundError: no such config.
        InputError: a module of its ``custom_imports`` is not there.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'no such config: {args.config}')
    if 'LOCAL_RANK' not in os.environ:
        os.environ['LOCAL_RANK'] = str(args.local_rank)
    cfg = Config.fromfile(args.config, import_custom_modules=False)
    cfg.launcher = args.launcher
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    import_components(cfg)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _init_cpu_ranks(cfg)
    return cfg


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


def use_amp(cfg: Config) -> None:
    """``--amp``: mixed precision, float16 with a loss scale unless the config's ``optim_wrapper.dtype`` says otherwise.

    Raises:
        InputError: without a GPU; MMEngine has no AMP on a CPU.
    """
    if not torch.cuda.is_available():
        raise InputError('--amp needs a GPU; this machine has none')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run(main: Callable[[], None]) -> None:
    """Run a tool; what the user got wrong ends it with one sentence and exit code 2 instead of a traceback.

    A run that was asked to stop and can be resumed ends with ``RESUME_ME``.
    """
    try:
        main()
    except RunStopped as stopped:
        print(f'{stopped}; --resume goes on', file=sys.stderr)
        sys.exit(RESUME_ME)
    except (InputError, FileNotFoundError) as error:
        sys.exit(_fail(str(error)))
    except KeyError as error:
        if 'registry' not in str(error):
            raise
        sys.exit(_fail(str(error).strip('\'"').split(' Please check')[0]))


def _fail(message: str) -> int:
    # An error in a loader's worker comes with that worker's traceback; its last line is the error.
    last = message.strip().splitlines()[-1]
    print(f'error: {last.removeprefix("mmqpt.core.errors.PhotoError: ")}', file=sys.stderr)
    return 2
