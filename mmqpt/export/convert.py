"""From an MMEngine checkpoint to files that need no OpenMMLab."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torchvision
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmqpt.core.building import build_stored_backbone, build_within
from mmqpt.core.errors import InputError, first_line
from mmqpt.core.files import replacing
from mmqpt.core.head import build_head, pool_features
from mmqpt.core.limits import MAX_IMAGE_SIDE
from mmqpt.core.network_names import is_classifier
from mmqpt.core.networks import fixed_size, size_step
from mmqpt.core.timm_backbone import names_for_timm, timm_name, without_stages
from mmqpt.core.weights_file import save_tensors, tensors_below, write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.export.allowed import checked_backbone
from mmqpt.models.backbone import plain_backbone_state
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file
from mmqpt.models.protocol import Exportable

_ODD = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    IndexError,
    ArithmeticError,
    NotImplementedError,
)
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
    with _naming(checkpoint):
        tensors, spec = _converted(checkpoint, backbone_name, half)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    write_weights(out, tensors, spec)
    return spec


def _converted(
    checkpoint: str | os.PathLike[str], backbone_name: str | None, half: bool
) -> tuple[dict[str, Tensor], WeightsSpec]:
    state, meta = _read(checkpoint)
    name, args = timm_name(meta['backbone'], backbone_name)
    backbone = _checked_backbone(state, meta, name, args)
    tensors = {f'backbone.{key}': value for key, value in backbone.items()}
    data = meta.get('data', {})
    if meta['kind'] == 'metric':
        head = {key.removeprefix('head.'): value for key, value in state.items() if key.startswith('head.')}
        build_within(head, lambda: build_head(meta['head']), meta['head'], exact=True)
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
    return tensors, spec


def export_backbone(checkpoint: str | os.PathLike[str], out: str | os.PathLike[str], library: str) -> str:
    """Write the backbone alone as a plain state dict, without a classifier.

    Args:
        checkpoint: of QPT or IQARegressor.
        out: file to write, .safetensors or .pth.
        library: ``'timm'`` or ``'torchvision'``: whose names the keys have; the library must have the model.

    Returns:
        The name of the model in that library.
    """
    with _naming(checkpoint):
        state, meta = _read(checkpoint)
        name, args = timm_name(meta['backbone'])
        backbone = _checked_backbone(state, meta, name, args)
        whole = build_stored_backbone(name, without_stages(args), backbone, without_memory=True)
    if set(backbone) != set(whole.state_dict()):
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
        save_tensors(out, backbone)
    elif suffix == '.pth':
        stream = io.BytesIO()
        torch.save(backbone, stream)
        with replacing(out) as partial:
            Path(partial).write_bytes(stream.getvalue())
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
    state = loaded['state_dict']
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f'{checkpoint}: its state_dict is none')
    return dict(state), {**meta, 'backbone': checked_backbone(meta.get('backbone'))}


@contextmanager
def _naming(checkpoint: str | os.PathLike[str]) -> Iterator[None]:
    """Errors about what a checkpoint says name it. Whatever it says may be missing, or of any type."""
    name = os.fspath(checkpoint)
    try:
        yield
    except InputError as error:
        if name in str(error):
            raise
        raise InputError(f'{name}: {error}') from error
    except (*_ODD, RuntimeError) as error:
        reason = f'{type(error).__name__}: {first_line(error)}'
        raise InputError(
            f"{name}: can't be exported; what it says of its network is wrong or missing ({reason})"
        ) from error


def _checked_backbone(
    state: dict[str, Tensor], meta: dict[str, Any], name: str, args: dict[str, Any]
) -> dict[str, Tensor]:
    """The weights of the backbone under timm's names, once both networks are seen to give the same features."""
    tensors = tensors_below(state, 'backbone.')
    ours = build_within(tensors, lambda: MODELS.build(dict(meta['backbone'])), exact=True)
    ours.load_state_dict(tensors)
    plain = plain_backbone_state(ours)
    theirs = build_stored_backbone(name, args, plain)
    if meta['backbone']['type'] != 'TIMMBackbone':
        plain = names_for_timm(plain, theirs.state_dict()) or plain
    try:
        theirs.load_state_dict(plain)
    except RuntimeError as error:
        raise InputError(f"timm's {name} is another network than the checkpoint's backbone: {error}") from error
    ours.eval()
    theirs.eval()
    side = fixed_size(ours) or min(int(meta.get('input_size') or _SIDE), MAX_IMAGE_SIDE)
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
