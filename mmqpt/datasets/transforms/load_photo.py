"""The first step of a pipeline: the photo itself."""

from __future__ import annotations

from typing import Any

from mmpretrain.registry import TRANSFORMS

from mmqpt.core.photo import read_photo_and_size
from mmqpt.core.reduced import check_min_side
from mmqpt.core.settings_repr import SettingsRepr


@TRANSFORMS.register_module()
class LoadPhoto(SettingsRepr):
    """``img_bytes``, or else the file ``img_path`` -> ``img``: uint8 (H, W, 3), BGR as in all OpenMMLab pipelines.

    Read by :func:`read_photo`.

    Args:
        min_side: None, or px: large JPEGs are decoded at 1/2, 1/4 or 1/8 of their size, as long as the short side stays
            at least this long; all other kinds of files are read in full. Faster, but it changes what the network
            sees: a reduced photo has less noise and fewer traces of compression of its own before it is degraded
            (docs/scale.md).

    Raises:
        InputError: ``min_side`` is not an integer >= 1.
    """

    def __init__(self, min_side: int | None = None) -> None:
        check_min_side(min_side)
        self.min_side = min_side

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img``, its ``img_shape``, and ``ori_shape`` of the whole photo; takes ``img_bytes`` away."""
        name = results['img_path']
        image, size = read_photo_and_size(results.pop('img_bytes', name), name, self.min_side, bgr=True)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=size)
        return results
