"""From a checkpoint of pyiqa's trainer to a file of weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
import yaml
from torch import Tensor

from mmqpt.core.errors import UNREADABLE, InputError, first_line
from mmqpt.metric.arch import MMQPT

_OTHER = 'was not saved by this run of pyiqa'


def export_pyiqa(
    options: str | os.PathLike[str], checkpoint: str | os.PathLike[str], out: str | os.PathLike[str]
) -> MMQPT:
    """Write what ``mmqpt.score`` and ``pyiqa.create_metric`` load.

    Args:
        options: the YAML file of the run, as in configs/pyiqa; pyiqa puts a copy beside the folder ``models``. The
            file that its ``backbone_path`` names must still be there.
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
    try:
        net = MMQPT(**network)
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise InputError(f'{os.fspath(options)}: network: {first_line(error)}') from error
    state = _state(os.fspath(checkpoint))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:  # a heading, then a line for each difference
        reason = ' '.join(str(error).splitlines()[-1].split())
        raise InputError(f'{os.fspath(checkpoint)}: {_OTHER} (another network: {reason})') from error
    net.eval().save(out, dataset=train.get('name'))
    return net


def _parts(options: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Arguments of the network, and the training set."""
    try:
        with open(options, encoding='utf-8') as file:
            found = yaml.safe_load(file)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f'{options}: not the options of a run of pyiqa ({" ".join(str(error).split())})') from error
    network, train = _part(options, found, 'network'), _part(options, found, 'datasets', 'train')
    kind = network.pop('type', None)
    if kind != 'MMQPT' or 'backbone_path' not in network:
        raise InputError(f'{options}: its network must be an MMQPT with a backbone_path, got {kind}')
    if not train.get('mos_normalize'):
        raise InputError(f'{options}: mos_normalize of datasets.train must be true: scores of the network are in 0..1')
    wanted = train.get('mos_range')
    if not isinstance(wanted, list) or len(wanted) != 2:
        raise InputError(f'{options}: mos_range of datasets.train must be [low, high], got {wanted}')
    if network.get('mos_range') not in (None, wanted):
        raise InputError(f'{options}: mos_range of network is {network["mos_range"]}, of datasets.train {wanted}')
    network['mos_range'] = tuple(wanted)
    return network, train


def _part(options: str, found: Any, *names: str) -> dict[str, Any]:
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not found:
        raise InputError(f'{options}: not the options of a run of pyiqa ({".".join(names)} is missing or empty)')
    return dict(found)


def _state(checkpoint: str) -> dict[str, Tensor]:
    try:
        found = torch.load(checkpoint, map_location='cpu', weights_only=True)
    except UNREADABLE as error:
        raise InputError(f'{checkpoint}: {_OTHER} (damaged, or holds more than tensors)') from error
    state = found.get('params') if isinstance(found, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{checkpoint}: {_OTHER} (it has no tensors under 'params')")
    return dict(state)
