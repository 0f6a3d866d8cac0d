"""The ONNX file of a metric: what it says about itself, and what is checked before it is run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import CHECKSUM_KEY, SPEC_KEY, WeightsSpec

INPUT = 'photos'
"""float32 (N, 3, H, W), RGB in [0, 1], within the size rule."""

OUTPUT = 'scores'
"""float32 (N,), in (0, 1), higher is better."""

_NO_SUM = '0' * 64
_DOMAINS = ('', 'ai.onnx')


@dataclass(frozen=True)
class OnnxFile:
    """A checked file.

    Args:
        data: its bytes.
        spec: of the weights that it was made from.
        weights_checksum: of the spec and tensors of those weights: ``mmqpt_sha256`` in the metadata of their file.
        size: height and width in px where the network takes one size only; None where it takes any.
        name: what to call it in an error.
    """

    data: bytes
    spec: WeightsSpec
    weights_checksum: str
    size: tuple[int, int] | None
    name: str = 'the model'


def spec_text(fields: Mapping[str, Any]) -> str:
    """What the metadata says under the key ``mmqpt``."""
    return json.dumps(dict(fields))


def seal(data: bytes, spec: str) -> OnnxFile:
    """Put the spec and a checksum into the metadata of a model.

    The checksum is the SHA-256 of the file's bytes with 64 zeros in its own place.
    """
    onnx = _onnx()
    model = onnx.load_model_from_string(data)
    onnx.helper.set_model_props(model, {SPEC_KEY: spec, CHECKSUM_KEY: _NO_SUM})
    onnx.checker.check_model(model)
    data = model.SerializeToString(deterministic=True)
    data = data.replace(_NO_SUM.encode(), hashlib.sha256(data).hexdigest().encode())
    return check_onnx(data, 'the exported model')


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read a file that :func:`mmqpt.metric.onnx_export.export_onnx` wrote. Runs nothing of it.

    Raises:
        FileNotFoundError: no such file.
        InputError: no ONNX file, a damaged one, one that mmqpt did not write, or one that needs other files or
            operators from outside of ONNX; the message has the file's hash.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such ONNX file: {name}')
    with open(name, 'rb') as file:
        return check_onnx(file.read(), name)


def check_onnx(data: bytes, name: str) -> OnnxFile:
    """Like :func:`read_onnx`, for the bytes of a file that errors call ``name``."""
    onnx = _onnx()
    whose = f'{name} (sha256 {hashlib.sha256(data).hexdigest()})'
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's error has another class in each of its implementations
        raise InputError(f'{whose}: not an ONNX file, or a damaged one') from error
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    if not all(isinstance(text, str) for text in (*metadata, *metadata.values())):  # protobuf gives bytes then
        raise InputError(f'{whose}: damaged: its metadata is no UTF-8 text')
    if SPEC_KEY not in metadata:
        raise InputError(f'{whose}: not an ONNX file that mmqpt exported')
    if CHECKSUM_KEY not in metadata:
        raise InputError(f'{whose}: has no checksum (made by an older mmqpt); export it again')
    wanted = metadata[CHECKSUM_KEY].encode()
    unsealed = data.replace(wanted, _NO_SUM.encode()) if len(wanted) == len(_NO_SUM) else b''
    found = hashlib.sha256(unsealed).hexdigest()
    if found.encode() != wanted:
        raise InputError(f'{whose}: damaged: its content has the checksum {found}, but should have {wanted.decode()}')
    if model.functions or model.training_info:
        raise InputError(f'{whose}: has functions or training steps, which no metric has')
    for node in _nodes(model.graph):
        if node.domain not in _DOMAINS:
            raise InputError(f'{whose}: needs the operator {node.op_type} from outside of ONNX ({node.domain})')
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise InputError(f'{whose}: has tensors in another file')
    try:
        fields = json.loads(metadata[SPEC_KEY])
        if 'weights_sha256' in fields:
            raise InputError('has weights_sha256 for weights_checksum (made by an older mmqpt); export it again')
        weights_checksum = str(fields.pop('weights_checksum'))
        spec = WeightsSpec(**fields)
        [photos], [scores] = model.graph.input, model.graph.output
        shape = [dim.dim_value for dim in photos.type.tensor_type.shape.dim]
        if spec.kind != 'metric' or (photos.name, scores.name) != (INPUT, OUTPUT) or len(shape) != 4 or shape[1] != 3:
            raise InputError(f'not a network of (N, 3, H, W) {INPUT} to {OUTPUT}')
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f'{whose}: {error}') from error
    return OnnxFile(data, spec, weights_checksum, (shape[2], shape[3]) if shape[2] else None, name)


def open_session(file: OnnxFile, provider: str = 'CPUExecutionProvider', threads: int = 1) -> Any:
    """An ``onnxruntime.InferenceSession``.

    Raises:
        InputError: onnxruntime is missing, or refuses the file.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised, not printed as well
    try:
        return runtime.InferenceSession(file.data, options, providers=[provider])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise InputError(f'{file.name}: onnxruntime {runtime.__version__} refuses the model ({error})') from error


def import_onnxruntime() -> Any:
    """The package.

    Raises:
        InputError: it is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError('ONNX files need a further package: pip install "mmqpt[onnx]"') from error
    return onnxruntime


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise InputError('ONNX files need a further package: pip install "mmqpt[onnx]"') from error
    return onnx


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes, those of inner graphs included."""
    for node in graph.node:
        yield node
        for inner in _inner_graphs(node):
            yield from _nodes(inner)


def _inner_graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField('g'):
            yield attribute.g


def _tensors(graph: Any) -> Iterator[Any]:
    """All constants: initial values, and those in attributes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for inner in _inner_graphs(node):
            yield from _tensors(inner)
