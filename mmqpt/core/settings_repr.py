"""What an object of ours shows of itself: the arguments that it was made with."""

from __future__ import annotations

import inspect


class SettingsRepr:
    """Gives a class a ``repr`` that names all its arguments; each must be kept as an attribute of the same name.

    A base class, so that ``Compose`` and a config's dump show what a pipeline does. Example:
        >>> class Crop(SettingsRepr):
        ...     def __init__(self, side, flip=0.5):
        ...         self.side, self.flip = side, flip
        >>> Crop(64)
        Crop(side=64, flip=0.5)
    """

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        return f'{type(self).__name__}({", ".join(f"{name}={getattr(self, name)!r}" for name in names)})'
