"""QPT: quality-aware pre-training for blind image quality assessment.

``import mmqpt`` makes ``pyiqa.create_metric('qpt')`` available and imports nothing heavy. ``import mmqpt.components``
puts the pre-training components into mmpretrain's registries.
"""

from mmqpt.metric.register import register_with_pyiqa
from mmqpt.version import __version__

register_with_pyiqa()

__all__ = ['__version__']
