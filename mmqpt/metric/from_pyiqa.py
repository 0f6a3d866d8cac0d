"""From a checkpoint of pyiqa's trainer to a file of weights."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from typing import Any

import torch
import yaml

from mmqpt.core.errors import InputError
from mmqpt.metric.arch import MMQPT


def export_pyiqa(
    options: str | os.PathLike[str], checkpoint: str | os.PathLike[str], out: str | os.PathLike[str]
) -> MMQPT:
    """Write what ``mmqpt.score`` and ``pyiqa.create_metric`` load.

    Args:
        options: the YAML file of the run, as in configs/pyiqa; pyiqa puts a copy beside the folder ``models``. The
            file of its ``backbone_path`` must still be there.
        checkpoint: ``models/net_best.pth`` of the run.
        out: file to write, ending with .safetensors.

    Returns:
        The network, ready for scoring.

    Raises:
        FileNotFoundError: no such file.
        InputError: not the options of such a run, opinion scores that were not mapped to 0..1, or a checkpoint of
            another network.
    """
    for file in (options, checkpoint):
        if not os.path.isfile(file):
            raise FileNotFoundError(f'no such file: {os.fspath(file)}')
    network, train = _parts(os.fspath(options))
    net = MMQPT(**network)
    try:
        state = torch.load(checkpoint, map_location='cpu', weights_only=True)['params']
        net.load_state_dict(state)
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError) as error:
        raise InputError(f'{os.fspath(checkpoint)}: not what this run of pyiqa saved ({error})') from error
    net.eval().save(out, dataset=train.get('name'))
    return net


def _parts(options: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Arguments of the network, and the training set."""
    try:
        with open(options, encoding='utf-8') as file:
            found = yaml.safe_load(file)
        network, train = dict(found['network']), found['datasets']['train']
        kind = network.pop('type')
    except (yaml.YAMLError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f'{options}: not the options of a run of pyiqa ({error})') from error
    if kind != 'MMQPT' or 'backbone_path' not in network:
        raise InputError(f'{options}: its network must be an MMQPT with a backbone_path, got {kind}')
    if not train.get('mos_normalize'):
        raise InputError(f'{options}: mos_normalize of datasets.train must be true: scores of the network are in 0..1')
    wanted = train['mos_range']
    if list(network.get('mos_range') or wanted) != list(wanted):
        raise InputError(f'{options}: mos_range of network is {network["mos_range"]}, of datasets.train {wanted}')
    network['mos_range'] = tuple(wanted)
    return network, train
