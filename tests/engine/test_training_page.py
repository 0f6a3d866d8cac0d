"""The page says of a log what a person would see in it."""

import math
from pathlib import Path

import numpy as np
import pytest

from mmqpt.engine.log_keys import LOG_KEYS, meaning_of
from mmqpt.engine.training_page import Example, find_health, training_page


def log_of(**changes):
    """200 healthy steps: the queue fills for 50 of them, then the loss falls from 70 % to 50 % of chance."""
    fill = np.minimum(1, np.arange(1, 201) / 50)
    chance = np.log(1 + 8000 * fill)
    ratio = np.where(fill < 1, 0.3, np.linspace(0.7, 0.5, 200))
    log = {
        'lr': [0.01] * 200,
        'loss': (ratio * chance).tolist(),
        'chance_level': chance.tolist(),
        'queue_fill': fill.tolist(),
        'acc_degradation': np.linspace(0.4, 0.9, 200).tolist(),
        'gain_degradation': np.linspace(-0.1, 0.2, 200).tolist(),
        'embedding_rank': [20.0, 30.0, 40.0, 50.0],
        'embedding_similarity': [0.5, 0.4, 0.3, 0.2],
        'time': [0.5] * 200,
        'data_time': [0.01] * 200,
    }
    return {**log, **changes}


def health(log):
    return {one.what: one for one in find_health(log, 24)}


def test_a_healthy_run():
    found = health(log_of())
    assert all(one.good for one in found.values())
    assert '51% of chance' in found['QC-Loss against chance'].found
    gain = found['Gain over the start'].found  # from the full queue on: before, chance was less
    assert gain.startswith('6')
    assert gain.endswith('51% now')
    assert found['Speed'].found.startswith('48.0 photos/s')


@pytest.mark.parametrize(
    ('what', 'changes'),
    [
        ('QC-Loss against chance', {'loss': np.linspace(9.9, 9.2, 200).tolist()}),
        ('Gain over the start', {'loss': np.linspace(4.5, 6, 200).tolist()}),
        ('Positives told from other recipes', {'acc_degradation': np.linspace(0.4, 0.3, 200).tolist()}),
        ('Positives told beyond the start', {'gain_degradation': [-0.05] * 200}),
        ('Directions that embeddings use', {'embedding_rank': [20.0, 8.0, 2.0, 1.1]}),
        ('Similarity of embeddings', {'embedding_similarity': [0.5, 0.9, 0.99, 0.995]}),
        ('Weight of degradation-based negatives', {'mass_degradation': [0.001] * 200}),
        ('Speed', {'data_time': [0.3] * 200}),
        ('Steps that were not finite', {'skipped_steps': [0.0, 3.0]}),
    ],
)
def test_what_is_wrong_is_one_line(what, changes):
    found = health(log_of(**changes))
    assert [one.what for one in found.values() if not one.good] == [what]


def test_fine_tuning_has_its_validation():
    log = {'loss': [1.0, 0.5], 'val/iqa/SRCC': [0.7, 0.9, 0.8]}
    found = health(log)
    assert list(found) == ['SRCC on the validation part']
    assert found['SRCC on the validation part'].found == '0.8000; best 0.9000 at validation 2 of 3'
    page = training_page('x', log, 2, 4, 16)
    assert 'val/iqa/SRCC' in page
    assert page.count('<svg') == 2


def test_a_page_of_nothing_and_of_numbers_that_are_none():
    assert '<svg' not in training_page('x', {}, 0, 10, 1)
    page = training_page('x', {'acc_degradation': [math.nan] * 3, 'embedding_rank': [math.nan]}, 3, 10, 1)
    assert 'look</span>' not in page


def test_names_and_recipes_are_text():
    patches = np.zeros((2, 3, 8, 8, 3), np.uint8)
    page = training_page('<b>', log_of(**{'<i>_loss': [1.0]}), 200, 400, 8, [Example(patches, ['<u>', 'jpeg 3'])])
    for text in ('<b>', '<i>', '<u>'):
        assert text not in page
    assert page.count('data:image/jpeg') == 2
    assert 'Step 200 of 400' in page
    assert "default-src 'none'" in page
    assert '<script' not in page


def test_every_key_is_documented():
    page = (Path(__file__).parent.parent.parent / 'docs' / 'training_log.md').read_text()
    assert [key for key in LOG_KEYS if f'`{key}`' not in page] == []


def test_every_key_has_a_meaning():
    for key in ('loss', 'ladder_loss', 'val/iqa/PLCC', *log_of()):
        assert meaning_of(key)
