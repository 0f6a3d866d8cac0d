"""Starts another method from QPT's weights: finds the backbone inside its network, and accounts for every name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mmqpt.core.building import build_stored_backbone
from mmqpt.core.errors import UNREADABLE, InputError
from mmqpt.core.network_names import is_classifier, whole_name
from mmqpt.core.timm_backbone import without_stages
from mmqpt.core.weights_file import read_weights, tensors_below
from mmqpt.core.weights_spec import SPEC_KEY, WeightsSpec, read_metadata
from mmqpt.metric.places import Place, find_places
from mmqpt.metric.weights import find_weights

_TOLERANCE = 1e-3  # of mean and standard deviation, in units of 0 to 1


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load_backbone` did. Names are those of the network (of a pyiqa metric: of its ``net``).

    Args:
        architecture: timm's name of the backbone in the file; None where the file does not say.
        prefix: of the backbone's names in the network; ``''`` where the network is the backbone.
        loaded: names of the network whose values are now those of the file.
        skipped: names of the file that were not used: a quality head, a classifier, or what comes after the last stage
            that the network has.
        missing: names of the network that the file has no values for: its own head. They are unchanged.
        normalisation: what the network and the weights say about mean and standard deviation of the input.
    """

    architecture: str | None
    prefix: str
    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    missing: tuple[str, ...]
    normalisation: str

    def __str__(self) -> str:
        return (
            f'{self.architecture or "backbone"} at {_where(self.prefix)}: '
            f'{len(self.loaded)} tensors loaded, {len(self.skipped)} of the file skipped, '
            f'{len(self.missing)} of the network left as they were; {self.normalisation}'
        )


def load_backbone(metric_or_model: nn.Module, weights: str | os.PathLike[str], prefix: str | None = None) -> LoadReport:
    """Start another method from QPT's weights.

    The backbone is found by its names: in pyiqa's HyperNet and CFANet (TOPIQ), in any network that holds a ResNet or
    EfficientNet of timm or torchvision (whole, with ``features_only`` or as ``Sequential(*resnet.children())``), and in
    DBCNN for weights of a VGG-16. Everything is checked before the first value changes, and ``requires_grad`` stays as
    it is. Where the file names its architecture, as those that mmqpt exports for itself do, strides, paddings and the
    epsilon of normalisation layers are compared as well: ``efficientnet_lite0`` and ``tf_efficientnet_lite0`` have the
    same tensors but give different features.

    A network that normalises its input differently from how the weights were trained (by more than 0.001 in units of 0
    to 1) still works, since it will be trained, but starts worse: that is a warning, and in the report.

    Args:
        metric_or_model: what ``pyiqa.create_metric`` gives, or a network.
        weights: a file from mmqpt export: of kind ``backbone`` or ``metric``, or ``--to timm`` or ``torchvision``
            (.safetensors or .pth); or the name of registered weights, such as ``qpt``.
        prefix: module of the network that is the backbone, such as ``'base_model'``; needed where several fit.

    Raises:
        FileNotFoundError: no such file.
        InputError: not such a file; no place for it, or several; or one that doesn't fit: a name is missing on either
            side, or a shape or layer differs. The network is unchanged.
    """
    network = getattr(metric_or_model, 'net', metric_or_model)
    if not isinstance(network, nn.Module):
        raise InputError(f'a pyiqa metric or a torch module is needed, got {type(metric_or_model).__name__}')
    path = str(find_weights(weights))
    tensors, spec = _read(path)
    backbone, heads = _split(tensors, spec)
    reference = None if spec is None else _reference(path, spec, tensors)
    place = _choose(network, backbone, reference, prefix, f'{path} ({spec.backbone})' if spec else path)
    if reference is not None:
        _check_layers(network, reference, place, path)
    state = network.state_dict(keep_vars=True)
    without_memory = [name for name in place.pairs.values() if state[name].is_meta]
    if without_memory:
        raise InputError(f'{len(without_memory)} parameters have no memory yet (meta device){_first(without_memory)}')
    normalisation, differs = _normalisation(network, spec)
    with torch.no_grad():
        for name, own in place.pairs.items():
            state[own].copy_(backbone[name])
    if differs:
        warnings.warn(normalisation, stacklevel=2)
    loaded = set(place.pairs.values())
    return LoadReport(
        architecture=spec.backbone if spec else None,
        prefix=place.prefix,
        loaded=tuple(sorted(loaded)),
        skipped=(*heads, *place.after),
        missing=tuple(name for name in state if name not in loaded),
        normalisation=normalisation,
    )


def _read(path: str) -> tuple[Mapping[str, Tensor], WeightsSpec | None]:
    if Path(path).suffix == '.safetensors':
        return read_weights(path) if SPEC_KEY in read_metadata(path) else (load_file(path), None)
    try:
        state: Any = torch.load(path, map_location='cpu', weights_only=True)
    except UNREADABLE as error:
        raise InputError(f'{path}: holds more than tensors, or is damaged; mmqpt export makes a plain one') from error
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f'{path}: not a plain state dict; mmqpt export makes one from a checkpoint')
    return state, None


def _split(tensors: Mapping[str, Tensor], spec: WeightsSpec | None) -> tuple[dict[str, Tensor], list[str]]:
    """The backbone under the names of the whole network, and the names of all else in the file."""
    backbone, heads = {}, []
    for name, value in tensors.items():
        is_head = is_classifier(name) if spec is None else not name.startswith('backbone.')
        if is_head:
            heads.append(name)
        else:
            own = name if spec is None else name.removeprefix('backbone.')
            backbone[whole_name(own)] = value
    return backbone, sorted(heads)


def _reference(path: str, spec: WeightsSpec, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The whole backbone, for all of its names and layers. Leaves the caller's random numbers alone."""
    args = without_stages(spec.backbone_args)
    with torch.random.fork_rng(devices=[]):
        try:
            held = tensors_below(tensors, 'backbone.')
            return build_stored_backbone(spec.backbone, args, held, without_memory=True)
        except InputError as error:
            raise InputError(f'{path}: {error}') from error


def _choose(
    network: nn.Module, backbone: Mapping[str, Tensor], reference: nn.Module | None, prefix: str | None, source: str
) -> Place:
    kind = type(network).__name__
    if prefix is not None:
        module = prefix.removesuffix('.')
        prefix = f'{module}.' if module else ''
        if module not in dict(network.named_modules()):
            raise InputError(f'prefix must be a module of {kind}, got {prefix!r}')
    names = [] if reference is None else list(reference.state_dict())
    places = find_places(network, backbone, names, prefix)
    if not places:
        where = f'at {_where(prefix)} of {kind}' if prefix else f'in {kind}'
        raise InputError(
            f'{source}: no place for these weights {where}: no module has most of their {len(backbone)} names '
            f'(such as {sorted(backbone)[0]}){_why(network)}'
        )
    fitting = [place for place in places if place.fits]
    if len(fitting) > 1:
        listed = ', '.join(_where(place.prefix) for place in fitting)
        raise InputError(f'{source}: {len(fitting)} places for these weights in {kind}; give prefix, one of {listed}')
    if not fitting:
        best = places[0]
        raise InputError(
            f'{source}: other weights than those of {kind}{f" at {_where(best.prefix)}" if best.prefix else ""}: '
            f'{len(best.unfilled)} names of the network are not in the file{_first(best.unfilled)}, '
            f'{len(best.unknown)} of the file not in the network{_first(best.unknown)}, '
            f'{len(best.shapes)} have another shape{_first(best.shapes)}'
        )
    return fitting[0]


def _why(network: nn.Module) -> str:
    if hasattr(network, 'features1') and hasattr(network, 'features2'):
        return (
            '. DBCNN is a VGG-16 (features1) beside a small network of its own (features2), and has no ResNet: only '
            "weights of a VGG-16, timm's vgg16, have a place in it"
        )
    return ''


def _check_layers(network: nn.Module, reference: nn.Module, place: Place, path: str) -> None:
    """Refuse layers that would give different features with the same tensors."""
    different = []
    for name, layer in reference.named_modules():
        if not any(f'{name}.{own}' in place.pairs for own, _ in layer.named_parameters(recurse=False)):
            continue
        own_name = place.prefix + place.rename(f'{name}.').removesuffix('.')
        own, wanted = _settings(network.get_submodule(own_name)), _settings(layer)
        different += [
            f'{own_name}: {key} {own[key]}, not {wanted[key]}'
            for key in own.keys() & wanted.keys()
            if own[key] != wanted[key]
        ]
    if different:
        raise InputError(
            f'{path}: same tensors, but {len(different)} layers have other settings{_first(sorted(different))}; '
            'with these weights they would give other features'
        )


def _settings(layer: nn.Module) -> dict[str, Any]:
    names = ('stride', 'padding', 'dilation', 'groups', 'eps', 'padding_mode')
    found = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    if isinstance(layer, nn.Conv2d):
        found['padding'] = 'same' if type(layer).__name__ == 'Conv2dSame' else layer.padding
    return found


def _normalisation(network: nn.Module, spec: WeightsSpec | None) -> tuple[str, bool]:
    """A sentence, and whether network and weights are known to differ. Units of 0 to 1."""
    own = [_three(getattr(network, name, None)) for name in ('default_mean', 'default_std')]
    if spec is None:
        return 'the file does not say how its input was normalised', False
    trained = [[value / 255 for value in values] for values in (spec.input_mean, spec.input_std)]
    said = f'mean {_text(trained[0])}, std {_text(trained[1])}'
    if own[0] is None or own[1] is None:
        return f'the weights were trained with {said} of RGB in [0, 1]; the network does not say what it takes', False
    pairs = zip([*own[0], *own[1]], [*trained[0], *trained[1]], strict=True)
    if all(abs(a - b) <= _TOLERANCE for a, b in pairs):
        return f'network and weights both take {said} of RGB in [0, 1]', False
    return (
        f'the network normalises with mean {_text(own[0])}, std {_text(own[1])}, but the weights were trained with '
        f'{said} of RGB in [0, 1]; build it with default_mean and default_std of the weights',
        True,
    )


def _three(values: Any) -> list[float] | None:
    if values is None:
        return None
    listed = torch.as_tensor(values, dtype=torch.float64).flatten().tolist()
    return listed if len(listed) == 3 else None


def _where(prefix: str) -> str:
    return repr(prefix.removesuffix('.')) if prefix else 'the top'


def _text(values: Sequence[float]) -> str:
    return '/'.join(f'{value:.3f}' for value in values)


def _first(names: Sequence[str]) -> str:
    return f' (first: {", ".join(names[:3])})' if names else ''
