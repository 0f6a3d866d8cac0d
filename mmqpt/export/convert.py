"""From an MMEngine checkpoint to files that need no OpenMMLab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from mmpretrain.registry import MODELS
from safetensors.torch import save_file
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head, pool_features
from mmqpt.core.network_names import is_classifier
from mmqpt.core.networks import fixed_size, size_step
from mmqpt.core.timm_backbone import create_timm_backbone, names_for_timm, timm_name, without_stages
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.models.backbone import plain_backbone_state
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file
from mmqpt.models.protocol import Exportable

_TOLERANCE = 1e-4
_SIDE = 224  # px, where the checkpoint has no input_size


def export_checkpoint(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    backbone_name: str | None = None,
    half: bool = False,
) -> WeightsSpec:
    """Write what the metric loads: safetensors with the spec in its metadata.

    First the backbone is rebuilt in timm; its features of a random photo must equal those of the trained model.

    Args:
        checkpoint: of QPT (gives a backbone) or IQARegressor (gives a metric).
        out: file to write, ending with .safetensors.
        backbone_name: timm's name, for backbones of mmpretrain whose name there is not known.
        half: whether to store the weights of convolutions and linear layers in float16, for a file of half the size.
            Biases and BatchNorm stay in float32, in which the network still computes.

    Raises:
        InputError: not a checkpoint of mmqpt, a backbone that timm does not have, or a weight too large for float16.
    """
    if Path(out).suffix != '.safetensors':
        raise InputError(f'the exported file must end with .safetensors, got {out}')
    state, meta = _read(checkpoint)
    _check_types(checkpoint, meta['backbone'])
    name, args = timm_name(meta['backbone'], backbone_name)
    backbone = _checked_backbone(state, meta, name, args)
    tensors = {f'backbone.{key}': value for key, value in backbone.items()}
    data = meta.get('data', {})
    if meta['kind'] == 'metric':
        head = {key.removeprefix('head.'): value for key, value in state.items() if key.startswith('head.')}
        build_head(meta['head']).load_state_dict(head)
        tensors.update({f'head.{key}': value.contiguous() for key, value in head.items()})
    if half:
        tensors = {key: _halved(key, value) for key, value in tensors.items()}
    spec = WeightsSpec(
        kind=meta['kind'],
        backbone=name,
        backbone_args=args,
        input_mean=tuple(meta['mean']),
        input_std=tuple(meta['std']),
        view=meta.get('view'),
        head=meta.get('head'),
        mos_range=_mos_range(meta),
        scale=meta.get('scale'),
        scales=meta.get('scales'),
        dataset=data.get('dataset') or Path(data.get('data_root', '')).name or None,
        config_sha256=meta['config_sha256'],
        iterations=meta['iterations'],
        mmqpt_version=meta['mmqpt_version'],
    )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    write_weights(out, tensors, spec)
    return spec


def export_backbone(checkpoint: str | os.PathLike[str], out: str | os.PathLike[str], library: str) -> str:
    """Write the backbone alone as a plain state dict, without a classifier.

    Args:
        checkpoint: of QPT or IQARegressor.
        out: file to write, .safetensors or .pth.
        library: ``'timm'`` or ``'torchvision'``: whose names the keys have; the library must have the model.

    Returns:
        The name of the model in that library.
    """
    state, meta = _read(checkpoint)
    _check_types(checkpoint, meta['backbone'])
    name, args = timm_name(meta['backbone'])
    backbone = _checked_backbone(state, meta, name, args)
    if set(backbone) != set(create_timm_backbone(name, without_stages(args)).state_dict()):
        raise InputError(f'{checkpoint}: its backbone gives stages (features_only) and lacks parts of the whole {name}')
    if library == 'torchvision':
        if name not in torchvision.models.list_models():
            raise InputError(f'torchvision has no model {name}')
        wanted = torchvision.models.get_model(name, weights=None).state_dict()
        keys = {key for key in wanted if not is_classifier(key)}
        if keys != set(backbone):
            raise InputError(f"torchvision's {name} has other keys than this backbone")
    elif library != 'timm':
        raise InputError(f"library must be 'timm' or 'torchvision', got {library!r}")
    suffix = Path(out).suffix
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    if suffix == '.safetensors':
        save_file(backbone, os.fspath(out))
    elif suffix == '.pth':
        torch.save(backbone, out)
    else:
        raise InputError(f'the exported file must end with .safetensors or .pth, got {out}')
    return name


def _mos_range(meta: dict[str, Any]) -> tuple[float, float] | None:
    """What scores 0 and 1 mean: ends of the data set's scale, of the reference scale, or 0 and 1 for the common one."""
    if meta.get('scales'):
        reference = meta['scales'].get(meta.get('scale'))
        return tuple(reference['mos_range']) if reference else (0.0, 1.0)
    found = meta.get('data', {}).get('mos_range')
    return None if found is None else tuple(found)


def _halved(name: str, tensor: Tensor) -> Tensor:
    if tensor.dim() < 2 or not tensor.is_floating_point():
        return tensor
    found = tensor.half()
    if not torch.isfinite(found).all():
        raise InputError(f'{name}: has weights beyond the range of float16; export without half')
    return found


def _read(checkpoint: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    loaded = load_checkpoint_file(checkpoint)
    meta = export_spec_of(loaded)
    if not meta or 'state_dict' not in loaded:
        raise InputError(f'{checkpoint}: not a checkpoint of mmqpt (ExportSpecHook writes what export needs into them)')
    return loaded['state_dict'], meta


def _check_types(checkpoint: str | os.PathLike[str], backbone: Any) -> None:
    """Refuse what is no layer: MMEngine imports and calls any name with a dot, even ``subprocess.Popen``."""
    if not isinstance(backbone, dict) or not isinstance(backbone.get('type'), str):
        raise InputError(f'{checkpoint}: its backbone must be a dict with a type, got {backbone!r:.200}')
    MODELS.import_from_location()
    known = {**(MODELS.parent.module_dict if MODELS.parent else {}), **MODELS.module_dict}
    for kind in _types({key: value for key, value in backbone.items() if key != 'init_cfg'}):
        found = known.get(kind) if isinstance(kind, str) else None
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise InputError(f'{checkpoint}: its backbone has the type {kind!r:.200}, which is no registered layer')
    name = backbone.get('model_name', '')
    if backbone['type'] == 'TIMMBackbone' and not (isinstance(name, str) and timm.is_model(name)):
        raise InputError(f'{checkpoint}: timm has no model {name!r:.200}')


def _types(value: Any) -> Iterator[Any]:
    """Everything in nested dicts and lists that names a class: ``type``, and ``norm_layer`` of a TIMMBackbone."""
    if isinstance(value, dict):
        yield from (value[key] for key in ('type', 'norm_layer') if value.get(key) is not None)
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _types(inner)


def _checked_backbone(
    state: dict[str, Tensor], meta: dict[str, Any], name: str, args: dict[str, Any]
) -> dict[str, Tensor]:
    """The weights of the backbone under timm's names, once both networks are seen to give the same features."""
    loading = {'pretrained': False, 'checkpoint_path': ''} if meta['backbone']['type'] == 'TIMMBackbone' else {}
    ours = MODELS.build({**meta['backbone'], **loading, 'init_cfg': None})
    ours.load_state_dict({k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')})
    theirs = create_timm_backbone(name, args)
    plain = plain_backbone_state(ours)
    if meta['backbone']['type'] != 'TIMMBackbone':
        plain = names_for_timm(plain, theirs.state_dict()) or plain
    try:
        theirs.load_state_dict(plain)
    except RuntimeError as error:
        raise InputError(f"timm's {name} is another network than the checkpoint's backbone: {error}") from error
    ours.eval()
    theirs.eval()
    side = meta.get('input_size') or fixed_size(ours) or _SIDE
    crop = fixed_size(ours) or size_step(ours) > 1 or (meta.get('view') or {}).get('crop')
    for size in [(side, side)] if crop else [(side, side), (side + 1, side + 75)]:
        _compare_features(ours, theirs, size, name)
    return plain


@torch.no_grad()
def _compare_features(ours: nn.Module, theirs: nn.Module, size: tuple[int, int], name: str) -> None:
    """Refuse a network of timm that gives other features of a random photo of that height and width."""
    photo = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    a = pool_features(ours(photo), ours, 'stages')
    b = pool_features(theirs(photo), theirs, 'stages')
    if a.shape != b.shape:
        raise InputError(f"timm's {name} gives {b.shape[1]} features, the checkpoint's backbone {a.shape[1]}")
    difference = float((a - b).abs().max() / a.abs().max().clamp(min=1e-12))
    if not difference <= _TOLERANCE:
        raise InputError(f"timm's {name} gives other features than the checkpoint's backbone (by {difference:.1e})")


def check_exportable(model: nn.Module) -> None:
    """Whether checkpoints of a model can be exported, before it is trained.

    Args:
        model: QPT or IQARegressor; others are left alone.

    Raises:
        InputError: its backbone is none that timm has, or not known to be; says what to do.
    """
    if not isinstance(model, Exportable):
        return
    meta = model.export_spec()
    weights = model.state_dict()  # type: ignore[attr-defined]
    state = {name: value.cpu() for name, value in weights.items() if name.startswith('backbone.')}
    with torch.random.fork_rng(devices=[]):
        name, args = timm_name(meta['backbone'])
        _checked_backbone(state, meta, name, args)
