"""Where the weights lie that come with the package."""

from __future__ import annotations

from pathlib import Path

BUNDLED = Path(__file__).parent.parent / 'metric' / 'weights'
"""Folder of ``qpt.safetensors``, the default of the metric, and of the encoders that fine-tuning may start from."""
