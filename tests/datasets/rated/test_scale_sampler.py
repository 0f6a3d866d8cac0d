"""Batches in which every rating scale has its share."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos import sampler as sampler_module
from mmqpt.datasets.rated.scale_sampler import ScaleSampler

SIZES = {'a': 20, 'b': 80, 'c': 20}


class Rated:
    scales = [name for name, size in SIZES.items() for _ in range(size)]

    def __len__(self):
        return len(self.scales)


def batches(sampler, size, epoch=0):
    sampler.set_epoch(epoch)
    keys = list(sampler)
    return [keys[first : first + size] for first in range(0, len(keys), size)]


def test_every_batch_has_every_share():
    sampler = ScaleSampler(Rated(), 8, {'a': 1, 'b': 2, 'c': 1}, seed=0)
    for batch in batches(sampler, 8):
        assert Counter(Rated.scales[key.index] for key in batch) == {'a': 2, 'b': 4, 'c': 2}


def test_shares_that_are_no_whole_numbers_are_met_over_the_epoch():
    sampler = ScaleSampler(Rated(), 10, {'a': 1, 'b': 1, 'c': 1}, seed=0)
    counts = [Counter(Rated.scales[key.index] for key in batch) for batch in batches(sampler, 10)]
    assert all(set(count.values()) <= {3, 4} for count in counts)
    assert sum(counts, Counter()) == {'a': 40, 'b': 40, 'c': 40}


def test_shares_by_default_are_between_equal_and_those_of_the_set():
    shares = ScaleSampler(Rated(), 16, seed=0).shares
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25])


def test_photos_of_a_scale_come_all_before_one_comes_again():
    sampler = ScaleSampler(Rated(), 8, {'a': 1, 'b': 2, 'c': 1}, seed=0)
    order = [key.index for batch in batches(sampler, 8) for key in batch]
    few = [index for index in order if Rated.scales[index] == 'a']
    assert sorted(few[:20]) == list(range(20))
    assert len(few) == 30
    many = [index for index in order if Rated.scales[index] == 'b']
    assert len(set(many)) == len(many) == 60


def test_epochs_seeds_and_resume():
    sampler = ScaleSampler(Rated(), 8, seed=0)
    first, second = ([key for batch in batches(sampler, 8, epoch) for key in batch] for epoch in (0, 1))
    assert [key.index for key in first] != [key.index for key in second]
    assert len({key.entropy for key in first + second}) == 240
    again = ScaleSampler(Rated(), 8, seed=0)
    again.set_epoch(1)
    again.start = 16
    assert list(again) == second[16:]
    assert len(sampler) == 120


def test_ranks_share_a_step(monkeypatch):
    found = []
    for rank in range(2):
        monkeypatch.setattr(sampler_module, 'get_dist_info', lambda rank=rank: (rank, 2))
        found.append(list(ScaleSampler(Rated(), 8, {'a': 1, 'b': 2, 'c': 1}, seed=0)))
    for first in range(0, 56, 8):
        step = found[0][first : first + 8] + found[1][first : first + 8]
        assert Counter(Rated.scales[key.index] for key in step) == {'a': 4, 'b': 8, 'c': 4}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'shares': {'a': 1, 'b': 1}}, 'shares must be > 0 for each of a, b, c'),
        ({'shares': {'a': 1, 'b': 1, 'c': 0}}, 'shares must be > 0'),
        ({'batch_size': 4}, r"a batch of 4 holds 1.00 photos of scale 'a' on average, fewer than 2"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(InputError, match=message):
        ScaleSampler(Rated(), **{'batch_size': 8, **options})


@pytest.mark.parametrize('dataset', [range(9), SimpleNamespace(scales=['a', None], __len__=lambda: 2)])
def test_photos_without_scales(dataset):
    dataset = dataset if isinstance(dataset, range) else type('One', (Rated,), {'scales': ['a', None]})()
    with pytest.raises(InputError, match='needs rated photos with a rating scale'):
        ScaleSampler(dataset, 8)


def test_says_its_shares():
    sampler = ScaleSampler(Rated(), 8, {'a': 1, 'b': 2, 'c': 1}, seed=3)
    assert repr(sampler) == (
        'ScaleSampler(120 of 120 photos a pass, rank 0 of 1, shuffle=True, seed=3, mix_blocks=None, recipe_group=1, '
        'shares a 25%, b 50%, c 25%)'
    )
