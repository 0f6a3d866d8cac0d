"""Averages of encoders that began at the same weights."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.side_network import MAX_BRANCHES, SIDE, branch_prefixes
from mmqpt.core.weights_file import read_weights, tensors_below, write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.version import __version__

_INPUT = ('input_mean', 'input_std')
_ORIGIN = ('dataset', 'iterations', 'config_sha256')


def average_encoders(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    shares: Sequence[float] | None = None,
    branches: Sequence[str | os.PathLike[str]] = (),
) -> WeightsSpec:
    """Write an encoder whose weights and BatchNorm statistics are the weighted means of those of several files.

    Networks that were fine-tuned from the same weights lie in one valley of the loss, and a point between them often
    judges photos of other sources better than each of them: between a network and its own start (WiSE-FT, Wortsman et
    al., "Robust fine-tuning of zero-shot models", CVPR 2022), or between several fine-tunings (Wortsman et al., "Model
    soups", ICML 2022). Of networks without a common start the average is of no use, which nothing here can check. The
    head has to be fitted anew (``HeadStartHook``), so heads are left out. Data set, steps and config are kept where all
    files have the same.

    Args:
        files: exported encoders or metrics of one architecture; one is enough where branches join it.
        out: file to write, ending with .safetensors.
        shares: of each file, each >= 0 and together 1; None for equal ones.
        branches: files with a side branch, or with several, which join the average as they are, after those that it
            has: what QPT taught them beside a network that was fine-tuned, or branches of several runs side by side.
            Their trunks must be of the files' architecture, and are left out.

    Raises:
        InputError: too few files, shares that do not fit, networks of several architectures or inputs, or a file for
            ``branches`` that has none, of other widths, or whose trunk is another network.
    """
    names = [os.fspath(file) for file in files]
    if len(names) < (1 if branches else 2):
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
    specs = [first]
    for name, share in zip(names[1:], given[1:], strict=True):
        tensors, spec = read_weights(name)
        fields = ('backbone', 'backbone_args', *_INPUT)
        _check_fields(fields, name, spec, names[0], first, 'only alike can be averaged')
        specs.append(spec)
        found = tensors_below(tensors, 'backbone.')
        unlike = {(key, value.shape) for key, value in found.items()} ^ shapes
        if unlike:
            raise InputError(f'{name}: {min(unlike)[0]} is not as in {names[0]}; only alike can be averaged')
        means = {key: mean + _weighted(found[key], share) for key, mean in means.items()}
    kept = {key: mean.to(backbone[key].dtype) for key, mean in means.items()}
    network = first
    if branches:
        network, kept, joined = _joined(kept, names[0], first, [os.fspath(branch) for branch in branches])
        specs += joined
    alike = [name for name in _ORIGIN if len({getattr(spec, name) for spec in specs}) == 1]
    spec = WeightsSpec(
        kind='backbone',
        backbone=network.backbone,
        backbone_args=network.backbone_args,
        input_mean=first.input_mean,
        input_std=first.input_std,
        mmqpt_version=__version__,
        **{name: getattr(first, name) for name in alike},
    )
    write_weights(out, {f'backbone.{key}': value for key, value in kept.items()}, spec)
    return spec


def _joined(
    kept: dict[str, Tensor], name: str, first: WeightsSpec, branches: Sequence[str]
) -> tuple[WeightsSpec, dict[str, Tensor], list[WeightsSpec]]:
    """A network and its branches, with those of other files after them, and what these files say.

    Args:
        kept: tensors of the network.
        name: its file.
        first: what that says.
        branches: the other files.
    """
    trunk, sides = _apart(kept)
    shapes = {(key, value.shape) for key, value in trunk.items()}
    network, whose, specs = first, [name] * len(sides), []
    for other in branches:
        tensors, spec = read_weights(other)
        beside, found = _apart(tensors_below(tensors, 'backbone.'))
        if not found:
            raise InputError(f'{other}: {spec.backbone} has no side branch')
        unlike = {(key, value.shape) for key, value in beside.items()} ^ shapes
        if unlike:
            raise InputError(f'{other}: its branch stands beside another network: {min(unlike)[0]} is not as in {name}')
        _check_fields(_INPUT, other, spec, name, first, 'a branch reads what its trunk reads')
        network = network if sides else spec
        specs.append(spec)
        sides += found
        whose += [other] * len(found)
    wanted = {(key, value.shape) for key, value in sides[0].items()}
    for side, other in zip(sides, whose, strict=True):
        unlike = {(key, value.shape) for key, value in side.items()} ^ wanted
        if unlike:
            raise InputError(f'{other}: its branch is of other widths: {min(unlike)[0]} is not as in {whose[0]}')
    if len(sides) > MAX_BRANCHES:
        raise InputError(f'a network has at most {MAX_BRANCHES} branches, these would be {len(sides)}')
    arguments = {key: value for key, value in network.backbone_args.items() if key != 'branches'}
    if len(sides) == 1:
        alone = {SIDE + key: value for key, value in sides[0].items()}
        return replace(network, backbone_args=arguments), trunk | alone, specs
    several = {f'{SIDE}{number}.{key}': x for number, side in enumerate(sides) for key, x in side.items()}
    return replace(network, backbone_args=arguments | {'branches': len(sides)}), trunk | several, specs


def _apart(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """The tensors of a trunk, and those of each of its branches, by their names within it."""
    trunk = {key: value for key, value in tensors.items() if not key.startswith(SIDE)}
    return trunk, [tensors_below(tensors, prefix) for prefix in branch_prefixes(tensors)]


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
