"""Packages that a plain installation lacks, and the extra of mmqpt that brings each."""

from __future__ import annotations

import importlib.util

from mmqpt.core.errors import InputError

EXTRAS = {
    **dict.fromkeys(('torch', 'torchvision', 'timm'), 'torch'),
    'pyiqa': 'pyiqa',
    'cv2': 'degradations',
    **dict.fromkeys(('mmengine', 'mmcv', 'mmpretrain', 'sklearn', 'scipy'), 'pretrain'),
    **dict.fromkeys(('filelock', 'imagehash', 'jinja2', 'matplotlib', 'openpyxl', 'pandas', 'xlrd'), 'evaluate'),
    **dict.fromkeys(('onnx', 'onnxscript'), 'onnx'),
    **dict.fromkeys(('datasets', 'lmdb', 'webdataset'), 'shards'),
    'pyarrow': 'parquet',
    'ray': 'ray',
}
"""Package -> extra."""


def require(package: str, extra: str, what: str) -> None:
    """Check that a package is there.

    Args:
        package: that is needed.
        extra: of mmqpt that brings it; empty for what comes with mmqpt itself.
        what: needs it, for the message.

    Raises:
        InputError: it is missing; names the extra to install.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(f"{what} needs {package}, which is not installed: pip install 'mmqpt{extra and f'[{extra}]'}'")


def name_extra(error: ModuleNotFoundError, what: str) -> Exception:
    """The error to raise for a module that ``what`` did not find: it names the extra, where one brings the module."""
    package = (error.name or '').split('.')[0]
    if package not in EXTRAS:
        return error
    return InputError(f"{what} needs {package}, which is not installed: pip install 'mmqpt[{EXTRAS[package]}]'")
