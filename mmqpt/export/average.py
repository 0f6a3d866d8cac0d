"""Averages of encoders that began at the same weights."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.side_network import SIDE
from mmqpt.core.weights_file import read_weights, tensors_below, write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.version import __version__

_INPUT = ('input_mean', 'input_std')


def average_encoders(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    shares: Sequence[float] | None = None,
    branch: str | os.PathLike[str] | None = None,
) -> WeightsSpec:
    """Write an encoder whose weights and BatchNorm statistics are the weighted means of those of several files.

    Networks that were fine-tuned from the same weights lie in one valley of the loss, and a point between them often
    judges photos of other sources better than each of them: between a network and its own start (WiSE-FT, Wortsman et
    al., "Robust fine-tuning of zero-shot models", CVPR 2022), or between several fine-tunings (Wortsman et al., "Model
    soups", ICML 2022). Of networks without a common start the average is of no use, which nothing here can check. The
    head has to be fitted anew (``HeadStartHook``), so heads are left out.

    Args:
        files: exported encoders or metrics of one architecture; one is enough where a branch joins it.
        out: file to write, ending with .safetensors.
        shares: of each file, each >= 0 and together 1; None for equal ones.
        branch: a file with a side branch, which joins the average as it is: what QPT taught it beside a network that
            was fine-tuned. Its trunk must be of the files' architecture, and is left out.

    Raises:
        InputError: too few files, shares that do not fit, networks of several architectures or inputs, or a file for
            ``branch`` that has none or whose trunk is another network.
    """
    names = [os.fspath(file) for file in files]
    if len(names) < (2 if branch is None else 1):
        raise InputError(f'an average needs at least two files, or one and a branch, got {len(names)}')
    given = [1 / len(names)] * len(names) if shares is None else [float(share) for share in shares]
    if len(given) != len(names):
        raise InputError(f'shares must be one for each of the {len(names)} files, got {len(given)}')
    if not all(0 <= share <= 1 for share in given) or not math.isclose(sum(given), 1, abs_tol=1e-6):
        raise InputError(f'shares must be from 0 to 1 and together 1, got {", ".join(f"{share:g}" for share in given)}')
    if Path(out).suffix != '.safetensors':
        raise InputError(f'the average must end with .safetensors, got {os.fspath(out)}')
    tensors, first = read_weights(names[0])
    backbone = tensors_below(tensors, 'backbone.')
    shapes = {(key, value.shape) for key, value in backbone.items()}
    means = {key: _weighted(value, given[0]) for key, value in backbone.items()}
    for name, share in zip(names[1:], given[1:], strict=True):
        tensors, spec = read_weights(name)
        fields = ('backbone', 'backbone_args', *_INPUT)
        _check_fields(fields, name, spec, names[0], first, 'only alike can be averaged')
        found = tensors_below(tensors, 'backbone.')
        unlike = {(key, value.shape) for key, value in found.items()} ^ shapes
        if unlike:
            raise InputError(f'{name}: {min(unlike)[0]} is not as in {names[0]}; only alike can be averaged')
        means = {key: mean + _weighted(found[key], share) for key, mean in means.items()}
    kept = {key: mean.to(backbone[key].dtype) for key, mean in means.items()}
    network = first
    if branch is not None:
        network, side = _branch_for(os.fspath(branch), names[0], first, shapes)
        kept |= side
    spec = WeightsSpec(
        kind='backbone',
        backbone=network.backbone,
        backbone_args=network.backbone_args,
        input_mean=first.input_mean,
        input_std=first.input_std,
        mmqpt_version=__version__,
    )
    write_weights(out, {f'backbone.{key}': value for key, value in kept.items()}, spec)
    return spec


def _branch_for(
    name: str, other: str, first: WeightsSpec, shapes: set[tuple[str, torch.Size]]
) -> tuple[WeightsSpec, dict[str, Tensor]]:
    """What the file says of its network, and the tensors of its side branch."""
    tensors, spec = read_weights(name)
    backbone = tensors_below(tensors, 'backbone.')
    side = {key: value for key, value in backbone.items() if key.startswith(SIDE)}
    if not side:
        raise InputError(f'{name}: {spec.backbone} has no side branch')
    unlike = {(key, value.shape) for key, value in backbone.items() if key not in side} ^ shapes
    if unlike:
        raise InputError(f'{name}: its branch stands beside another network: {min(unlike)[0]} is not as in {other}')
    _check_fields(_INPUT, name, spec, other, first, 'a branch reads what its trunk reads')
    return spec, side


def _check_fields(
    fields: Sequence[str], name: str, spec: WeightsSpec, other: str, first: WeightsSpec, why: str
) -> None:
    """Refuse a file whose spec differs from that of the other file in one of the fields."""
    for field in fields:
        found, wanted = getattr(spec, field), getattr(first, field)
        if found != wanted:
            raise InputError(f'{name}: {field} is {found!r}, but {other} has {wanted!r}; {why}')


def _weighted(tensor: Tensor, share: float) -> Tensor:
    """In double precision, so that the average of a file with itself is that file; counters are averaged, too."""
    return tensor.to(torch.float64) * share
