"""Every transform says what it was made with, so that a printed pipeline can be read."""

import inspect

import pytest
from mmengine.dataset import Compose
from mmpretrain.registry import TRANSFORMS

import mmqpt.components

OURS = [
    name
    for name in mmqpt.components.__all__
    if inspect.isclass(kind := getattr(mmqpt.components, name)) and TRANSFORMS.get(name) is kind
]
NEEDED = {'LevelLadder': {'crop': 32}, 'RandomQualityCrop': {'crop': 32}}


@pytest.mark.parametrize('name', OURS)
def test_names_every_setting(name):
    transform = TRANSFORMS.build({'type': name, **NEEDED.get(name, {})})
    text = repr(transform)
    assert text.startswith(f'{name}(')
    assert ' object at 0x' not in text
    arguments = list(inspect.signature(getattr(mmqpt.components, name)).parameters)
    assert arguments == [] or set(arguments) - {'args', 'kwargs'} == {a for a in arguments if f'{a}=' in text}


def test_a_pipeline_can_be_read():
    assert len(OURS) >= 7
    steps = [{'type': 'LoadPhoto'}, {'type': 'RandomDegradation', 'prob': 0.25}]
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    assert 'LoadPhoto(min_side=None)' in str(pipeline)
    assert 'prob=0.25' in str(pipeline)
