"""Recipe positives in a real run: groups of photos under the same recipes, from the sampler to the loss."""

import json

import pytest
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.log_keys import LOG_KEYS


def config(tiny_pretrain, folder, **changes):
    cfg = tiny_pretrain(folder, **{'train_dataloader.batch_size': 6, 'model.recipe_positives': 3, **changes})
    cfg.train_dataloader.sampler.recipe_group = 3
    cfg.train_dataloader.dataset.pipeline[1].group_recipes = True
    return cfg


@pytest.mark.parametrize('workers', [0, 2])
def test_photos_of_a_group_are_degraded_alike(tiny_pretrain, tmp_path, monkeypatch, workers):
    cfg = config(tiny_pretrain, tmp_path, **{'train_dataloader.num_workers': workers})
    runner = Runner.from_cfg(cfg)
    seen = []
    loss = runner.model.loss
    monkeypatch.setattr(
        runner.model, 'loss', lambda inputs, data_samples: seen.append(data_samples) or loss(inputs, data_samples)
    )
    runner.train()
    assert len(seen) == 2
    groups = [samples[start : start + 3] for samples in seen for start in (0, 3)]
    keys = [[tuple(recipe.key for recipe in sample.recipes) for sample in group] for group in groups]
    assert all(len(set(group)) == 1 for group in keys)
    assert len({group[0] for group in keys}) == 4
    seeds = [step.seed for group in groups for sample in group for recipe in sample.recipes for step in recipe.steps]
    assert len(set(seeds)) == len(seeds)
    last = json.loads(next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()[-1])
    assert {'acc_recipe', 'acc_degradation'} <= set(last)
    assert set(last) - set(LOG_KEYS) <= {'epoch', 'iter', 'step'}  # the training page explains all


@pytest.mark.parametrize('left_out', ['sampler', 'transform'])
def test_a_config_without_one_of_its_parts_is_refused(tiny_pretrain, tmp_path, left_out):
    cfg = config(tiny_pretrain, tmp_path)
    if left_out == 'sampler':
        del cfg.train_dataloader.sampler['recipe_group']
    else:
        del cfg.train_dataloader.dataset.pipeline[1]['group_recipes']
    with pytest.raises(InputError, match=r'SeededSampler\(recipe_group='):
        Runner.from_cfg(cfg).train()


def test_batches_must_hold_whole_groups(tiny_pretrain, tmp_path):
    with pytest.raises(InputError, match='recipe_positives is 3, but a batch has 4 photos'):
        Runner.from_cfg(config(tiny_pretrain, tmp_path, **{'train_dataloader.batch_size': 4})).train()
