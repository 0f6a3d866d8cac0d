"""mmqpt pretext-check as a user runs it."""

import json

import pytest


@pytest.fixture
def config(tiny_pretrain, tmp_path):
    tiny_pretrain(tmp_path / 'run').dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'


def test_accuracies(run_command, config, pretrained_checkpoint, photo_folder, tmp_path):
    options = ('--data-root', photo_folder, '--photos', 4, '--out', tmp_path / 'check.json')
    done = run_command('pretext-check', config, pretrained_checkpoint, *options)
    assert done.returncode == 0, done.err
    found = json.loads((tmp_path / 'check.json').read_text())
    assert (found.pop('photos'), found.pop('chance')) == (4, pytest.approx(1 / 3))
    gains = found.pop('gain')
    assert set(found) == {'checkpoint', 'start'}
    assert set(found['checkpoint']) == set(found['start']) == {'different recipes', 'shared positions', 'same recipe'}
    for name, trained in found['checkpoint'].items():
        start = found['start'][name]
        assert 0 <= trained <= 1
        assert 0 <= start <= 1
        gain = gains[name]
        assert gain['value'] == pytest.approx(trained - start)
        interval = f'[{gain["low"]:+.3f}, {gain["high"]:+.3f}]'
        assert f'{name:18s} {trained:10.3f}  {start:5.3f}  {gain["value"]:+.3f} {interval}\n' in done.out
    assert ('can not be shown' in done.out) == (gains['different recipes']['low'] <= 0)


def test_a_checkpoint_of_fine_tuning_is_refused(run_command, config, finetuned_checkpoint, photo_folder):
    done = run_command('pretext-check', config, finetuned_checkpoint, '--data-root', photo_folder)
    assert done.returncode == 2
    assert done.err.splitlines()[-1].endswith('epoch_2.pth: not a checkpoint of pre-training')
