"""What encoders know, summed up: figures by hand, blind spots, pairs and runs."""

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.overlap import Overlap
from mmqpt.evaluation.protocols.distortion_run import COLUMNS, read_ladders, write_ladders
from mmqpt.evaluation.reports.distortion_results import (
    pairs_to_compare,
    summarise_distortions,
    write_distortion_results,
)
from mmqpt.evaluation.statistics.correlation import srcc


def find(rows, **wanted):
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def test_readings_survive_the_file(made_readings, distortion_design, tmp_path):
    readings = made_readings()
    write_ladders(tmp_path / 'a' / 'x.csv', readings, distortion_design)
    found = read_ladders(tmp_path / 'a' / 'x.csv')
    np.testing.assert_array_equal(found.level, readings.level[distortion_design.rungs])
    np.testing.assert_array_equal(found.level_each, readings.level_each)
    np.testing.assert_array_equal(found.position, readings.position)
    names = np.array([d.name for d in distortion_design.distortions])
    np.testing.assert_array_equal(found.kinds, names[readings.kind[distortion_design.rungs[:, 1:]]])
    assert list(found.distortions) == names[distortion_design.ladders[:, 1]].tolist()


@pytest.mark.parametrize(
    'text', ['', 'a,b\n1,2\n', ','.join(COLUMNS) + '\n', ','.join(COLUMNS) + '\n' + 6 * 'p,g,0,jpeg,0,1,,1,1\n']
)
def test_a_file_of_something_else_is_named(tmp_path, text):
    (tmp_path / 'x.csv').write_text(text)
    with pytest.raises(InputError, match=r'x\.csv: not a file of readings'):
        read_ladders(tmp_path / 'x.csv')
    with pytest.raises(FileNotFoundError, match='no such file of readings'):
        read_ladders(tmp_path / 'y.csv')


def test_figures_are_those_of_the_readings(distortion_folder, distortion_cells):
    found = summarise_distortions(distortion_folder, distortion_cells, 200, 0)
    ladders = read_ladders(distortion_folder / distortion_cells[0]['predictions'])
    levels = np.tile(np.arange(6.0), len(ladders.photos))
    own = np.array([name == 'jpeg' for name in ladders.distortions])
    first = {'encoder': distortion_cells[0]['encoder']}
    row = find(found['summary'], **first, measure='level', distortion='')
    assert row['value'] == pytest.approx(srcc(ladders.level.ravel(), levels))
    assert row['low'] < row['value'] < row['high']
    row = find(found['summary'], **first, measure='level_each', distortion='jpeg')
    assert row['value'] == pytest.approx(srcc(ladders.level_each[own].ravel(), levels[: 6 * own.sum()]))
    row = find(found['summary'], **first, measure='type', distortion='jpeg')
    assert row['value'] == pytest.approx(np.mean(ladders.kinds[own] == 'jpeg'))
    parts = [
        find(found['summary'], **first, measure='level_each', distortion=name)['value']
        for name in sorted(set(ladders.distortions))
    ]
    row = find(found['summary'], **first, measure='level_each', distortion='')
    assert row['value'] == pytest.approx(np.mean(parts))


def test_a_better_encoder_is_found_better_and_a_blind_one_blind(distortion_folder, distortion_cells):
    found = summarise_distortions(distortion_folder, distortion_cells, 200, 0)
    start, good = distortion_cells[0]['encoder'], distortion_cells[1]['encoder']
    for measure in ('level', 'level_each', 'type', 'order'):
        row = find(found['comparisons'], a=good, b=start, measure=measure, distortion='')
        assert row['low'] > 0
        assert row['verdict'].startswith(f'{good} is better than {start} in ')
    assert found['blind'][start] == ['jpeg']
    assert found['blind'][good] == []
    assert {'encoder': start, 'distortion': 'jpeg', 'taken_for': 'white_noise', 'share': 1.0} in found['confused']
    (run,) = found['runs']
    assert {name: run[name] for name in ('run', 'checkpoints', 'best', 'last')} == {
        'run': 'B',
        'checkpoints': 2,
        'best': 'B 20',
        'last': 'B 20',
    }
    earlier = find(found['summary'], encoder='B 10', measure='level', distortion='')['value']
    later = find(found['summary'], encoder='B 20', measure='level', distortion='')['value']
    assert run['difference'] == pytest.approx(later - earlier)  # to the one before, where the last is the best
    assert run['low'] <= run['difference'] <= run['high']


def test_pairs_start_from_the_first_encoder():
    cells = [
        {'encoder': name, 'run': run}
        for name, run in (('I', ''), ('A 1', 'A'), ('A 2', 'A'), ('B 1', 'B'), ('B 2', 'B'))
    ]
    assert pairs_to_compare(cells) == [
        ('A 1', 'I', True), ('A 2', 'I', True), ('B 1', 'I', True), ('B 2', 'I', True), ('B 2', 'A 2', False)
    ]  # fmt: skip


def test_encoders_on_other_photos_are_refused(distortion_folder, distortion_cells):
    path = distortion_folder / distortion_cells[1]['predictions']
    path.write_text(path.read_text().replace('0.jpg', 'other.jpg'))
    with pytest.raises(InputError, match='was read on other photos or distortions than'):
        summarise_distortions(distortion_folder, distortion_cells, 100, 0)


def test_an_overlap_is_a_warning(distortion_folder, distortion_cells, distortion_design):
    overlap = Overlap({'0.jpg': 'x/a.jpg'}, {'3.jpg': 'b.jpg', 'gone.jpg': 'c.jpg'}, 50, 2)
    found = write_distortion_results(
        distortion_folder, distortion_design, distortion_cells, 'mmqpt', {}, overlap, ['a note'], 100
    )
    told = (
        '2 of 30 photos were trained on: 1 are among the training photos, 1 have a near-duplicate there, the first: 0'
    )
    assert found['warnings'][0].startswith(told)
    assert found['warnings'][1].startswith('2 training photos could not be read')
    none = write_distortion_results(distortion_folder, distortion_design, distortion_cells, 'mmqpt', {}, None, [], 100)
    assert none['warnings'] == []
