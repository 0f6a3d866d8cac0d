"""QPT: quality-aware pre-training for blind image quality assessment.

``import mmqpt`` makes ``pyiqa.create_metric('qpt')`` available and imports nothing heavy. ``import mmqpt.components``
puts the pre-training components into mmpretrain's registries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mmqpt.core.extras import name_extra
from mmqpt.metric.register import register_weights, register_with_pyiqa
from mmqpt.metric.weights import list_weights
from mmqpt.version import __version__

if TYPE_CHECKING:
    from mmqpt.metric.load_backbone import load_backbone
    from mmqpt.metric.open import score
    from mmqpt.metric.scorer import Scorer

register_with_pyiqa()

__all__ = ['Scorer', '__version__', 'list_weights', 'load_backbone', 'register_weights', 'score']

_LAZY = {
    'Scorer': 'mmqpt.metric.scorer',
    'load_backbone': 'mmqpt.metric.load_backbone',
    'score': 'mmqpt.metric.open',
}
"""Names whose modules ``import mmqpt`` does not import, since they are heavy."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        return getattr(importlib.import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        raise name_extra(error, f'mmqpt.{name}') from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
