"""tools/evaluate.py as a user runs it: each protocol to its report, and one sentence for each mistake."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPLIT = 'ratio604_seed0_split_01'
TINY = [
    '--validation', '0.3', '--replicates', '60', '--cfg-options', 'model.backbone.model_name=test_resnet',
    'model.view.min_side=64', 'model.view.max_side=128', 'model.input_size=64', 'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0',
    'train_dataloader.dataset.pipeline.1.crop=64', 'train_dataloader.dataset.pipeline.1.view.min_side=64',
    'train_dataloader.batch_size=4', 'train_cfg.max_epochs=2', 'param_scheduler.1.T_max=1',
]  # fmt: skip
FILES = {'results.json', 'results.csv', 'results.md', 'report.html'}


def call(monkeypatch, *args):
    """Run the tool in this process."""
    monkeypatch.setattr(sys, 'argv', ['evaluate.py', *map(str, args)])
    runpy.run_path(str(ROOT / 'tools' / 'evaluate.py'), run_name='__main__')


@pytest.fixture
def data(rated_set):
    return ['--ann-file', rated_set, '--data-root', rated_set.parent / 'images']


def results(out):
    assert {path.name for path in out.iterdir()} >= FILES
    return json.loads((out / 'results.json').read_text())


def test_probe_and_compare_with_a_pyiqa_metric(data, tmp_path, monkeypatch, capsys):
    weights = ['random', 'piqe=pyiqa:piqe']
    call(monkeypatch, 'compare', '--learner', 'probe', *data, '--weights', *weights, '--out', tmp_path, *TINY)
    found = results(tmp_path)
    assert found['protocol'] == 'compare, linear probe'
    assert [(c['method'], c['split'][-2:]) for c in found['cells']] == [
        ('random', '01'), ('random', '02'), ('piqe', '01'), ('piqe', '02')
    ]  # fmt: skip
    assert [c['labels'] for c in found['cells']] == [18, 18, 0, 0]
    assert all('RMSE' not in c['metrics'] for c in found['cells'] if c['method'] == 'piqe')
    verdicts = [c['verdict'] for c in found['comparisons'] if c['metric'] == 'SRCC' and not c['subset']]
    assert len(verdicts) == 1
    assert verdicts[0] in capsys.readouterr().out
    assert verdicts[0] in (tmp_path / 'report.html').read_text().replace('&#39;', "'")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'cells').iterdir()}
    call(monkeypatch, 'compare', '--learner', 'probe', *data, '--weights', *weights, '--out', tmp_path, *TINY)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'cells').iterdir() if path in before} == before
    assert '4 of 4 results are already in' in capsys.readouterr().out


def test_finetune_on_one_split(data, tmp_path, monkeypatch):
    call(monkeypatch, 'finetune', *data, '--splits', SPLIT, '--weights', 'random', '--out', tmp_path, *TINY)
    found = results(tmp_path)
    assert [c['split'] for c in found['cells']] == [SPLIT]
    assert found['splits'] == {SPLIT: 'random 60/40, seed 0, grouped by scene'}
    assert found['cells'][0]['chosen'] == {'epoch': found['cells'][0]['chosen']['epoch'], 'of epochs': 2}
    assert len(list((tmp_path / 'runs').glob('*/best*.pth'))) == 1


def test_label_efficiency(data, tmp_path, monkeypatch):
    options = [
        '--learner',
        'probe',
        '--fractions',
        '0.6',
        '1',
        '--max-splits',
        '1',
        '--weights',
        'random',
    ]
    call(monkeypatch, 'label-efficiency', *data, *options, 'pyiqa:piqe', '--out', tmp_path, *TINY)
    cells = results(tmp_path)['cells']
    assert [(c['method'], c['fraction']) for c in cells] == [
        ('random', 0.6), ('random', 1.0), ('pyiqa:piqe', 0.6), ('pyiqa:piqe', 1.0)
    ]  # fmt: skip
    assert cells[0]['labels'] < cells[1]['labels'] == 18
    assert any('label' in path.name for path in (tmp_path / 'plots').iterdir())


def test_cross_set_with_a_csv_of_ones_own(data, rated_csv, photo_folder, tmp_path, monkeypatch):
    own = tmp_path / 'own.csv'
    lines = rated_csv.read_text().splitlines()
    own.write_text('\n'.join([lines[0], *sorted({line.rsplit(',', 1)[0] + ',x' for line in lines[1:]})]) + '\n')
    to = ['--test-ann-file', own, '--test-data-root', photo_folder, '--repeats', '2']
    common = ['--learner', 'probe', '--weights', 'random', '--out', tmp_path / 'out']
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, 'cross-set', *data, *to, *common, *TINY)
    assert stop.value.code == 2  # says that own.json is missing
    (tmp_path / 'own.json').write_text('{"name": "own", "mos_range": [1, 5]}')
    call(monkeypatch, 'cross-set', *data, *to, *common, *TINY)
    found = results(tmp_path / 'out')
    assert found['title'] == 'tiny to own: cross-set'
    assert [c['test'] for c in found['cells']] == [6, 6]
    assert all('RMSE' not in c['metrics'] for c in found['cells'])


def test_report_joins_folders(data, tmp_path, monkeypatch):
    common = ['--splits', SPLIT, *data]
    call(monkeypatch, 'probe', *common, '--weights', 'A=random', '--out', tmp_path / 'a', *TINY)
    call(
        monkeypatch,
        'compare',
        '--learner',
        'probe',
        *common,
        '--weights',
        'B=pyiqa:piqe',
        '--out',
        tmp_path / 'b',
        *TINY,
    )
    call(monkeypatch, 'report', tmp_path / 'a', tmp_path / 'b', '--out', tmp_path / 'both', '--replicates', 60)
    found = results(tmp_path / 'both')
    assert [m['name'] for m in found['methods']] == ['A', 'B']
    assert [c['metric'] for c in found['comparisons'] if not c['subset']] == ['SRCC']  # another scale: no PLCC


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['probe', '--ann-file', 'none.csv'], 'no such file: none.json'),
        (['probe', '--ann-file', '{csv}', '--mos-range', '0', '1'], 'are for a CSV without it'),
        (['probe', '--splits', 'fold'], "no column 'fold'"),
        (['probe', '--splits', 'kind'], "does not name the protocol of column 'kind'"),
        (['probe', '--weights', 'nowhere.pth'], 'no such file of weights: nowhere.pth'),
        (['probe', '--weights', 'a=random', 'a=random'], 'two methods have one name'),
        (['finetune', '--weights', 'random+random'], 'features side by side are for the linear probe'),
        (['probe', '--data-root', 'nowhere'], 'no such folder of photos: nowhere'),
        (['compare', '--learner', 'probe', '--weights', 'pyiqa:psnr'], 'pyiqa:psnr needs a reference photo'),
        (['probe', '--config', 'none.py'], 'no such config: none.py'),
        (['probe', '--max-splits', '0'], '--max-splits must be >= 1, got 0'),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_a_mistake_gets_one_sentence(args, message, data, rated_set, tmp_path, monkeypatch, capsys):
    args = [str(rated_set) if arg == '{csv}' else arg for arg in args]
    defaults = {'--weights': ['random'], '--ann-file': [rated_set], '--data-root': [rated_set.parent / 'images']}
    for name, value in defaults.items():
        if name not in args:
            args += [name, *value]
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *args, '--out', tmp_path / 'out', *TINY)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_help_of_every_protocol():
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, str(ROOT / 'tools' / 'evaluate.py'), '--help']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    for name in ('probe', 'finetune', 'label-efficiency', 'cross-set', 'compare', 'report'):
        assert f'tools/evaluate.py {name}' in done.stdout
