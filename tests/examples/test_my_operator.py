"""The example of an operator of one's own, as docs/extend_operator.md tells it."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

from mmqpt.degradations import DegradationSpace, Recipe, apply, operator, registry
from mmqpt.engine.launch import load_config

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / 'docs' / 'extend_operator.md').read_text(encoding='utf-8')


@pytest.fixture(autouse=True)
def _my_operator(monkeypatch):
    """The folder of the examples is on the path; nothing is registered yet, or stays so."""
    monkeypatch.setattr(registry, '_REGISTERED', {})
    monkeypatch.syspath_prepend(ROOT / 'examples')
    yield
    sys.modules.pop('my_operator', None)


def test_python_of_the_page_runs():
    names = {'__name__': 'example'}
    first, second, _ = re.findall(r'^```python\n(.*?)^```', PAGE, re.M | re.S)  # the third is a config
    exec(compile(second, 'second', 'exec'), {'np': np} | names)
    assert first in (ROOT / 'examples' / 'my_operator.py').read_text(encoding='utf-8')


def test_page_shows_the_config():
    text = (ROOT / 'examples' / 'qpt_with_my_operator.py').read_text(encoding='utf-8')
    assert text.split('"""\n\n')[1] in PAGE


def test_does_what_it_says():
    import my_operator

    image = np.full((100, 8, 3), 200, np.uint8)
    for level, rows in ((1, 1), (5, 16)):
        out = operator('dead_rows')(image, level, seed=3)
        assert (out == 0).all((1, 2)).sum() == rows
        assert (out == 200).all((1, 2)).sum() == 100 - rows
    assert my_operator.dead_rows(image[:1], 0.01, 0).max() == 0
    recipe = Recipe([('dead_rows', 3, 1, 5)])
    np.testing.assert_array_equal(apply(Recipe.from_json(recipe.to_json()), image), apply(recipe, image))


def test_config_draws_it():
    path = ROOT / 'examples' / 'qpt_with_my_operator.py'
    args = argparse.Namespace(config=str(path), launcher='none', cfg_options=None, work_dir=None, local_rank=0)
    cfg = load_config(args)
    assert cfg.custom_imports.imports == ['mmqpt.components', 'my_operator']
    pairs = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[1])
    assert len(pairs.space.options) == len(DegradationSpace().options) + 5
    assert pairs.patch_size == 160
    pairs.space = DegradationSpace.from_config({'operators': ['dead_rows', 'haze'], 'skip': 0})
    photo = np.random.default_rng(0).integers(1, 256, (500, 500, 3), dtype=np.uint8)
    sample = pairs({'img': photo, 'rng': np.random.default_rng(0)})
    assert {step.operator for recipe in sample['recipes'] for step in recipe.steps} == {'dead_rows', 'haze'}
    assert sample['patches'].shape == (4, 2, 160, 160, 3)
