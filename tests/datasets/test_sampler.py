"""The sampler that gives every sample its own seed."""

import pytest
from mmpretrain.registry import DATA_SAMPLERS

from mmqpt.datasets import sampler as sampler_module
from mmqpt.datasets.sampler import SampleKey, SeededSampler


@pytest.fixture
def as_rank(monkeypatch):
    """Build a sampler as one of several processes would."""

    def build(rank: int, world_size: int, size: int, **options) -> SeededSampler:
        monkeypatch.setattr(sampler_module, 'get_dist_info', lambda: (rank, world_size))
        return SeededSampler(range(size), **options)

    return build


def epoch(sampler: SeededSampler, number: int) -> list[SampleKey]:
    sampler.set_epoch(number)
    return list(sampler)


@pytest.mark.parametrize('size', [1, 2, 13])
def test_every_photo_once_an_epoch(size):
    sampler = SeededSampler(range(size), seed=3)
    assert len(sampler) == size
    for number in range(3):
        keys = epoch(sampler, number)
        assert len(keys) == size
        assert sorted(key.index for key in keys) == list(range(size))


def test_epochs_differ_and_entropies_never_repeat():
    sampler = SeededSampler(range(50), seed=3)
    epochs = [epoch(sampler, number) for number in range(3)]
    orders = [tuple(key.index for key in keys) for keys in epochs]
    assert len(set(orders)) == 3
    entropies = [key.entropy for keys in epochs for key in keys]
    assert len(set(entropies)) == len(entropies) == 150


def test_same_seed_same_order():
    for number in (0, 7):
        assert epoch(SeededSampler(range(20), seed=4), number) == epoch(SeededSampler(range(20), seed=4), number)
        assert epoch(SeededSampler(range(20), seed=4), number) != epoch(SeededSampler(range(20), seed=5), number)


def test_an_epoch_does_not_depend_on_the_ones_before():
    """A resumed run draws what the uninterrupted run would have drawn."""
    sampler = SeededSampler(range(20), seed=4)
    for number in range(4):
        uninterrupted = epoch(sampler, number)
    assert epoch(SeededSampler(range(20), seed=4), 3) == uninterrupted
    assert list(sampler) == uninterrupted


def test_entropy_is_seed_epoch_and_position():
    keys = epoch(SeededSampler(range(4), seed=9), 2)
    assert [key.entropy for key in keys] == [(9, 2, position) for position in range(4)]


def test_without_shuffle_photos_come_in_order():
    for number in range(2):
        assert [key.index for key in epoch(SeededSampler(range(5), shuffle=False, seed=1), number)] == [0, 1, 2, 3, 4]


def test_seed_of_its_own():
    sampler = SeededSampler(range(5))
    assert isinstance(sampler.seed, int)
    assert sampler.seed >= 0
    assert list(sampler) == list(SeededSampler(range(5), seed=sampler.seed))


@pytest.mark.parametrize('size', [1, 12, 13, 14, 15])
@pytest.mark.parametrize('world_size', [2, 4])
def test_ranks_without_round_up_share_the_photos(as_rank, size, world_size):
    ranks = [as_rank(rank, world_size, size, seed=3, round_up=False) for rank in range(world_size)]
    parts = [epoch(rank, 1) for rank in ranks]
    assert [len(part) for part in parts] == [len(rank) for rank in ranks]
    together = [key for part in parts for key in part]
    assert len(set(together)) == len(together) == size
    assert sorted(key.index for key in together) == list(range(size))


@pytest.mark.parametrize('size', [1, 12, 13, 14, 15])
@pytest.mark.parametrize('world_size', [2, 4])
def test_ranks_with_round_up_have_equal_shares(as_rank, size, world_size):
    ranks = [as_rank(rank, world_size, size, seed=3) for rank in range(world_size)]
    parts = [epoch(rank, 1) for rank in ranks]
    share = -(-size // world_size)
    assert [len(part) for part in parts] == [len(rank) for rank in ranks] == [share] * world_size
    together = [key for part in parts for key in part]
    assert len({key.entropy for key in together}) == share * world_size
    assert {key.index for key in together} == set(range(size))


def test_number_of_ranks_does_not_change_what_is_drawn(as_rank):
    alone = set(epoch(as_rank(0, 1, 12, seed=3), 2))
    for world_size in (2, 3, 4):
        together = {key for rank in range(world_size) for key in epoch(as_rank(rank, world_size, 12, seed=3), 2)}
        assert together == alone


def test_ranks_interleave(as_rank):
    """Together, the batches of all ranks are the batch of one process."""
    alone = epoch(as_rank(0, 1, 12, seed=3), 0)
    for rank in range(3):
        assert epoch(as_rank(rank, 3, 12, seed=3), 0) == alone[rank::3]


def test_registered():
    assert DATA_SAMPLERS.get('SeededSampler') is SeededSampler
