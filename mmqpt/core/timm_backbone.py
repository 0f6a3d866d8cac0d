"""One way to make a backbone in timm, for export and for the metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn


def create_timm_backbone(name: str, args: Mapping[str, Any]) -> nn.Module:
    """A network without classifier, not initialised from anywhere.

    Args:
        name: of the model in timm.
        args: further arguments of ``timm.create_model``. With ``features_only`` it gives a list of stages, else
            features that are not pooled yet.
    """
    whole: dict[str, Any] = {} if args.get('features_only') else {'num_classes': 0, 'global_pool': ''}
    options: dict[str, Any] = {**whole, **args}
    return timm.create_model(name, pretrained=False, **options)
