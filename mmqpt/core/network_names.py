"""Names of parameters: what wrappers, timm's ``features_only`` and classifiers do to those of a network."""

from __future__ import annotations

import re

WRAPPERS = ('module.', 'timm_model.')
"""What ``DataParallel`` and mmpretrain's TIMMBackbone put before the names of the network that they hold."""

GETTER = 'model.'
"""What timm's ``features_only`` puts before the names of a ViT, which it holds as a whole."""

STAGES = ('stages', 'blocks', 'layers')
"""Containers whose numbered modules are the stages of a network."""

AFTER_STAGES = ('conv_head', 'bn2', 'norm', 'head', 'pre_logits')
"""Parts of timm's networks after the last stage."""

CLASSIFIERS = ('fc.', 'classifier.', 'head.fc.', 'head.weight', 'head.bias')
"""Beginnings of the names of a classifier, whatever the network. What else is below ``head.`` may be a norm."""

COUNTER = 'num_batches_tracked'
"""Of BatchNorm; many files and layers have none."""

_NUMBERED = '|'.join((*STAGES, 'features'))  # those of a VGG's features are single layers
_PART = re.compile(rf'((?:{_NUMBERED})\.|layer)(\d+)(?=\.)')
_STAGE_ALONE = re.compile(rf'(?:layer|(?:{"|".join(STAGES)})_)\d+')
_FLAT = re.compile(rf'^(stem|{_NUMBERED})_(\d+)\.')
_WHOLE = re.compile(rf'^(stem|{_NUMBERED})\.(\d+)\.')


def plain_name(name: str) -> str:
    """The name that timm and torchvision give a parameter: without the prefixes of :data:`WRAPPERS`."""
    for prefix in WRAPPERS:
        name = name.removeprefix(prefix)
    return name


def inner_name(name: str) -> str:
    """The name of a parameter in the network that :func:`mmqpt.core.networks.inner_network` finds."""
    return plain_name(name).removeprefix(GETTER)


def whole_name(name: str) -> str:
    """The name in the whole network of a parameter of timm's ``features_only``, which writes ``stages_0.`` for
    ``stages.0.``; all other names stay as they are."""
    return _FLAT.sub(r'\1.\2.', name)


def flat_name(name: str) -> str:
    """The opposite of :func:`whole_name`."""
    return _WHOLE.sub(r'\1_\2.', name)


def is_classifier(name: str) -> bool:
    """Whether a parameter belongs to a classifier, in every network that has one of this name."""
    return name.startswith(CLASSIFIERS)


def may_be_classifier(name: str) -> bool:
    """Whether a parameter belongs to a classifier, unless a backbone has one of this name: a norm below ``head.``, say.

    Only for names that the backbone at hand does not have.
    """
    return name.startswith(('fc.', 'classifier.', 'head.'))


def part_of(name: str) -> str:
    """The stage (``layer1``, ``stages.0``), or else the module at the top, that a parameter of a whole network belongs
    to."""
    stage = _PART.match(name)
    return stage[0] if stage else name.split('.')[0]


def stage_number(name: str) -> int | None:
    """The number of the stage that a parameter belongs to; None outside the stages."""
    stage = _PART.match(name)
    return int(stage[2]) if stage else None


def is_stage(module: str) -> bool:
    """Whether a module at the top of a network is a stage: ``layer1``, or ``stages_0`` as ``features_only`` has it."""
    return _STAGE_ALONE.fullmatch(module) is not None
