"""mmqpt evaluate distortions as a user runs it: to its report, resumed, over checkpoints, with and without overlap."""

import json
import shutil
from argparse import Namespace

import pytest

from mmqpt.cli.evaluate_distortions import make_design, named_distortions
from mmqpt.evaluation.protocols.distortions import find_distortions

TINY = [
    '--side', '64', '--folds', '3', '--per-photo', '3', '--replicates', '60', '--distortions', 'gaussian_blur',
    'white_noise', 'jpeg', '--cfg-options',
]  # fmt: skip
NETWORK = ['model.backbone._delete_=True', 'model.backbone.type=TIMMBackbone', 'model.backbone.model_name=test_resnet']
FILES = {'results.json', 'results.csv', 'results.md', 'report.html'}


@pytest.fixture
def call(run_command, photo_folder, tmp_path):
    """Run the protocol on ``photo_folder`` in this process; it must succeed, or end with the given code."""

    def run(*args, code=0, weights=('random',), network=NETWORK):
        done = run_command(
            'evaluate', 'distortions', '--data-root', photo_folder, '--weights', *weights, '--out', tmp_path / 'out',
            *TINY, *network, *args,
        )  # fmt: skip
        assert done.returncode == code, done.err
        return done

    return run


def results(tmp_path):
    assert {path.name for path in (tmp_path / 'out').iterdir()} >= FILES
    return json.loads((tmp_path / 'out' / 'results.json').read_text())


@pytest.fixture
def trained(photo_folder, tmp_path):
    """A folder of training photos with a renamed copy of one of the photos, and a list of them beside it."""
    folder = tmp_path / 'trained'
    folder.mkdir()
    shutil.copy(photo_folder / 'coffee_0.jpg', folder / 'copy.jpg')
    (tmp_path / 'list.txt').write_text('copy.jpg\n')
    return folder


def test_another_network_than_the_config_has_is_told_how_to_be_named(call):
    done = call(code=2, network=['model.backbone.model_name=test_resnet'])
    hint = done.err.rstrip().rsplit('config has: ', 1)[1]
    call(network=hint.split())


def test_to_the_report_and_resumed_with_the_checkpoints_of_a_run(call, tmp_path, trained, pretrained_checkpoint):
    options = ['model.head.pooling=last', '--trained-on', tmp_path / 'list.txt']
    options += ['--trained-root', trained]
    done = call(*options)
    found = results(tmp_path)
    assert found['photos']['count'] == 6
    assert found['photos']['images'] == 6 * 16
    assert [d['photos'] for d in found['distortions']] == [6, 6, 6]
    assert found['command'].startswith('mmqpt evaluate distortions --data-root ')
    assert {row['measure'] for row in found['summary']} == {'level', 'level_each', 'type', 'order'}
    assert all(-1 <= row['value'] <= 1 for row in found['summary'])
    assert 'random: level SRCC' in done.out
    assert 'warning: 1 of 6 photos were trained on: 1 are among the training photos' in done.out
    assert found['overlap']['same'] == {'coffee_0.jpg': 'copy.jpg'}
    text = (tmp_path / 'out' / 'report.html').read_text()
    assert text.count('data:image/jpeg') == 3
    assert 'Warning: 1 of 6 photos' in text

    before = (tmp_path / 'out' / 'cells' / 'random.json').stat().st_mtime_ns
    weights = ['random', 'twice=random+random', f'run={pretrained_checkpoint.parent}']
    again = call(*options, weights=weights)
    assert '1 of 4 results are already in' in again.out
    assert (tmp_path / 'out' / 'cells' / 'random.json').stat().st_mtime_ns == before
    found = results(tmp_path)
    assert [(cell['encoder'], cell['run'], cell['step']) for cell in found['cells']] == [
        ('random', '', None), ('twice', '', None), ('run 2', 'run', 2), ('run 4', 'run', 4)
    ]  # fmt: skip
    one, two = (cell['features'] for cell in found['cells'][:2])
    assert two == 2 * one
    assert found['comparisons'][0]['b'] == 'random'
    assert found['runs'][0]['last'] == 'run 4'
    assert (tmp_path / 'out' / 'plots' / 'checkpoints_level.png').is_file()

    other = call(*options, '--seed', '1', code=2)
    assert 'was computed with other settings' in other.err


def test_photos_that_overlap_are_left_out(photo_folder, trained, tmp_path):
    args = Namespace(
        data_root=photo_folder, ann_file=None, photos=6, side=64, seed=0, workers=1, trained_on=trained,
        trained_root=None, drop_overlap=True, folds=3, per_photo=2,
    )  # fmt: skip
    design, overlap, notes = make_design(args, find_distortions(['jpeg', 'webp']), tmp_path / 'store')
    assert overlap.names == ['coffee_0.jpg']
    assert 'coffee_0.jpg' not in design.names
    assert len(design.names) == 5
    assert notes[0].startswith('1 photos were left out, since they are among the training photos')
    assert (tmp_path / 'store' / 'fingerprints_trained.npz').is_file()
    args.drop_overlap = False
    assert len(make_design(args, find_distortions(['jpeg', 'webp']), tmp_path / 'store')[0].names) == 6


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--side', '9'], '--side must be >= 32, got 9'),
        (['--drop-overlap'], '--trained-root and --drop-overlap go with --trained-on'),
        (['--folds', '7'], 'photos that are no near-duplicates of each other cannot make 7 folds'),
        (['--distortions', 'nothing', 'jpeg'], "unknown degradation operator 'nothing'"),
        (['--distortions', 'finetune_efficientnet-lite0_1xb16-coslr_csv'], 'not a config of pre-training'),
        (['--side', '300'], 'no photo can be used: 6 photos are smaller than 300 px'),
        (['--weights', 'nowhere.pth'], 'no such file of weights: nowhere.pth'),
        (['--ann-file', 'nowhere.txt'], 'no such list of photos: nowhere.txt'),
    ],
)
def test_mistakes_are_one_sentence(call, args, message):
    assert message in call(*args, code=2).err


def test_distortions_of_a_config():
    found = named_distortions(['qpt_resnet18_1xb32-coslr_folder', 'jpeg'])
    assert len(found) > 25
    assert len({d.name for d in found}) == len(found)
