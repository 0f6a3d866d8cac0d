"""``mmqpt score``: inputs, output, files, resuming, mistakes."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmqpt.metric.open import Scorer


@pytest.fixture
def folder(photo_folder, tmp_path):
    """``in`` with a.jpg, b.jpg and two files that do not count, ``in/sub`` with c.jpg, ``in/sub/deep`` with d.jpg."""
    names = ['in/a.jpg', 'in/b.jpg', 'in/sub/c.jpg', 'in/sub/deep/d.jpg']
    for name, path in zip(names, sorted(photo_folder.iterdir()), strict=False):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / name)
    (tmp_path / 'in/notes.txt').write_text('x')
    (tmp_path / 'in/.hidden.jpg').write_text('x')
    return tmp_path / 'in'


def lines(result):
    return [line.split('\t')[1] for line in result.stdout.splitlines()]


def test_lines_hold_the_scores_of_single_photos(mmqpt, folder, metric_weights):
    result = mmqpt('score', 'in', '-r', '--weights', metric_weights)
    assert result.exit_code == 0, result.stderr
    scorer = Scorer(metric_weights, 'cpu')
    names = ['in/a.jpg', 'in/b.jpg', 'in/sub/c.jpg', 'in/sub/deep/d.jpg']
    assert result.stdout == ''.join(f'{scorer.score(name):.6f}\t{name}\n' for name in names)
    assert '4 scored, 0 failed' in result.stderr
    assert 'images/s' in result.stderr


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        (['in'], ['in/a.jpg', 'in/b.jpg']),
        (['in/sub/c.jpg'], ['in/sub/c.jpg']),
        (['in/b.jpg', 'in'], ['in/b.jpg', 'in/a.jpg']),
        (['in/*.jpg'], ['in/a.jpg', 'in/b.jpg']),
        (['in/**/*.jpg'], ['in/a.jpg', 'in/b.jpg', 'in/sub/c.jpg', 'in/sub/deep/d.jpg']),
        (['in/[b-z].jpg', './in/b.jpg', 'in/../in/b.jpg'], ['in/b.jpg']),
    ],
)
def test_files_folders_and_patterns(mmqpt, folder, args, expected):
    result = mmqpt('score', *args)
    assert result.exit_code == 0, result.stderr
    assert lines(result) == expected


def test_a_list_on_standard_input(mmqpt, folder):
    assert lines(mmqpt('score', '-', stdin=b'in/b.jpg\n\nin/a.jpg\r\nin/b.jpg')) == ['in/b.jpg', 'in/a.jpg']
    (folder / 'two\nlines.jpg').write_bytes((folder / 'a.jpg').read_bytes())
    result = mmqpt('score', '-0', '-', stdin=b'in/two\nlines.jpg\0in/b.jpg\0')
    assert [record.split('\t')[1] for record in result.stdout.split('\0')[:-1]] == ['in/two\nlines.jpg', 'in/b.jpg']
    assert mmqpt('score', '-', stdin=b'\n').exit_code == 2


@pytest.mark.parametrize('kind', ['csv', 'json', 'parquet'])
def test_files_hold_every_photo_and_bad_ones_with_a_reason(mmqpt, folder, kind):
    (folder / 'b.jpg').write_bytes((folder / 'b.jpg').read_bytes()[:2000])
    result = mmqpt('score', 'in', 'in/none.jpg', f'--{kind}', 'out.x')
    assert result.exit_code == 1
    assert result.stdout == ''
    assert [line.split(':')[0] for line in result.stderr.splitlines()[:2]] == ['in/b.jpg', 'no such photo']
    assert '1 scored, 2 failed' in result.stderr
    assert sorted(p.name for p in folder.parent.iterdir() if p.name.startswith('out')) == ['out.x', 'out.x.meta.json']
    read = {
        'csv': lambda path: pd.read_csv(path, float_precision='round_trip'),
        'json': lambda path: pd.read_json(path, lines=True, precise_float=True),
        'parquet': pd.read_parquet,
    }
    table = read[kind]('out.x')
    assert list(table.columns) == ['path', 'score', 'error', 'flags']
    assert table.path.tolist() == ['in/a.jpg', 'in/b.jpg', 'in/none.jpg']
    assert table.score.isna().tolist() == table.error.notna().tolist() == [False, True, True]
    assert table.score[0] == Scorer(device='cpu').score('in/a.jpg')  # all digits
    meta = json.loads((folder.parent / 'out.x.meta.json').read_text())
    assert len(meta['weights_sha256']) == 64
    assert meta['view'] == Scorer(device='cpu').view.as_dict()


NAMES = ['plain.jpg', 'a,b "c".jpg', 'two\nlines\r.jpg', 'Grüße 写真\u2028.jpg', "'=1+1.jpg", ' lead.jpg', '-r.jpg']


@pytest.mark.parametrize('kind', ['csv', 'json', 'parquet'])
def test_odd_names_come_back_and_are_resumed(mmqpt, photo_folder, tmp_path, kind):
    data = sorted(photo_folder.iterdir())[0].read_bytes()
    (tmp_path / 'odd').mkdir()
    for name in NAMES:
        (tmp_path / 'odd' / name).write_bytes(data)
    (tmp_path / 'odd' / os.fsdecode(b'\xff.jpg')).write_bytes(data)
    result = mmqpt('score', 'odd', f'--{kind}', 'out.x')
    assert result.exit_code == 1
    assert r'odd/\xff.jpg: the name is not UTF-8' in result.stderr
    assert '7 scored, 1 failed' in result.stderr
    from mmqpt.cli.results import read_rows

    assert sorted(row.name for row in read_rows('out.x', kind)) == sorted(f'odd/{name}' for name in NAMES)
    again = mmqpt('score', 'odd', f'--{kind}', 'out.x', '--resume')
    assert '0 scored, 1 failed' in again.stderr
    assert '7 were in out.x' in again.stderr
    assert len(read_rows('out.x', kind)) == 7
    result = mmqpt('score', 'odd')  # lines can hold any name
    assert result.exit_code == 0
    assert b'odd/\xff.jpg\n' in result.stdout_bytes


@pytest.mark.parametrize('kind', ['csv', 'json', 'parquet'])
def test_resume_tries_failed_photos_again_and_drops_a_cut_row(mmqpt, folder, kind):
    good = (folder / 'b.jpg').read_bytes()
    (folder / 'b.jpg').write_bytes(b'bad')
    assert mmqpt('score', 'in', f'--{kind}', 'out.x').exit_code == 1
    (folder / 'b.jpg').write_bytes(good)
    tail = {
        'csv': b'"in/sub/c.jpg",0.12',
        'json': b'{"path": "in/su',
        'parquet': b'{"path": "in/sub/c.jpg", "score": 0.4',
    }
    with open('out.x.partial.jsonl' if kind == 'parquet' else 'out.x', 'ab') as file:
        file.write(tail[kind])
    result = mmqpt('score', 'in', '-r', f'--{kind}', 'out.x', '--resume')
    assert result.exit_code == 0, result.stderr
    assert '3 scored, 0 failed' in result.stderr
    from mmqpt.cli.results import read_rows

    rows = {row.name: row.score for row in read_rows('out.x', kind)}
    scorer = Scorer(device='cpu')
    assert rows == {name: scorer.score(name) for name in ('in/a.jpg', 'in/b.jpg', 'in/sub/c.jpg', 'in/sub/deep/d.jpg')}
    assert not os.path.exists('out.x.partial.jsonl')


def test_resume_is_refused_where_scores_or_paths_mean_something_else(
    mmqpt, folder, tmp_path, monkeypatch, metric_weights
):
    from safetensors.torch import load_file

    from mmqpt.core.weights_file import read_weights, write_weights

    assert mmqpt('score', 'in', '--csv', 'out.csv').exit_code == 0
    before = (tmp_path / 'out.csv').read_bytes()
    tensors = load_file(metric_weights)
    tensors[next(iter(tensors))] += 1
    write_weights(tmp_path / 'other.safetensors', tensors, read_weights(metric_weights)[1])

    def refused(*args, said):
        result = mmqpt('score', *args)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count('\n') == 1
        assert (tmp_path / 'out.csv').read_bytes() == before

    refused('in', '--csv', 'out.csv', said='out.csv exists: add to it with --resume')
    refused('in', '--csv', 'out.csv', '--resume', '--weights', 'other.safetensors', said='made with another weights')
    refused('in', '--json', 'out.csv', '--resume', said='a file that ends with .csv is written by --csv')
    meta = json.loads((tmp_path / 'out.csv.meta.json').read_text())
    for changes, said in (
        ({'view': {**meta['view'], 'min_side': 7}}, 'another size rule'),
        ({'folder': '/elsewhere'}, 'begun in /elsewhere, where relative paths mean other photos'),
    ):
        (tmp_path / 'out.csv.meta.json').write_text(json.dumps({**meta, **changes}))
        refused('in', '--csv', 'out.csv', '--resume', said=said)
    (tmp_path / 'out.csv.meta.json').unlink()
    refused('in', '--csv', 'out.csv', '--resume', said='out.csv.meta.json is missing')
    assert mmqpt('score', 'in/b.jpg', '--csv', 'out.csv', '--overwrite').exit_code == 0
    assert pd.read_csv('out.csv').path.tolist() == ['in/b.jpg']


def test_what_is_printed_beside_a_file(mmqpt, folder):
    everything = mmqpt('score', 'in', '-r')
    found = sorted(((float(x.split('\t')[0]), x.split('\t')[1]) for x in everything.stdout.splitlines()), reverse=True)
    names = [name for _, name in found]
    assert lines(mmqpt('score', 'in', '-r', '--top', 2)) == names[:2]
    assert lines(mmqpt('score', 'in', '-r', '--top', 1, '--bottom', 2)) == [names[0], names[3], names[2]]
    middle = np.mean([found[1][0], found[2][0]])
    assert sorted(lines(mmqpt('score', 'in', '-r', '--below', middle))) == sorted(names[2:])
    assert sorted(lines(mmqpt('score', 'in', '-r', '--above', middle))) == sorted(names[:2])
    assert lines(mmqpt('score', 'in', '-r', '--below', middle, '--top', 1)) == [names[2]]
    result = mmqpt('score', 'in', '-r', '--csv', 'out.csv', '--top', 1)
    assert lines(result) == names[:1]
    assert len(pd.read_csv('out.csv')) == 4
    again = mmqpt('score', 'in', '-r', '--csv', 'out.csv', '--resume', '--top', 1)  # counts what was there
    assert again.stdout == result.stdout


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        ([], 'Missing argument'),
        (['in/x*.jpg'], "no file matches 'in/x*.jpg'"),
        (['empty'], '-r looks into its subfolders'),
        (['empty', '-r'], 'no photos in this folder'),
        (['in', '--bogus'], '--bogus'),
        (['in', '--batch', '0'], '--batch'),
        (['in', '--top', '0'], '--top'),
        (['in', '--resume'], '--resume needs --csv'),
        (['in', '--csv', 'a', '--json', 'b'], 'give one of --csv'),
        (['in', '--csv', '-'], '--csv - names no file; without it scores are printed, --ndjson as JSON lines'),
        (['in', '--csv', 'a', '--resume', '--overwrite'], 'not both'),
        (['in', '--below', '0.2', '--above', '0.5'], 'no score is above 0.5 and below 0.2'),
        (['in', '--weights', 'none.safetensors'], 'none.safetensors'),
        (['in', '--weights', 'qpt-none'], 'qpt-none'),
        (['in', '--device', 'tpu9'], 'tpu9'),
        (['in', '--csv', 'no/such/out.csv'], 'no/such/out.csv'),
        (['in', '--csv', ''], '--csv needs the name of a file'),
        (['in', '--csv', '', '--overwrite'], '--csv needs the name of a file'),
        (['in', '--csv', '', '--json', 'a'], 'give one of --csv'),
        (['in', '--csv', 'a.Parquet'], '--csv a.Parquet: a file that ends with .Parquet is written by --parquet'),
        (['in', '--parquet', 'a.ndjson'], 'is written by --json'),
        (['in', '--csv', 'in', '--overwrite'], 'in: exists and is no regular file'),
        (['in/notes.txt', '--csv', 'in/notes.txt'], 'in/notes.txt is one of the photos'),
        (['in/notes.txt', '--csv', 'in/notes.txt', '--overwrite'], 'in/notes.txt is one of the photos'),
        (['in/none', '--csv', './in/none'], 'in/none is one of the photos'),
    ],
)
def test_mistakes_end_with_one_sentence(mmqpt, folder, tmp_path, args, said):
    (tmp_path / 'empty').mkdir()
    result = mmqpt('score', *args)
    assert result.exit_code == 2
    assert result.stdout == ''
    assert result.stderr.startswith('error: ')
    assert result.stderr.count('\n') == 1
    assert said in result.stderr
    assert not (tmp_path / 'a').exists()


def test_batches_and_workers_give_the_same_scores(mmqpt, folder):
    Image.open(folder / 'a.jpg').resize((90, 70)).save(folder / 'b.jpg')
    base = mmqpt('score', 'in', '-r').stdout
    assert mmqpt('score', 'in', '-r', '--workers', 3).stdout == base
    assert lines(mmqpt('score', 'in', '-r', '--batch', 2, '--no-progress'))[-1] == 'in/sub/deep/d.jpg'


@pytest.mark.parametrize('kind', ['csv', 'json', 'parquet'])
def test_a_link_to_a_file_stays_and_the_file_itself_is_written(mmqpt, folder, tmp_path, kind):
    from mmqpt.cli.results import read_scores

    (tmp_path / 'sub').mkdir()
    name = f'out.{kind}'
    (tmp_path / name).symlink_to(f'sub/{name}')
    for more in ([], ['--resume'], ['--overwrite']):
        assert mmqpt('score', 'in', f'--{kind}', name, *more).exit_code == 0
        assert (tmp_path / name).is_symlink()
        assert sorted(os.listdir('sub')) == [name, f'{name}.meta.json']
        rows, meta = read_scores(name)
        assert [row.name for row in rows] == ['in/a.jpg', 'in/b.jpg']
        assert meta['kind'] == kind
    assert mmqpt('score', 'in', f'--{kind}', name).exit_code == 2


def test_what_is_no_file_is_never_replaced(mmqpt, folder, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    os.mkfifo(tmp_path / 'y.meta.json')
    (tmp_path / 'link').symlink_to('pipe')
    for name in ('pipe', 'link', 'y', '/dev/null'):
        for more in ('--overwrite', '--resume'):
            result = mmqpt('score', 'in', '--csv', name, more)
            assert result.exit_code == 2
            assert 'exists and is no regular file' in result.stderr
    assert sorted(os.listdir(tmp_path)) == ['in', 'link', 'pipe', 'y.meta.json']


def test_a_photo_is_never_replaced(mmqpt, folder, tmp_path):
    before = (folder / 'a.jpg').read_bytes()
    (tmp_path / 'link').symlink_to('in/a.jpg')
    os.link(folder / 'a.jpg', tmp_path / 'hard')
    for name in ('in/a.jpg', 'link', 'hard'):
        for more in ('--overwrite', '--resume'):
            result = mmqpt('score', 'in', '--csv', name, more)
            assert result.exit_code == 2
            assert 'in/a.jpg is one of the photos' in result.stderr
    assert (folder / 'a.jpg').read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ['hard', 'in', 'link']


def test_resume_under_another_format_is_refused(mmqpt, folder):
    assert mmqpt('score', 'in', '--csv', 'out.x').exit_code == 0
    result = mmqpt('score', 'in', '--json', 'out.x', '--resume')
    assert result.exit_code == 2
    assert 'made with another format: csv' in result.stderr


def test_lines_of_a_resumed_run_are_in_the_order_of_the_input(mmqpt, folder):
    assert mmqpt('score', 'in/b.jpg', 'in/sub/deep/d.jpg', '--csv', 'out.csv').exit_code == 0
    (folder / 'sub' / 'c.jpg').write_text('bad')
    for more in ([], [], ['in/none.jpg']):  # the second time nothing but the bad one is left
        result = mmqpt('score', 'in', '-r', *more, '--csv', 'out.csv', '--resume', '--above', 0)
        assert result.exit_code == 1
        assert lines(result) == ['in/a.jpg', 'in/b.jpg', 'in/sub/deep/d.jpg']


@pytest.mark.parametrize('more', [[], ['--batch', 2]])
@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_errors(mmqpt, folder, monkeypatch, more, bad):
    monkeypatch.setattr(
        'mmqpt.metric.torch_scorer.TorchScorer.score_batch', lambda self, batch: np.full(len(batch), bad)
    )
    result = mmqpt('score', 'in', '--csv', 'out.csv', '--above', -1, *more)
    assert result.exit_code == 1
    assert result.stdout == ''
    assert '0 scored, 2 failed' in result.stderr
    assert [line.split(':')[0] for line in result.stderr.splitlines()[:2]] == ['in/a.jpg', 'in/b.jpg']
    table = pd.read_csv('out.csv')
    assert table.score.isna().all()
    assert table.error.str.contains('finite').all()


@pytest.mark.parametrize(
    ('args', 'threads'),
    [
        (['score', 'in'], 1),
        (['score', 'in', '--batch', 1], 1),
        (['score', 'in', '--batch', 2], None),
        (['report', 'in', '--batch', 2], None),
        (['map', 'in/a.jpg'], None),
    ],
)
def test_onnxruntime_has_all_threads_where_one_thread_scores(mmqpt, folder, tmp_path, monkeypatch, args, threads):
    given = []

    def scorer(path, device, threads, runtime=None):
        given.append(threads)
        return Scorer(device='cpu')

    monkeypatch.setattr('mmqpt.metric.open.open_scorer', scorer)
    (tmp_path / 'x.onnx').write_text('x')
    assert mmqpt(*args, '--weights', 'x.onnx').exit_code == 0
    assert given == [threads]


@pytest.mark.parametrize('more', [[], ['--batch', 2]])
def test_flags_are_written_and_counted(mmqpt, folder, tmp_path, more):
    Image.new('RGB', (120, 110)).save(tmp_path / 'in' / 'black.png')
    result = mmqpt('score', 'in', '--csv', 'x.csv', *more)
    assert 'flagged: ' in result.stderr
    assert '1 blank' in result.stderr
    with (tmp_path / 'x.csv').open(newline='') as file:
        rows = {row['path']: row['flags'] for row in csv.DictReader(file)}
    assert rows['in/black.png'] == 'blank; nearly black'
    assert 'blank' not in rows[next(name for name in rows if 'black' not in name)]


def test_a_single_photo_with_a_flag_is_named_as_such(mmqpt, tmp_path):
    Image.new('RGB', (512, 384)).save(tmp_path / 'black.png')
    result = mmqpt('score', 'black.png')
    assert result.stderr.rstrip().endswith('; flagged: 1 blank, 1 nearly black')


def test_files_without_flags_are_resumed(mmqpt, folder, tmp_path):
    """As older versions wrote them."""
    mmqpt('score', 'in', '--csv', 'x.csv')
    lines = (tmp_path / 'x.csv').read_text().splitlines()
    old = [line.rsplit(',', 1)[0] for line in lines]
    (tmp_path / 'x.csv').write_text('\n'.join(old) + '\n')
    result = mmqpt('score', 'in', '--csv', 'x.csv', '--resume')
    assert result.exit_code == 0 or 'failed' in result.stderr
    assert sorted((tmp_path / 'x.csv').read_text().splitlines()) == sorted(lines)


def test_files_that_are_no_photos_are_counted_by_kind(mmqpt, folder):
    for name in ('x.cr2', 'y.CR2', 'clip.mp4', 'README', '.hidden.xmp', 'sub/z.nef'):
        (folder / name).write_text('x')
    result = mmqpt('score', 'in')
    assert result.exit_code == 0
    assert '; not photos: 2 .cr2, 1 ' in result.stderr
    assert '1 .mp4' in result.stderr
    assert '1 without an ending' in result.stderr
    assert '.nef' not in result.stderr
    assert '1 .txt' in result.stderr
    assert '.xmp' not in result.stderr
    assert '1 .nef' in mmqpt('score', 'in', '-r').stderr
    assert 'not photos' not in mmqpt('score', 'in/a.jpg', 'in/b.jpg').stderr


def test_what_the_file_system_refuses_ends_nothing(mmqpt, folder, monkeypatch):
    """A locked folder and a dead link are failures of their own; loops end; a linked photo is scored once."""
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == 'locked':
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr('mmqpt.core.photo_search.os.scandir', refuse)
    (folder / 'locked').mkdir()
    (folder / 'dead.jpg').symlink_to('gone.jpg')
    (folder / 'loop').symlink_to('.')
    (folder / 'again.jpg').symlink_to('a.jpg')
    result = mmqpt('score', 'in', '-r')
    assert result.exit_code == 1
    assert "in/locked: this folder can't be searched (Permission denied)" in result.stderr
    assert 'no such photo: in/dead.jpg' in result.stderr
    assert '1 folder linked a second time' in result.stderr
    assert '1 photo linked a second time' in result.stderr
    assert [line.split('\t')[1] for line in result.stdout.splitlines()][:2] == ['in/a.jpg', 'in/b.jpg']
    pattern = mmqpt('score', 'in/**/a.jpg')
    assert [line.split('\t')[1] for line in pattern.stdout.splitlines()] == ['in/a.jpg']
    alone = mmqpt('score', 'in/locked')
    assert alone.exit_code == 2
    assert "error: no photos were named; in/locked: this folder can't be searched" in alone.stderr
    assert mmqpt('score', 'in/locked', 'in/a.jpg').exit_code == 1


def test_ndjson_is_a_name_of_json(mmqpt, folder):
    assert mmqpt('score', 'in', '--ndjson', 'x.ndjson').exit_code == 0
    assert [json.loads(line)['path'] for line in Path('x.ndjson').read_text().splitlines()] == ['in/a.jpg', 'in/b.jpg']
