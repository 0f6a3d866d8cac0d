"""The shipped options of pyiqa's trainer: they parse, their networks build, and one trains from end to end."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyiqa
import pytest
import torch
import yaml
from pyiqa.archs import build_network
from pyiqa.data import build_dataset
from pyiqa.utils.options import ordered_yaml

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.datasets.rated.readers.table import SETS
from mmqpt.metric.from_pyiqa import export_pyiqa

ROOT = Path(__file__).parent.parent.parent
ALL = sorted((ROOT / 'configs' / 'pyiqa').glob('*.yml'))
BIQ2021 = ROOT / 'configs' / 'pyiqa' / 'train_qpt_biq2021.yml'
NOT_OPTIONS = r'changed\.yml: not the options of a run of pyiqa'
TINY_VIEW = {'min_side': 48, 'max_side': 96, 'crop': None}


def load(path):
    """As pyiqa does."""
    with open(path, encoding='utf-8') as file:
        return yaml.load(file, Loader=ordered_yaml()[0])


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    """A file of kind backbone."""
    torch.manual_seed(0)
    net = create_timm_backbone('test_resnet', {})
    path = tmp_path_factory.mktemp('backbone') / 'backbone.safetensors'
    spec = WeightsSpec('backbone', 'test_resnet', (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    write_weights(path, {f'backbone.{key}': value for key, value in net.state_dict().items()}, spec)
    return path


@pytest.mark.parametrize('path', ALL, ids=[path.stem for path in ALL])
def test_every_file_of_options(path, backbone):
    text = path.read_text()
    assert f'configs/pyiqa/{path.name}' in text
    assert all(word in text for word in ('Batch:', 'Result:', 'design choice'))
    options = load(path)
    assert options['name'] == path.stem
    assert 'debug' not in options['name']
    train, val, network = options['datasets']['train'], options['datasets']['val'], options['network']
    assert tuple(train['mos_range']) == SETS[train['name']].mos_range
    for part in (train, val):
        assert part['mos_normalize']
        assert part['mos_range'] == network['mos_range']
    assert train['augment']['random_crop'] == network['view']['min_side']
    assert not any('fit_scale' in metric for metric in options['val']['metrics'].values())
    # the test part chooses nothing: either there is a part `val`, or the only validation comes after the last step
    assert options['val']['val_freq'] >= 10**9 if val.get('override_phase') == 'test' else val['split_index']
    assert all(isinstance(value, float) for key, value in options['train']['optim'].items() if key != 'type')
    network['backbone_path'] = str(backbone)
    net = build_network(network)
    assert net.spec.mos_range == tuple(train['mos_range'])
    assert net(torch.rand(2, 3, 32, 40)).shape == (2, 1)
    names = [name for name, _ in net.named_parameters()]
    assert {'backbone' in name for name in names} == {True, False}  # lr_backbone has both kinds to tell apart


def write_set(folder, photos):
    """24 photos of 64 x 72 px in pyiqa's format, with two random splits and a row in neither part."""
    (folder / 'photos').mkdir()
    import cv2

    rows = []
    for number in range(24):
        photo = np.ascontiguousarray(photos[number % 3][10 * number : 10 * number + 64, 100:172])
        blurred = cv2.GaussianBlur(photo, (0, 0), 0.3 + 0.15 * number)
        cv2.imwrite(str(folder / 'photos' / f'{number:02d}.png'), blurred[..., ::-1])
        parts = ['test' if (number + split) % 3 == 0 else 'train' for split in range(2)]
        rows.append([f'{number:02d}.png', 5 - number / 6, *parts])
    rows.append(['none.png', 3, 'drop', 'drop'])
    with open(folder / 'set.csv', 'w', newline='') as file:
        csv.writer(file).writerows([['name', 'mos', 'ratio802_seed123_split_01', 'ratio802_seed123_split_02'], *rows])


def tiny(folder, backbone):
    """The shipped options with a small set, a small network and few steps."""
    options = yaml.safe_load(BIQ2021.read_text())
    options |= {'name': 'tiny', 'num_gpu': 0, 'split_num': 2}
    options['save_final_results_path'] = str(folder / 'results' / 'tiny.txt')
    for part in options['datasets'].values():
        part |= {'name': 'tiny', 'mos_range': [1, 5], 'meta_info_file': str(folder / 'set.csv')}
        part['dataroot_target'] = str(folder / 'photos')
    train = options['datasets']['train']
    train['augment']['random_crop'] = 48
    train |= {'num_worker_per_gpu': 0, 'batch_size_per_gpu': 8}
    options['network'] |= {'backbone_path': str(backbone), 'view': dict(TINY_VIEW), 'mos_range': [1, 5]}
    options['network']['head']['hidden'] = 8
    options['train']['total_epoch'] = 2
    path = folder / 'tiny.yml'
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    return path


@pytest.fixture(scope='module')
def run(tmp_path_factory, photos, backbone):
    """A folder in which pyiqa trained on two splits."""
    folder = tmp_path_factory.mktemp('pyiqa')
    write_set(folder, photos)
    code = f'from pyiqa.train_nsplits import train_nsplits; train_nsplits({str(folder)!r})'
    command = [sys.executable, '-c', code, '-opt', str(tiny(folder, backbone))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_trains_two_splits(run):
    lines = (run / 'results' / 'tiny.txt').read_text().splitlines()
    assert lines[0].split('\t') == ['Val Datasets', 'Splits', 'srcc', 'plcc']
    assert [line.split('\t')[1] for line in lines[1:3]] == ['00', '01']
    # the last of 4 steps, 2 epochs with 16 photos in batches of 8; pyiqa counts one more when it stops
    assert all(line.endswith('@00005') for line in lines[1:3])
    (log,) = (run / 'experiments').glob('tiny_Split*/*.log')  # pyiqa writes all splits into the log of the first
    text = log.read_text()
    assert 'Number of train images: 16' in text
    assert 'Number of val images/folders in tiny: 8' in text
    assert 'mos_label is normalized from [1, 5], lower_better[False]' in text
    assert text.count('Validation tiny') == 2  # once a split, after its last step


def test_its_checkpoint_becomes_weights_of_ours(run, backbone):
    experiment = run / 'experiments' / 'tiny_Split01'
    out = run / 'qpt-tiny.safetensors'
    net = export_pyiqa(experiment / 'tiny.yml', experiment / 'models' / 'net_best.pth', out)
    _, spec = read_weights(out)
    assert (spec.kind, spec.dataset, spec.mos_range) == ('metric', 'tiny', (1, 5))
    assert spec.head == {'hidden': 8, 'dropout': 0.2, 'channels': 96}
    assert (spec.view['min_side'], spec.view['max_side']) == (48, 96)
    photo = run / 'photos' / '03.png'
    metric = pyiqa.create_metric('qpt', pretrained_model_path=str(out), device='cpu')
    score = metric(str(photo)).item()
    assert 0 < score < 1
    assert mmqpt.score(photo, weights=out, device='cpu') == pytest.approx(score, abs=1e-5)
    before, _ = read_weights(backbone)
    assert any(not torch.equal(value, before[f'backbone.{key}']) for key, value in net.backbone.named_parameters())


def test_scores_are_those_that_the_trainer_validated(run):
    """PLCC of the exported weights over the test part is the number in the file of results."""
    experiment = run / 'experiments' / 'tiny_Split00'
    net = export_pyiqa(experiment / 'tiny.yml', experiment / 'models' / 'net_best.pth', run / 'first.safetensors')
    options = yaml.safe_load((experiment / 'tiny.yml').read_text())['datasets']['val']
    part = build_dataset({**options, 'phase': 'val', 'split_index': 1})
    assert len(part) == 8
    with torch.no_grad():
        scores = [net(part[number]['img'][None]).item() for number in range(8)]
    mos = [part[number]['mos_label'].item() for number in range(8)]
    assert 0 <= min(mos) <= max(mos) <= 1
    reported = float((run / 'results' / 'tiny.txt').read_text().splitlines()[1].split('\t')[3])
    assert np.corrcoef(scores, mos)[0, 1] == pytest.approx(reported, abs=1e-4)


def test_trap_without_override_the_validation_part_is_empty(run):
    """Why the YAML of random splits says so."""
    options = yaml.safe_load((run / 'tiny.yml').read_text())['datasets']['val']
    del options['override_phase']
    assert len(build_dataset({**options, 'phase': 'val', 'split_index': 1})) == 0


def test_official_split_validates_on_its_part_val(tmp_path):
    (tmp_path / 'set.csv').write_text('name,mos,official_split\na,1,train\nb,2,val\nc,3,test\nd,5,train\n')
    datasets = load(ROOT / 'configs' / 'pyiqa' / 'train_qpt_koniq10k.yml')['datasets']
    found = {}
    for phase, options in datasets.items():
        part = build_dataset({**options, 'meta_info_file': tmp_path / 'set.csv', 'phase': phase})
        found[phase] = [(Path(path).name, mos) for path, mos in part.paths_mos]
    assert found == {'train': [('a', 0), ('d', 1)], 'val': [('b', 0.25)]}


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (lambda o: o['network'].update(type='CFANet'), 'network must be an MMQPT with a backbone_path, got CFANet'),
        (lambda o: o['datasets']['train'].update(mos_normalize=False), 'mos_normalize of datasets.train must be true'),
        (
            lambda o: o['network'].update(mos_range=[0, 1]),
            r'mos_range of network is \[0, 1\], of datasets.train \[1, 5\]',
        ),
        (lambda o: o['network']['head'].update(hidden=4), r'net_best\.pth: was not saved by this run of pyiqa'),
        (
            lambda o: o['network']['head'].update(hidden=4),
            r'run of pyiqa \(another network: size mismatch for head\.[^\n]*\)$',
        ),
        (lambda o: o.pop('datasets'), rf'{NOT_OPTIONS} \(datasets\.train is missing or empty\)$'),
        (lambda o: o['datasets'].update(train=None), rf'{NOT_OPTIONS} \(datasets\.train is missing or empty\)$'),
        (lambda o: o.update(network=[]), rf'{NOT_OPTIONS} \(network is missing or empty\)$'),
        (lambda o: o['network'].pop('type'), 'network must be an MMQPT with a backbone_path, got None'),
        (
            lambda o: o['datasets']['train'].pop('mos_range'),
            r'changed\.yml: mos_range of datasets\.train must be \[low, high\], got None$',
        ),
        (lambda o: o['datasets']['train'].update(mos_range=5), r'must be \[low, high\], got 5$'),
        (lambda o: o['network'].update(colour=1), r"changed\.yml: network: .*'colour'$"),
    ],
)
def test_other_options_are_refused(run, change, match, tmp_path):
    options = yaml.safe_load((run / 'tiny.yml').read_text())
    change(options)
    (tmp_path / 'changed.yml').write_text(yaml.safe_dump(options))
    best = run / 'experiments' / 'tiny_Split00' / 'models' / 'net_best.pth'
    with pytest.raises(InputError, match=match):
        export_pyiqa(tmp_path / 'changed.yml', best, tmp_path / 'x.safetensors')
    assert not (tmp_path / 'x.safetensors').exists()


class Code:
    def __reduce__(self):
        return print, ('run',)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ({'params': Code()}, 'damaged, or holds more than tensors'),
        (b'no checkpoint', 'damaged, or holds more than tensors'),
        (b'', 'damaged, or holds more than tensors'),
        ({'state_dict': {}}, "it has no tensors under 'params'"),
        ({'params': {'a': 'text'}}, "it has no tensors under 'params'"),
        ([1], "it has no tensors under 'params'"),
        ({'params': {'a': torch.zeros(1)}}, r'another network: Unexpected key.*'),
    ],
)
def test_other_checkpoints_get_one_sentence(run, tmp_path, content, reason, capsys):
    path = tmp_path / 'x.pth'
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=rf'x\.pth: was not saved by this run of pyiqa \({reason}\)$') as caught:
        export_pyiqa(run / 'tiny.yml', path, tmp_path / 'x.safetensors')
    assert 'weights_only' not in str(caught.value)
    assert '\n' not in str(caught.value)
    assert capsys.readouterr().out == ''


def test_missing_files(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file: none\.pth'):
        export_pyiqa(run / 'tiny.yml', 'none.pth', tmp_path / 'x.safetensors')
    with pytest.raises(InputError, match=r'set\.csv: not the options of a run of pyiqa'):
        export_pyiqa(run / 'set.csv', run / 'set.csv', tmp_path / 'x.safetensors')
