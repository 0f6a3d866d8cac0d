"""From a file of weights to an ONNX file that gives the same scores. Needs the extra ``onnx``, not OpenMMLab."""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.extras import require
from mmqpt.core.files import replacing
from mmqpt.core.view import View
from mmqpt.core.weights_spec import CHECKSUM_KEY, read_metadata
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.onnx_file import INPUT, OUTPUT, OnnxFile, import_onnxruntime, open_session, seal, spec_text
from mmqpt.metric.weights import find_weights

OPSET = 18
TOLERANCE = 1e-4
"""Scores may differ from torch's by this much; about 1e-7 is usual."""

_PHOTOS = ((384, 512), (67, 95), (33, 41), (1, 1), (40, 200))  # height and width in px, brought to the size rule
_PLAIN = ((64, 96), (96, 32), (67, 95), (128, 128))  # height and width in px of what the network is given
_LARGE = 1024  # values of a tensor, from which on half the bytes are worth a node
_TRACED = 2  # photos at once; 1 would be taken for a constant


def export_onnx(weights: str | os.PathLike[str] | None, out: str | os.PathLike[str]) -> OnnxFile:
    """Write an ONNX file, whole or not at all, after its scores were compared with torch's.

    The graph goes from RGB in [0, 1] to scores: normalisation, backbone and head. The number of photos, their height
    and their width are dynamic, except for backbones that take one size only. The size rule with its crops and mirror
    images is not in the graph but in the file's metadata; :class:`OnnxScorer` applies it.

    Weights that float16 holds exactly, as those of a file made with ``mmqpt export --half``, are stored in float16.
    The network computes in float32 all the same.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``) or path of a safetensors file of kind ``metric``.
        out: file to write, ending with .onnx.

    Returns:
        What is in the file.

    Raises:
        FileNotFoundError: no such file of weights.
        InputError: weights that can't be used, another ending, a backbone that ONNX can't express or whose graph gives
            other scores than torch, or a missing package.
    """
    target = Path(out)
    if target.suffix != '.onnx':
        raise InputError(f'the exported file must end with .onnx, got {target}')
    import_onnxruntime()
    require('onnx', 'onnx', 'writing an ONNX file')
    path = find_weights(weights)
    net = MMQPT(path).eval()
    spec = spec_text({**asdict(net.spec), 'weights_checksum': read_metadata(path)[CHECKSUM_KEY]})
    sizes, crop = _working_sizes(net), net.view.crop
    if not sizes:
        raise InputError(f'{path}: its {net.spec.backbone} takes no photo of the sizes that its size rule gives')
    try:
        file = _checked(net, sizes, spec, str(path))
    except InputError:
        if crop is None or len(sizes) == 1 or (crop, crop) not in sizes:
            raise
        file = _checked(net, [(crop, crop)], spec, str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        Path(partial).write_bytes(file.data)
    return file


class _ScoreView(nn.Module):
    def __init__(self, net: MMQPT) -> None:
        super().__init__()
        self.net = net
        self.backbone, self.head = net.backbone, net.head  # gives the constants of the graph their names

    def forward(self, photos: Tensor) -> Tensor:
        return self.net.score_view(photos)


def _working_sizes(net: MMQPT) -> list[tuple[int, int]]:
    """What the network sees of photos of some sizes, and some sizes more; only those that this backbone takes."""
    found = [_seen(net.view, size) for size in _PHOTOS] + list(_PLAIN)
    side = net.spec.backbone_args.get('img_size')
    if isinstance(side, int):
        found.insert(0, (side, side))
    return [size for size in dict.fromkeys(found) if _works(net, size)]


def _seen(view: View, size: tuple[int, int]) -> tuple[int, int]:
    height, width = view.target_size(*size)
    return (height, width) if view.crop is None else (min(height, view.crop), min(width, view.crop))


@torch.inference_mode()
def _works(net: MMQPT, size: tuple[int, int]) -> bool:
    try:
        net.score_view(torch.zeros(1, 3, *size))
    except (AssertionError, RuntimeError, ValueError):
        return False
    return True


def _checked(net: MMQPT, sizes: list[tuple[int, int]], spec: str, path: str) -> OnnxFile:
    """A file that gives torch's scores at each of these sizes."""
    try:
        data = _graph(net, sizes)
    except Exception as error:  # exporters raise nearly anything at what they don't know
        raise InputError(f"{path}: its {net.spec.backbone} can't be exported to ONNX ({first_line(error)})") from error
    file = seal(data, spec)
    _compare(net, file, sizes, path)
    return file


def _graph(net: MMQPT, sizes: list[tuple[int, int]]) -> bytes:
    """By the tracing exporter: PyTorch's newer one gives the same scores, but takes minutes for dynamic paddings."""
    axes = {INPUT: {0: 'batch'}, OUTPUT: {0: 'batch'}}
    if len(sizes) > 1:
        axes[INPUT] |= {2: 'height', 3: 'width'}
    smallest = min(sizes, key=lambda size: size[0] * size[1])
    photos = torch.rand(_TRACED, 3, *smallest, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter('ignore')  # about constants in the trace, which _compare would find
        path = Path(folder) / 'graph.onnx'
        torch.onnx.export(
            _ScoreView(net).eval(),
            (photos,),
            path,
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=axes,
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,  # or BatchNorm is folded, and weights don't fit float16 any more
        )
        return store_half(pad_within(path.read_bytes(), _padded_as_tensorflow(net)))


def _padded_as_tensorflow(net: MMQPT) -> set[str]:
    """Names of the weights, in the graph, of convolutions whose padding depends on the size of what they are given."""
    from timm.layers import Conv2dSame

    named = _ScoreView(net).named_modules(remove_duplicate=False)
    return {f'{name}.weight' for name, one in named if isinstance(one, Conv2dSame) and set(one.dilation) == {1}}


def pad_within(data: bytes, weights: Collection[str]) -> bytes:
    """A model whose convolutions pad by themselves, as TensorFlow does, instead of a node before each.

    It computes the same. A padding that depends on the size is some 50 nodes in the traced graph, and onnxruntime
    leaves its own layout of channels for it and comes back: a sixth of the time of EfficientNet-Lite0.

    Args:
        data: a model.
        weights: names of the weights of the convolutions.
    """
    from onnx import helper, load_model_from_string

    if not weights:
        return data
    model = load_model_from_string(data)
    made_by = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        padding = made_by.get(node.input[0]) if node.op_type == 'Conv' and node.input[1] in weights else None
        if padding is not None and padding.op_type == 'Pad':
            kept = [attribute for attribute in node.attribute if attribute.name != 'pads']
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute('auto_pad', 'SAME_UPPER')])
            node.input[0] = padding.input[0]
    needed = {output.name for output in model.graph.output}
    used = []
    for node in reversed(model.graph.node):  # a node stands after those that it needs
        if needed.intersection(node.output):
            needed.update(_inputs(node))
            used.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(used))
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)
    return bytes(model.SerializeToString())


def _inputs(node: Any) -> Iterator[str]:
    """What a node needs, with what its branches and loops take from the graph around them."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from _inputs(inner)


def store_half(data: bytes) -> bytes:
    """A model with large tensors stored in float16 where this changes no value. They are cast when the model is loaded,
    once: runtimes compute constants then."""
    from onnx import TensorProto, helper, load_model_from_string, numpy_helper

    model = load_model_from_string(data)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) < _LARGE:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over='ignore'):
            half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f'{name}.half'))
            casts.append(helper.make_node('Cast', [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


@torch.inference_mode()
def _compare(net: MMQPT, file: OnnxFile, sizes: list[tuple[int, int]], path: str) -> None:
    session = open_session(file)
    generator = torch.Generator().manual_seed(1)
    for number, size in enumerate(sizes):
        count = 1 if number % 2 == 0 else 3
        photos = torch.rand(count, 3, *size, generator=generator)
        wanted = net.score_view(photos)
        what = f'{path}: its {net.spec.backbone}, exported to ONNX,'
        try:
            found = torch.from_numpy(session.run([OUTPUT], {INPUT: photos.numpy()})[0])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise InputError(f'{what} fails at {len(photos)} photos of {size[1]}x{size[0]} px') from error
        difference = float((found - wanted).abs().max()) if found.shape == wanted.shape else float('inf')
        if not difference <= TOLERANCE:
            raise InputError(
                f'{what} gives other scores at {len(photos)} photos of {size[1]}x{size[0]} px (by {difference:.1e}); '
                'not written'
            )
