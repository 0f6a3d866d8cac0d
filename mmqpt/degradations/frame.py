"""Where a piece of a photo lies in it: what operators need to know to degrade the piece as they would the photo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Region(NamedTuple):
    """A rectangle of a photo, in px; ``bottom`` and ``right`` are the first row and column beyond it."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def area(self) -> int:
        return self.height * self.width

    def grown(self, reach: int, height: int, width: int) -> Region:
        """With ``reach`` px around it, as far as a photo of ``height`` x ``width`` px has them."""
        if reach == 0:
            return self
        return Region(
            max(0, self.top - reach),
            max(0, self.left - reach),
            min(height, self.bottom + reach),
            min(width, self.right + reach),
        )

    def on_grid(self, grid: int, height: int, width: int) -> Region:
        """The least region around it whose sides lie on multiples of ``grid`` px, or on the border of the photo."""
        if grid == 1:
            return self
        return Region(
            self.top // grid * grid,
            self.left // grid * grid,
            min(height, -(-self.bottom // grid) * grid),
            min(width, -(-self.right // grid) * grid),
        )

    def joined(self, other: Region) -> Region:
        """The least region that holds both."""
        return Region(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def cut(self, image: np.ndarray, shown: Region) -> np.ndarray:
        """Its pixels, a view, out of an image that shows the region ``shown``, which holds it."""
        top, left = self.top - shown.top, self.left - shown.left
        return image[top : top + self.height, left : left + self.width]


class Frame(NamedTuple):
    """The photo that an image is a piece of, and what the image is wanted for."""

    height: int
    """Rows of the photo."""

    width: int
    """Columns of the photo."""

    shown: Region
    """What the image shows of the photo."""

    asked: Region
    """What the result has to show; it lies in ``shown``."""

    @classmethod
    def of(cls, image: np.ndarray) -> Frame:
        """Of an image that is the whole photo."""
        return cls.sized(*image.shape[:2])

    @classmethod
    def sized(cls, height: int, width: int) -> Frame:
        """Of a whole photo of ``height`` x ``width`` px."""
        whole = Region(0, 0, height, width)
        return cls(height, width, whole, whole)

    def cut(self, image: np.ndarray) -> np.ndarray:
        """What is asked for, a view, out of an image that shows what is shown."""
        return image if self.asked == self.shown else self.asked.cut(image, self.shown)
