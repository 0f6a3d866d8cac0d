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
    from mmqpt.metric.encoders import create_encoder, list_encoders
    from mmqpt.metric.load_backbone import load_backbone
    from mmqpt.metric.open import score, score_folder
    from mmqpt.metric.scorer import Scorer
    from mmqpt.metric.set_score import QPTMetric

register_with_pyiqa()

__all__ = [
    'QPTMetric',
    'Scorer',
    '__version__',
    'create_encoder',
    'list_encoders',
    'list_weights',
    'load_backbone',
    'register_weights',
    'score',
    'score_folder',
]

_LAZY = {
    'QPTMetric': 'mmqpt.metric.set_score',
    'Scorer': 'mmqpt.metric.scorer',
    'create_encoder': 'mmqpt.metric.encoders',
    'list_encoders': 'mmqpt.metric.encoders',
    'load_backbone': 'mmqpt.metric.load_backbone',
    'score': 'mmqpt.metric.open',
    'score_folder': 'mmqpt.metric.open',
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
