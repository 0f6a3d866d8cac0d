"""Light lost in the lens, or added by the air: pure functions on RGB uint8 images of shape (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import in_strips
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import DESIGN_CHOICE, row
from mmqpt.degradations.tone import RAMP, curve


@row('colour', unit='1', levels=(0.2, 0.38, 0.56, 0.74, 0.95), source=DESIGN_CHOICE, reach=0, taste=True)
def vignette(image: np.ndarray, loss: float, frame: Frame | None = None) -> np.ndarray:
    """Darken towards the corners, which lose a share ``loss`` of their value; the loss grows as the squared radius."""
    frame = frame or Frame.of(image)
    height, width, shown, _ = frame
    x = np.linspace(-1, 1, width, dtype=np.float32) if width > 1 else np.zeros(1, np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32) if height > 1 else np.zeros(1, np.float32)
    aspect = width**2 / (width**2 + height**2)
    loss_x = np.float32(loss * aspect) * x[shown.left : shown.right] ** 2
    loss_y = np.float32(loss * (1 - aspect)) * y[shown.top : shown.bottom] ** 2

    def darkened(part: np.ndarray, rows: slice) -> np.ndarray:
        factor = 1 - loss_x[None, :] - loss_y[rows, None]
        return cv2.multiply(part, cv2.merge([factor] * 3), dtype=cv2.CV_8U)

    return frame.cut(in_strips(image, darkened))


@row('colour', unit='1', levels=(0.12, 0.24, 0.38, 0.54, 0.72), source='Koschmieder model', reach=0)
def haze(image: np.ndarray, density: float) -> np.ndarray:
    """Mix with light grey air of value 220: ``(1 - density) image + density 220`` (homogeneous scattering)."""
    return curve(image, (1 - density) * RAMP + density * 220)
