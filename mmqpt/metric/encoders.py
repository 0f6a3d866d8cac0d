"""Pre-trained encoders by name, as timm's ``create_model`` and ``list_models`` give networks by theirs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from mmqpt.core.building import build_stored_backbone
from mmqpt.core.bundled import BUNDLED
from mmqpt.core.errors import InputError
from mmqpt.core.network_names import whole_name
from mmqpt.core.timm_backbone import without_stages
from mmqpt.core.weights_file import read_weights, tensors_below
from mmqpt.metric.load_backbone import load_backbone
from mmqpt.metric.weights import FOLDER, list_weights

_AFTER = ('conv_head', 'bn2', 'norm')
_START = 'encoder-'  # of the names of files


def list_encoders() -> dict[str, Path]:
    """All names of :func:`create_encoder` and their files, sorted.

    ``qpt_<backbone>`` stands for a file ``encoder-<backbone>.safetensors`` that comes with mmqpt, or that lies in the
    folder ``$MMQPT_WEIGHTS``, which goes first.

    Raises:
        FileNotFoundError: ``$MMQPT_WEIGHTS`` is no folder.
    """
    list_weights()  # says what is wrong with the folder
    folders = [BUNDLED, *([Path(folder)] if (folder := os.environ.get(FOLDER)) else [])]
    files = [path for folder in folders for path in sorted(folder.glob(f'{_START}*.safetensors'))]
    found = {'qpt_' + path.stem.removeprefix(_START).replace('-', '_'): path for path in files}
    return dict(sorted(found.items()))


def create_encoder(
    name: str | os.PathLike[str] = 'qpt_efficientnet_lite0_side',
    pretrained: bool = True,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    num_classes: int = 0,
    **options: Any,
) -> nn.Module:
    """A timm network with QPT's weights, to be built into a network of your own.

    It takes (N, 3, H, W) RGB that is normalised as ``timm.data.resolve_model_data_config(encoder)`` says (``mean`` and
    ``std``, for photos in [0, 1]), and gives pooled features (N, C), with ``global_pool=''`` maps (N, C, H', W'), and
    with ``features_only`` a list of maps, one a stage. It is in training mode, as those of timm are.
    Where the file has stages only, as the one that comes with mmqpt, features are those of the last one; of a network
    with side branches also theirs: 320 + 3 x 144 of the one that comes with mmqpt, not 1280.

    Args:
        name: one of :func:`list_encoders`, or a file that ``mmqpt export`` made, of a backbone or of a metric.
        pretrained: whether its weights are loaded; else they are random.
        features_only: whether it gives the maps of its stages.
        out_indices: of the stages to give, with ``features_only``; all by default.
        num_classes: outputs of a new classifier with random weights; 0 for none.
        options: further arguments of ``timm.create_model``, such as ``global_pool`` or ``drop_path_rate``.

    Raises:
        FileNotFoundError: no such file.
        InputError: an unknown name, a file that can't be used, or arguments that timm does not take.
    """
    path = find_encoder(name)
    if out_indices is not None and not features_only:
        raise InputError('out_indices needs features_only=True')
    if features_only and num_classes:
        raise InputError(f'features_only gives maps and has no classifier, got num_classes={num_classes}')
    tensors, spec = read_weights(path)
    wanted: dict[str, Any] = {**without_stages(spec.backbone_args), **options}
    if features_only:
        wanted |= {'features_only': True, **({'out_indices': tuple(out_indices)} if out_indices is not None else {})}
    else:
        wanted = {'global_pool': 'avg', **wanted, 'num_classes': num_classes}
    stored = without_stages(spec.backbone_args)
    network = build_stored_backbone(spec.backbone, stored, tensors_below(tensors, 'backbone.'), wanted)
    if not features_only:
        _cut(network, {whole_name(name.removeprefix('backbone.')) for name in tensors}, num_classes)
    scales = {'mean': spec.input_mean, 'std': spec.input_std}
    scaled = {key: tuple(value / 255 for value in values) for key, values in scales.items()}
    for place in ('pretrained_cfg', 'default_cfg'):  # timm reads the first, older code the second
        setattr(network, place, {**(getattr(network, place, None) or {}), **scaled})
    if pretrained:
        load_backbone(network, path)
    return network


def _cut(network: nn.Module, known: set[str], num_classes: int) -> None:
    """Take out what comes after the stages where the file has only these: features are then those of the last stage."""
    missing = {name.split('.')[0] for name in network.state_dict() if name not in known} & set(_AFTER)
    for name in missing:
        setattr(network, name, nn.Identity())
    if 'conv_head' in missing:  # it changes the number of features
        network.num_features = network.head_hidden_size = network.feature_info[-1]['num_chs']  # type: ignore[index, union-attr]
        if num_classes:
            network.reset_classifier(num_classes)  # type: ignore[operator]


def find_encoder(name: str | os.PathLike[str]) -> Path:
    """The file of an encoder.

    Args:
        name: one of :func:`list_encoders`, or a file.

    Raises:
        FileNotFoundError: no such file.
        InputError: an unknown name.
    """
    if Path(name).is_file():
        return Path(name)
    known = list_encoders()
    if isinstance(name, str) and name in known:
        return known[name]
    if Path(name).suffix or not isinstance(name, str):
        raise FileNotFoundError(f'no such file of weights: {os.fspath(name)}')
    raise InputError(f'no encoder called {name!r}; there are: {", ".join(known) or "none"}')
