"""The sampler that gives every sample its own seed."""

import pytest
from mmpretrain.registry import DATA_SAMPLERS

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos import sampler as sampler_module
from mmqpt.datasets.photos.sampler import SampleKey, SeededSampler


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


class Shards:
    """15 photos in shards of 4, 1, 7 and 3."""

    block_sizes = (4, 1, 7, 3)

    def __len__(self):
        return 15


@pytest.mark.parametrize('world_size', [1, 3])
def test_start_goes_on_where_it_stopped(as_rank, world_size):
    for rank in range(world_size):
        whole = epoch(as_rank(rank, world_size, 14, seed=3), 2)
        for start in range(len(whole) + 1):
            sampler = as_rank(rank, world_size, 14, seed=3)
            sampler.set_epoch(2)
            sampler.start = start
            assert list(sampler) == whole[start:]
            assert len(sampler) == len(whole)  # schedules count whole epochs
            assert epoch(sampler, 2) == whole  # the next pass begins at its beginning


def test_blocks_are_mixed_among_neighbours_only():
    shard_of = [shard for shard, size in enumerate(Shards.block_sizes) for _ in range(size)]
    orders = set()
    for number in range(20):
        keys = epoch(SeededSampler(Shards(), seed=3, mix_blocks=2), number)
        assert sorted(key.index for key in keys) == list(range(15))
        shards = [shard_of[key.index] for key in keys]
        first = set(shards[: next(i for i in range(1, 16) if len(set(shards[:i])) == 2 and _whole(shards[:i]))])
        assert len(first) == 2
        assert not first & set(shards[sum(Shards.block_sizes[i] for i in first) :])
        orders.add(tuple(key.index for key in keys))
    assert len(orders) == 20


def _whole(shards: list[int]) -> bool:
    return all(shards.count(shard) == Shards.block_sizes[shard] for shard in set(shards))


def test_all_blocks_mixed_is_a_plain_shuffle_of_all():
    keys = epoch(SeededSampler(Shards(), seed=3, mix_blocks=4), 0)
    assert sorted(key.index for key in keys) == list(range(15))


@pytest.mark.parametrize(
    ('dataset', 'options', 'message'),
    [
        (Shards(), {'mix_blocks': 0}, 'mix_blocks must be an integer >= 1, got 0'),
        (Shards(), {'mix_blocks': 2, 'shuffle': False}, 'mix_blocks is a way to shuffle, but shuffle is False'),
        (range(5), {'mix_blocks': 2}, 'mix_blocks needs a dataset in shards, range has none'),
    ],
)
def test_bad_blocks(dataset, options, message):
    with pytest.raises(InputError, match=message):
        SeededSampler(dataset, seed=0, **options)


@pytest.mark.parametrize('ranks', [1, 3])
def test_samples_in_a_row_of_a_rank_form_groups(as_rank, ranks):
    numbers = []
    for rank in range(ranks):
        plain = epoch(as_rank(rank, ranks, 48, seed=2), 1)
        grouped = epoch(as_rank(rank, ranks, 48, seed=2, recipe_group=4), 1)
        assert [(key.index, key.entropy) for key in plain] == [(key.index, key.entropy[:3]) for key in grouped]
        groups = [key.entropy[3] for key in grouped]
        assert len(groups) == 48 // ranks
        for start in range(0, len(groups), 4):
            assert len(set(groups[start : start + 4])) == 1
        numbers += groups[::4]
    assert len(set(numbers)) == 12  # no two groups of any rank share a number


def test_a_resumed_epoch_has_the_same_groups():
    whole = epoch(SeededSampler(range(24), seed=2, recipe_group=3), 0)
    resumed = SeededSampler(range(24), seed=2, recipe_group=3)
    resumed.start = 6
    assert list(resumed) == whole[6:]


@pytest.mark.parametrize('group', [0, 1.5, True])
def test_bad_group(group):
    with pytest.raises(InputError, match='recipe_group must be an integer >= 1, got'):
        SeededSampler(range(4), seed=0, recipe_group=group)
