"""mmqpt evaluate as a user runs it: each protocol to its report, and one sentence for each mistake."""

import json

import pytest

SPLIT = 'ratio604_seed0_split_01'
TINY = [
    '--validation', '0.3', '--replicates', '60', '--cfg-options', 'model.backbone.model_name=test_resnet',
    'model.view.min_side=64', 'model.view.max_side=128', 'model.input_size=64',
]  # fmt: skip
SHORT = [
    '--cfg-options', 'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0',
    'train_dataloader.dataset.pipeline.1.crop=64', 'train_dataloader.dataset.pipeline.1.view.min_side=64',
    'train_dataloader.batch_size=4', 'train_cfg.max_epochs=2', 'param_scheduler.1.T_max=1',
]  # fmt: skip
FILES = {'results.json', 'results.csv', 'results.md', 'report.html'}


@pytest.fixture
def call(run_command):
    """Run the command in this process; it must succeed, or end with the given code."""

    def run(*args, code=0):
        done = run_command('evaluate', *args)
        assert done.returncode == code, done.err
        return done

    return run


@pytest.fixture
def data(rated_set):
    return ['--ann-file', rated_set, '--data-root', rated_set.parent / 'images']


def results(out):
    assert {path.name for path in out.iterdir()} >= FILES
    return json.loads((out / 'results.json').read_text())


@pytest.mark.parametrize(
    ('command', 'option', 'said'),
    [
        ('probe', 'train_cfg.max_epochs=3', 'has no effect here; the network is not trained'),
        ('probe', 'crop=96', 'nothing here is computed from crop'),
        ('probe', 'model.pretrained=None', 'has no effect here; give --weights'),
        ('finetune', 'data_root=elsewhere', 'nothing here is computed from data_root; give --data-root'),
        ('finetune', 'val_dataloader.dataset.holdout=0.3', 'has no effect here; give --validation'),
        ('finetune', 'train_cfg.max_epoch=3', "takes no 'max_epoch'; did you mean 'max_epochs'?"),
    ],
)
def test_options_that_a_protocol_does_not_read(call, data, tmp_path, command, option, said):
    done = call(command, *data, '--weights', 'random', '--out', tmp_path, '--cfg-options', option, code=2)
    assert said in done.err


@pytest.mark.parametrize(
    ('learner', 'weights', 'said'),
    [
        ('probe', 'qpt:resnet51', "no QPT encoder named 'resnet51' comes with mmqpt"),
        ('finetune', 'qpt:efficientnet_lite0_side', 'qpt:efficientnet_lite0_side: not the weights of this backbone'),
        ('probe', 'pyiqa:piqee', "pyiqa has no metric 'piqee'; did you mean 'piqe'?"),
        ('probe', 'pyiqa:psnr', 'pyiqa:psnr needs a reference photo'),
    ],
)
def test_all_weights_are_checked_before_the_first_task(call, data, tmp_path, learner, weights, said):
    """Those that do not fit stand last: nothing may have been computed until then."""
    more = SHORT if learner == 'finetune' else []
    done = call(
        'compare', '--learner', learner, *data, '--weights', 'random', weights, '--out', tmp_path, *TINY, *more, code=2
    )
    assert said in done.err
    assert not (tmp_path / 'cells').exists()


def test_probe_and_compare_with_a_pyiqa_metric(call, data, tmp_path):
    weights = ['random', 'piqe=pyiqa:piqe']
    done = call('compare', '--learner', 'probe', *data, '--weights', *weights, '--out', tmp_path, *TINY)
    found = results(tmp_path)
    assert found['protocol'] == 'compare, linear probe'
    assert found['command'].startswith('mmqpt evaluate compare --learner probe --ann-file ')
    assert [(c['method'], c['split'][-2:]) for c in found['cells']] == [
        ('random', '01'), ('random', '02'), ('piqe', '01'), ('piqe', '02')
    ]  # fmt: skip
    assert [c['labels'] for c in found['cells']] == [18, 18, 0, 0]
    assert all('RMSE' not in c['metrics'] for c in found['cells'] if c['method'] == 'piqe')
    verdicts = [c['verdict'] for c in found['comparisons'] if c['metric'] == 'SRCC' and not c['subset']]
    assert len(verdicts) == 1
    assert verdicts[0] in done.out
    assert verdicts[0] in (tmp_path / 'report.html').read_text().replace('&#39;', "'")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'cells').iterdir()}
    again = call('compare', '--learner', 'probe', *data, '--weights', *weights, '--out', tmp_path, *TINY)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'cells').iterdir() if path in before} == before
    assert '4 of 4 results are already in' in again.out


def test_finetune_on_one_split(call, data, tmp_path):
    call('finetune', *data, '--splits', SPLIT, '--weights', 'random', '--out', tmp_path, *TINY, *SHORT)
    found = results(tmp_path)
    assert [c['split'] for c in found['cells']] == [SPLIT]
    assert found['splits'] == {SPLIT: 'random 60/40, seed 0, grouped by scene'}
    assert found['cells'][0]['chosen'] == {'epoch': found['cells'][0]['chosen']['epoch'], 'of epochs': 2}
    assert len(list((tmp_path / 'runs').glob('*/best*.pth'))) == 1


def test_label_efficiency(call, data, tmp_path):
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
    call('label-efficiency', *data, *options, 'pyiqa:piqe', '--out', tmp_path, *TINY)
    cells = results(tmp_path)['cells']
    assert [(c['method'], c['fraction']) for c in cells] == [
        ('random', 0.6), ('random', 1.0), ('pyiqa:piqe', 0.6), ('pyiqa:piqe', 1.0)
    ]  # fmt: skip
    assert cells[0]['labels'] < cells[1]['labels'] == 18
    assert any('label' in path.name for path in (tmp_path / 'plots').iterdir())


def test_cross_set_with_a_csv_of_ones_own(call, data, rated_csv, photo_folder, tmp_path):
    own = tmp_path / 'own.csv'
    lines = rated_csv.read_text().splitlines()[:7]
    own.write_text('\n'.join([lines[0], *sorted({line.rsplit(',', 1)[0] + ',x' for line in lines[1:]})]) + '\n')
    to = ['--test-ann-file', own, '--test-data-root', photo_folder, '--repeats', '2']
    common = ['--learner', 'probe', '--weights', 'random', '--out', tmp_path / 'out']
    call('cross-set', *data, *to, *common, *TINY, code=2)  # says that own.json is missing
    (tmp_path / 'own.json').write_text('{"name": "own", "mos_range": [1, 5]}')
    call('cross-set', *data, *to, *common, *TINY)
    found = results(tmp_path / 'out')
    assert found['title'] == 'tiny to own: cross-set'
    assert [c['test'] for c in found['cells']] == [6, 6]
    assert all('RMSE' not in c['metrics'] for c in found['cells'])


def test_report_joins_folders(call, data, tmp_path):
    common = ['--splits', SPLIT, *data]
    call('probe', *common, '--weights', 'A=random', '--out', tmp_path / 'a', *TINY)
    call(
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
    call('report', tmp_path / 'a', tmp_path / 'b', '--out', tmp_path / 'both', '--replicates', 60)
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
def test_a_mistake_gets_one_sentence(call, args, message, data, rated_set, tmp_path):
    args = [str(rated_set) if arg == '{csv}' else arg for arg in args]
    defaults = {'--weights': ['random'], '--ann-file': [rated_set], '--data-root': [rated_set.parent / 'images']}
    for name, value in defaults.items():
        if name not in args:
            args += [name, *value]
    done = call(*args, '--out', tmp_path / 'out', *TINY, code=2)
    assert message in done.err.strip().splitlines()[-1]


def test_help_of_every_protocol(call):
    text = call('--help').out
    for name in ('probe', 'finetune', 'label-efficiency', 'cross-set', 'compare', 'report'):
        assert f'mmqpt evaluate {name}' in text
        assert 'usage: mmqpt evaluate ' + name in call(name, '--help').out


def test_ctrl_c_says_what_is_kept(call, monkeypatch):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr('mmqpt.cli.evaluate_run.join', interrupt)
    assert 'stopped; what is done is kept' in call('report', 'x', '--out', 'y', code=130).err
