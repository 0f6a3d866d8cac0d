"""The ONNX file of a metric: what it says about itself, and what is checked before it is run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.extras import require
from mmqpt.core.weights_spec import CHECKSUM_KEY, SPEC_KEY, WeightsSpec
from mmqpt.metric.onnx_graph import OnnxGraph, read_graph

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

    data: bytes = field(repr=False)
    spec: WeightsSpec
    weights_checksum: str
    size: tuple[int, int] | None
    name: str = 'the model'

    def __str__(self) -> str:
        """A sentence for people."""
        sizes = 'any size' if self.size is None else f'{self.size[1]}x{self.size[0]} px only'
        return f'{self.spec}; the graph takes {sizes}'


def spec_text(fields: Mapping[str, Any]) -> str:
    """What the metadata says under the key ``mmqpt``."""
    return json.dumps(dict(fields))


def seal(data: bytes, spec: str) -> OnnxFile:
    """Put the spec and a checksum into the metadata of a model.

    The checksum is the SHA-256 of the file's bytes with 64 zeros in its own place.
    """
    require('onnx', 'onnx', 'writing an ONNX file')
    import onnx

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
    try:
        graph = read_graph(data)
        _check_whole(data, graph)
        _check_contents(graph)
        fields = json.loads(graph.metadata[SPEC_KEY])
        if 'weights_sha256' in fields:
            raise InputError('has weights_sha256 for weights_checksum (made by an older mmqpt); export it again')
        weights_checksum = str(fields.pop('weights_checksum'))
        spec = WeightsSpec(**fields)
        [(photos, shape)], [scores] = graph.inputs.items(), graph.outputs
        if spec.kind != 'metric' or (photos, scores) != (INPUT, OUTPUT) or len(shape) != 4 or shape[1] != 3:
            raise InputError(f'not a network of (N, 3, H, W) {INPUT} to {OUTPUT}')
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f'{name} (sha256 {hashlib.sha256(data).hexdigest()}): {error}') from error
    return OnnxFile(data, spec, weights_checksum, (shape[2], shape[3]) if shape[2] else None, name)


def made_from(path: str | os.PathLike[str]) -> str | None:
    """The checksum of the weights that an ONNX file says it was made from; None where it says nothing of the kind. The
    file is not checked.

    Raises:
        OSError: can't be read.
    """
    with open(path, 'rb') as file:
        data = file.read()
    try:
        return str(json.loads(read_graph(data).metadata[SPEC_KEY])['weights_checksum'])
    except (TypeError, ValueError, KeyError, RecursionError):
        return None


def _check_whole(data: bytes, graph: OnnxGraph) -> None:
    if SPEC_KEY not in graph.metadata:
        raise InputError('not an ONNX file that mmqpt exported')
    if CHECKSUM_KEY not in graph.metadata:
        raise InputError('has no checksum (made by an older mmqpt); export it again')
    wanted = graph.metadata[CHECKSUM_KEY].encode()
    unsealed = data.replace(wanted, _NO_SUM.encode()) if len(wanted) == len(_NO_SUM) else b''
    found = hashlib.sha256(unsealed).hexdigest()
    if found.encode() != wanted:
        raise InputError(f'damaged: its content has the checksum {found}, but should have {wanted.decode()}')


def _check_contents(graph: OnnxGraph) -> None:
    if graph.has_functions:
        raise InputError('has functions or training steps, which no metric has')
    for domain, kind in graph.operators:
        if domain not in _DOMAINS:
            raise InputError(f'needs the operator {kind} from outside of ONNX ({domain})')
    if graph.has_external:
        raise InputError('has tensors in another file')


def open_session(file: OnnxFile, provider: str = 'CPUExecutionProvider', threads: int = 1) -> Any:
    """An ``onnxruntime.InferenceSession``.

    Raises:
        InputError: onnxruntime is missing, or refuses the file.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False  # one is kept for every size of photo
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
    require('onnxruntime', '', 'scoring by ONNX')
    import onnxruntime

    return onnxruntime
