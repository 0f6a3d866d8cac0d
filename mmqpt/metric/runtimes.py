"""Which runtime computes the scores, and from which file: onnxruntime or PyTorch, whose scores are the same to 1e-4."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shlex
import sys
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.core.extras import require
from mmqpt.core.weights_spec import CHECKSUM_KEY, read_metadata
from mmqpt.metric.onnx_file import made_from
from mmqpt.metric.weights import find_weights

RUNTIMES = ('onnx', 'torch')


def choose_runtime(
    weights: str | os.PathLike[str] | None = None, device: object | None = None, runtime: str | None = None
) -> tuple[str, Path]:
    """The runtime, and the file that it reads.

    An ONNX file is run by onnxruntime. The weights of a safetensors file are run by PyTorch on a GPU; on a CPU by
    onnxruntime, where the ONNX file of these weights lies beside it under the same name, as that of the bundled weights
    does. Nothing is imported for the choice but PyTorch on a machine with a GPU.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        runtime: one of :data:`RUNTIMES`, to leave no choice.

    Raises:
        FileNotFoundError: no such file.
        InputError: another name of a runtime, a file that it can't read, or a missing package; names the extra.
    """
    if runtime not in (None, *RUNTIMES):
        raise InputError(f'runtime must be {" or ".join(RUNTIMES)}, got {runtime!r}')
    path = find_weights(weights)
    if path.suffix == '.onnx':
        if runtime == 'torch':
            raise InputError(f'{path}: an ONNX file, which the runtime torch can not run; give the .safetensors file')
        require('onnxruntime', '', f'{path.name}: an ONNX file')
        return 'onnx', path
    if runtime == 'torch' or (runtime is None and _on_gpu(device)):
        require('torch', 'torch', f'the runtime torch ({path.name})')
        return 'torch', path
    beside, obstacle = _onnx_beside(path)
    if obstacle is None:
        return 'onnx', beside
    if runtime == 'onnx' or not is_installed('torch'):
        choice = '' if runtime else "; or, for the runtime torch: pip install 'mmqpt[torch]'"
        raise InputError(f'{path}: onnxruntime can not score with it: {obstacle}{choice}')
    return 'torch', path


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    return importlib.util.find_spec(package) is not None


def _onnx_beside(path: Path) -> tuple[Path, str | None]:
    """The ONNX file beside weights, and why it can't be used."""
    beside = path.with_suffix('.onnx')
    if not is_installed('onnxruntime'):
        return beside, "onnxruntime is not installed: pip install 'mmqpt'"
    if not beside.is_file():
        made = f'mmqpt export {shlex.quote(path.name)} {shlex.quote(beside.name)} --onnx'
        return beside, f'there is no {beside.name} beside it (`{made}` makes it)'
    checksum = read_metadata(path).get(CHECKSUM_KEY)
    if checksum is None or made_from(beside) != checksum:
        return beside, f'{beside.name} beside it was made from other weights; export it again'
    return beside, None


def _on_gpu(device: object | None) -> bool:
    """Whether scores are to be computed on a GPU, or on something else that only PyTorch knows."""
    if device is not None:
        return not str(device).startswith('cpu')
    if not is_installed('torch') or ('torch' not in sys.modules and not _has_driver()):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    """Whether the driver of a GPU is there. PyTorch knows for certain, but takes seconds to import."""
    if os.path.exists('/dev/kfd'):  # AMD's
        return True
    try:
        ctypes.CDLL('nvcuda.dll' if os.name == 'nt' else 'libcuda.so.1')
    except OSError:
        return False
    return True
