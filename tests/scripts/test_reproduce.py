"""scripts/reproduce.py: the comparison and the choice of photos. The run itself needs BIQ2021 and five minutes."""

import json
import runpy
from functools import partial
from pathlib import Path

import pytest

from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tool(run_script):
    return partial(run_script, 'scripts/reproduce.py')


@pytest.fixture(scope='module')
def parts():
    return runpy.run_path(str(ROOT / 'scripts' / 'reproduce.py'))


def test_needs_the_photos(tool, tmp_path):
    done = tool(tmp_path / 'gone')
    assert done.returncode == 2
    assert 'no folder Images; clone https://github.com/nisarahmedrana/BIQ2021' in done.err


def test_compares_with_tolerance_and_names(parts, capsys):
    stored = {'a': {'value': 1.0, 'tolerance': 0.1}, 'photos': {'value': 10, 'tolerance': 0}}
    assert parts['compare']({'a': 1.05, 'photos': 10}, stored)
    assert 'everything is as stored' in capsys.readouterr().out
    assert not parts['compare']({'a': 1.2, 'photos': 10}, stored)
    assert '| a | 1 | 1.2 | 0.1 | **differs** |' in capsys.readouterr().out
    assert not parts['compare']({'a': float('nan'), 'photos': 10}, stored)
    assert not parts['compare']({'a': 1.0}, stored)
    assert not parts['compare']({'a': 1.0, 'photos': 10, 'new': 3}, stored)


def test_finds_the_hook_that_averages(parts):
    from mmengine.config import Config

    hooks = Config.fromfile(ROOT / parts['FINETUNE']).custom_hooks
    assert 'momentum' in hooks[parts['place_of_hook']('EMAHook')]


def test_counts_are_exact(parts):
    assert parts['tolerance']('photos, train') == 0
    assert parts['tolerance']('linear probe, mean SRCC within subsets: QPT') == 0.02
    assert parts['tolerance']('export in float16, largest change of 20 scores') == 0.002


def test_stored_numbers_have_tolerances(parts):
    stored = json.loads(parts['STORED'].read_text(encoding='utf-8'))
    for name, entry in stored.items():
        assert set(entry) == {'value', 'tolerance'}, name
        assert entry['tolerance'] == parts['tolerance'](name), name


def test_small_part_is_the_same_whatever_the_order_of_rows(parts, tmp_path):
    rows = [
        {'name': f'{i}.jpg', 'mos': i / 1000, 'official_split_clean': ('test', 'drop', 'train', 'train')[i % 4]}
        for i in range(1000)
    ]
    info = SetInfo('x', (0, 1), splits={'official_split_clean': 'clean'})
    chosen = []
    for folder, order in (('a', rows), ('b', rows[::-1])):
        write_set(tmp_path / folder / 'set.csv', info, order)
        parts['shorten'](tmp_path / folder / 'set.csv', tmp_path / folder)
        small = read_set(tmp_path / folder / 'small.csv')
        assert parts['parts'](tmp_path / folder / 'small.csv') == {'train': 320, 'test': 200, 'drop': 0}
        unlabelled = (tmp_path / folder / 'unlabelled.txt').read_text().split()
        assert not set(unlabelled) & {r.name for r in small.ratings if r.row['official_split_clean'] == 'test'}
        chosen.append(({r.name for r in small.ratings}, set(unlabelled)))
    assert chosen[0] == chosen[1]


def test_what_is_pretrained_fits_what_is_fine_tuned(parts):
    """Or the script stops in the middle, which no test of a run without BIQ2021 would see."""
    from mmpretrain.registry import MODELS

    from mmqpt.engine.config_options import read_with_options

    key, value = parts['ONE_BRANCH'].split('=')
    pretrained = MODELS.build(read_with_options(ROOT / parts['PRETRAIN']).model.backbone)
    tuned = MODELS.build(read_with_options(ROOT / parts['FINETUNE'], {key: int(value)}).model.backbone)
    tuned.load_state_dict(pretrained.state_dict())
