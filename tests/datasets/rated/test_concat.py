"""Several rated sets in one run."""

import numpy as np
import pytest

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.datasets.rated.concat import ConcatRatedSets

PIPELINE = [{'type': 'LoadPhoto'}]


@pytest.fixture
def sets(photo_folder, tmp_path):
    """Configs of two sets: ``one`` with 4 photos, MOS 1 to 5; ``two`` with 2, MOS 0 to 100."""
    names = sorted(path.name for path in photo_folder.iterdir())
    for name, rows in (
        ('one', [(photo, 1 + i, 'xy'[i % 2]) for i, photo in enumerate(names[:4])]),
        ('two', [(photo, 10 + 50 * i, 'z') for i, photo in enumerate(names[4:])]),
    ):
        lines = ['name,mos,kind', *(','.join(map(str, row)) for row in rows)]
        (tmp_path / f'{name}.csv').write_text('\n'.join(lines))
    return [
        {'data_root': str(photo_folder), 'ann_file': str(tmp_path / f'{name}.csv'), 'mos_range': mos_range}
        for name, mos_range in (('one', (1, 5)), ('two', (0, 100)))
    ]


def test_each_set_keeps_its_range_and_scale(sets):
    data = ConcatRatedSets(sets, PIPELINE)
    assert len(data) == 6
    assert data.scales == ['one'] * 4 + ['two'] * 2
    assert data.labels() == {'one': ([0, 0.25, 0.5, 0.75], (1, 5)), 'two': ([0.1, 0.6], (0, 100))}
    assert data.metainfo == {'dataset': 'one+two', 'mos_range': [0, 1], 'photos': 6}
    found = [data[i] for i in range(6)]
    assert [sample['score'] for sample in found] == pytest.approx([0, 0.25, 0.5, 0.75, 0.1, 0.6])
    assert [sample['mos'] for sample in found] == [1, 2, 3, 4, 10, 60]
    assert found[5]['scale'] == 'two'
    assert found[5]['mos_range'] == (0, 100)
    assert repr(data).startswith('ConcatRatedSets(6 photos of IQADataset(one: 4 photos in ')


def test_scales_within_a_set(sets):
    data = ConcatRatedSets([{**sets[0], 'scale_column': 'kind'}, {**sets[1], 'scale': 'x2'}], PIPELINE)
    assert data.scales == ['x', 'y', 'x', 'y', 'x2', 'x2']
    with pytest.raises(InputError, match="scale 'z' has two ranges"):
        ConcatRatedSets([{**sets[0], 'scale': 'z'}, {**sets[1], 'scale': 'z'}], PIPELINE)


def test_random_numbers_of_a_sample_are_those_of_its_key(sets):
    data = ConcatRatedSets(sets, PIPELINE)
    found = data[SampleKey(5, (7, 1, 2))]
    assert found['sample_key'] == SampleKey(1, (7, 1, 2))
    assert found['rng'].integers(1 << 30) == np.random.default_rng((7, 1, 2)).integers(1 << 30)
    with pytest.raises(IndexError):
        data[6]


def test_mistakes(sets):
    with pytest.raises(InputError, match='at least one'):
        ConcatRatedSets([], PIPELINE)
    with pytest.raises(InputError, match='different names, got one, one; give name'):
        ConcatRatedSets([sets[0], sets[0]], PIPELINE)
    with pytest.raises(InputError, match='sets must be of IQADataset, got PhotoFolder'):
        ConcatRatedSets([{'type': 'PhotoFolder', 'data_root': sets[0]['data_root']}], PIPELINE)
