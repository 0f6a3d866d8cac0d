"""mmqpt prepare-dataset as a user runs it."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from mmqpt.datasets.rated.readers.table import SETS
from mmqpt.datasets.rated.sets import read_set
from mmqpt.datasets.rated.splits import partition

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tool(run_command):
    """Run the command: (exit code, standard output, standard error)."""

    def run(*args):
        done = run_command('prepare-dataset', *args)
        return done.returncode, done.out, done.err

    return run


@pytest.fixture
def kadid(tmp_path):
    """KADID-10k's layout: 6 references, 2 distortions of 2 levels each."""
    root = tmp_path / 'kadid10k'
    (root / 'images').mkdir(parents=True)
    lines = ['dist_img,ref_img,dmos,var']
    for ref in range(1, 7):
        Image.new('RGB', (8, 8)).save(root / 'images' / f'I0{ref}.png')
        for kind in (1, 25):
            for level in (1, 5):
                name = f'I0{ref}_{kind:02d}_0{level}.png'
                lines.append(f'{name},I0{ref}.png,{5 - level / 2 - ref / 10:.2f},0.5')
                Image.new('RGB', (8, 8), (ref, kind, level)).save(root / 'images' / name)
    (root / 'dmos.csv').write_text('\n'.join(lines))
    return root


@pytest.fixture
def scores(tmp_path):
    """A CSV of DMOS and its folder of ten photos, two a scene."""
    root = tmp_path / 'photos'
    root.mkdir()
    for i in range(10):
        Image.new('RGB', (8, 8)).save(root / f'{i}.png')
    path = tmp_path / 'scores.csv'
    path.write_text('name,dmos,scene\n' + ''.join(f'{i}.png,{i},s{i // 2}\n' for i in range(10)))
    return path


def test_a_complete_set(tool, kadid, monkeypatch, tmp_path):
    row = SETS['kadid10k']
    monkeypatch.setitem(SETS, 'kadid10k', type(row)(**{**vars(row), 'photos': 24}))
    code, out, err = tool('kadid10k', kadid, '--splits', 3)
    assert code == 0, err
    assert '24/24' in err  # the progress bar
    assert 'kadid10k: 24 labels' in out
    assert 'note: the column dmos of KADID-10k is a MOS' in out
    assert f'{tmp_path / "kadid10k.csv"}: 24 photos, MOS from 1 to 5\n' in out
    assert 'ratio802_seed123_split_01 to ratio802_seed123_split_03: random 80/20, seed 123, grouped by ref' in out
    data = read_set(tmp_path / 'kadid10k.csv')
    assert list(data.info.splits) == [f'ratio802_seed123_split_0{i}' for i in (1, 2, 3)]
    assert (data.info.group_column, data.info.subset_column, data.info.source) == ('ref', 'distortion', row.source)
    for column in data.info.splits:
        parts = partition(data, column, validation=0.2)
        assert parts.leaks == 0
        assert len(parts.test) == 4
    # Again: nothing is overwritten unless asked for, and then everything is the same.
    before = (tmp_path / 'kadid10k.csv').read_bytes()
    code, _, err = tool('kadid10k', kadid)
    assert code == 2
    assert 'kadid10k.csv exists already; --overwrite replaces it' in err
    assert tool('kadid10k', kadid, '--splits', 3, '--overwrite', '--workers', 1)[0] == 0
    assert (tmp_path / 'kadid10k.csv').read_bytes() == before


def test_an_incomplete_set(tool, kadid, tmp_path):
    out_file = tmp_path / 'out' / 'mine.csv'
    code, _, err = tool('kadid10k', kadid, '--out', out_file)
    assert code == 2
    assert 'KADID-10k has 10125 rated photos, but the labels list 24; is the download complete?' in err

    (kadid / 'images' / 'I01_01_01.png').unlink()
    (kadid / 'images' / 'I02_01_01.png').write_text('no photo')
    (kadid / 'images' / 'I03_01_01.png').rename(kadid / 'images' / 'i03_01_01.PNG')
    code, out, err = tool('kadid10k', kadid, '--out', out_file, '--allow-missing')
    assert code == 0, err
    assert 'warning: KADID-10k has 10125 rated photos' in out
    assert 'I01_01_01.png: missing\n' in err
    assert re.search(r'I02_01_01\.png: .*not an image', err)
    assert 'note: 1 names differ from their file in upper and lower case' in out
    assert 'warning: 1 photos are missing and 1 unreadable; they are left out and listed in' in out
    assert out_file.with_name('mine_left_out.txt').read_text().startswith('I01_01_01.png\tmissing\nI02_01_01.png\t')
    names = [rating.name for rating in read_set(out_file).ratings]
    assert len(names) == 22
    assert 'i03_01_01.PNG' in names


def test_missing_and_unreadable_photos_stop_it(tool, scores, tmp_path):
    (tmp_path / 'photos' / '3.png').unlink()
    (tmp_path / 'photos' / '4.png').write_bytes(b'')
    options = ['mine', tmp_path / 'photos', '--ann-file', scores, '--mos-range', 0, 9]
    code, _, err = tool(*options)
    assert code == 2
    assert '3.png: missing\n4.png: the file is empty\nerror: 1 photos are missing and 1 unreadable' in err
    assert not (tmp_path / 'mine.csv').exists()
    code, _, err = tool(*options, '--skip-decode')
    assert code == 2
    assert 'error: 1 photos are missing and 0 unreadable' in err


def test_your_own_set(tool, scores, tmp_path):
    code, out, err = tool(
        'mine', tmp_path / 'photos', '--ann-file', scores, '--mos-range', 0, 10, '--dmos', '--group-column', 'scene',
        '--splits', 2, '--seed', 7,
    )  # fmt: skip
    assert code == 0, err
    assert 'MOS from 0 to 10, turned from DMOS' in out
    data = read_set(tmp_path / 'mine.csv')
    assert data.info.original_score == 'DMOS'
    assert data.ratings[3].row | {'mos': '7', 'dmos': '3', 'scene': 's1'} == data.ratings[3].row
    assert dict(data.info.splits) == {
        f'ratio802_seed7_split_0{i}': 'random 80/20, seed 7, grouped by scene' for i in (1, 2)
    }


def test_meta_info_of_a_known_set_is_on_its_own_scale(tool, tmp_path):
    """pyiqa has KonIQ-10k's MOS from 0 to 100; and random splits that are kept and not drawn again."""
    (tmp_path / 'photos').mkdir()
    column = 'ratio802_seed123_split_01'
    lines = [f'img_name,mos,std,{column},official_split']
    for i, part in enumerate(['train', 'val', 'test', 'train']):
        Image.new('RGB', (8, 8)).save(tmp_path / 'photos' / f'{i}.jpg')
        lines.append(f'{i}.jpg,{77.3 + i},0.5,{"test" if i == 1 else "train"},{part}')
    path = tmp_path / 'meta_info_KonIQ10kDataset.csv'
    path.write_text('\n'.join(lines))
    options = ['koniq10k', tmp_path / 'photos', '--ann-file', path, '--allow-missing']
    code, _, err = tool(*options)
    assert code == 0, err
    info = read_set(tmp_path / 'koniq10k.csv').info
    assert info.mos_range == (0, 100)
    assert info.splits == {
        column: 'random, ratio 802, seed 123, of meta_info_KonIQ10kDataset.csv',
        'official_split': 'official, of meta_info_KonIQ10kDataset.csv',
    }
    code, _, err = tool(*options, '--overwrite', '--splits', 1)
    assert code == 2
    assert f"the labels have a column '{column}' already; take another --seed" in err
    assert tool(*options, '--overwrite', '--splits', 1, '--seed', 5)[0] == 0
    code, _, err = tool(*options, '--overwrite', '--mos-range', 1, 5)
    assert code == 2
    assert '4 of 4 scores are outside 1 to 5' in err


def test_a_part_of_biq2021(tool, tmp_path):
    root = tmp_path / 'biq2021'
    (root / 'images').mkdir(parents=True)
    lines = ['name,mos,subset,split,official_split,cluster,in_subset']
    for i in range(8):
        here = i < 6
        lines.append(f'ss01 ({i}).jpg,0.{i},ss01,{"test" if i % 3 == 0 else "train"},train,{i // 2},{here:d}')
        if here:
            Image.new('RGB', (8, 8)).save(root / 'images' / f'ss01 ({i}).jpg')
    (root / 'labels.csv').write_text('\n'.join(lines))
    code, out, err = tool('biq2021', root, '--allow-missing', '--splits', 0)
    assert code == 0, err
    assert 'note: 2 photos are missing, as the labels say (a part of the set)' in out
    assert not list(tmp_path.glob('*_left_out.txt'))
    info = json.loads((tmp_path / 'biq2021.json').read_text())
    assert info['group_column'] == 'cluster'
    assert info['splits']['split'].endswith('; only 6 of 8 photos')


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['kadid', '{root}'], "unknown set 'kadid'; there are: bid, clive, koniq10k, .*; your own needs --ann-file"),
        (['spaq', '{root}/none'], r'no such folder: .*none'),
        (['spaq', '{root}'], "looked for the file 'Annotations/MOS and Image attribute scores.xlsx' or .* and found "),
        (['mine', '{root}', '--ann-file', '{csv}'], "'mine' is not in the table of sets: give .* with --mos-range"),
        (['spaq', '{root}', '--layout', 'meta-info'], '--layout meta-info needs --ann-file'),
        (['spaq', '{root}', '--layout', 'original', '--ann-file', '{csv}'], '--ann-file is for --layout meta-info'),
        (['spaq', '{root}', '--ann-file', '{csv}', '--dmos'], '--dmos: the scores of SPAQ rise with quality'),
        (['mine', '{root}', '--ann-file', '{csv}', '--mos-range', '9', '0'], r'mos_range must be \(low, high\)'),
        (
            ['mine', '{root}', '--ann-file', '{csv}', '--mos-range', '0', '9', '--group-column', 'ref'],
            "--group-column: no column 'ref'; there are: name, score, scene",
        ),
        (['mine', '{root}', '--ann-file', '{csv}', '--mos-range', '0', '9', '--out', 'x.txt'], '--out must be a file'),
        (['mine', '{root}', '--ann-file', 'x.csv', '--mos-range', '0', '9'], r'no such CSV of scores: x\.csv'),
        (['mine', '{root}', '--ann-file', '{csv}', '--mos-range', '0', '9', '--splits', '-1'], 'count of splits must'),
    ],
)
def test_a_mistake_gets_one_sentence(tool, scores, tmp_path, args, message):
    names = {'root': tmp_path / 'photos', 'csv': scores}
    code, _, err = tool(*(arg.format(**names) for arg in args))
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last.startswith('error: ')
    assert re.search(message, last), last
    assert not (tmp_path / 'mine.csv').exists()
