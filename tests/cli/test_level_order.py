"""mmqpt level-order"""

import json
import re

import pytest


def test_table_and_json(run_command, metric_weights, photo_folder, tmp_path):
    out = tmp_path / 'order.json'
    options = ('--photos', 2, '--operators', 'gaussian_blur', 'brightness', '--device', 'cpu')
    done = run_command('level-order', photo_folder, '--weights', metric_weights, '--out', out, *options)
    assert done.returncode == 0
    assert re.match(r'2 photos; [\d.]+% \[[\d.]+%, [\d.]+%\] of all pairs of levels are in order; at least', done.out)
    assert 'of 3 operators and directions' in done.out
    for name in ('gaussian_blur', 'brightness +', 'brightness -'):
        assert f'| {name} | ' in done.out
    found = json.loads(out.read_text())
    assert len(found['photos']) == 2
    assert [row['operator'] for row in found['operators']] == ['gaussian_blur', 'brightness', 'brightness']
    assert all(len(row['drop']) == 5 for row in found['operators'])
    for row in found['operators']:
        assert row['ordered'] == pytest.approx(sum(row['by_photo']) / 2)

    again = run_command('level-order', photo_folder, '--weights', metric_weights, '--than', out, *options)
    assert f'less {out}: +0.0 [+0.0, +0.0] points of a hundred' in again.out
    card = run_command('model-card', metric_weights, '--order', out)
    assert re.search(r'% \[\d+%, \d+%; 95 % interval over photos\] of the pairs', card.out.replace('\n', ' '))
    other = run_command('level-order', photo_folder, '--weights', metric_weights, '--than', out, *options, '--seed', 1)
    assert other.returncode == 2
    assert 'is not of the same photos, operators and seed' in other.err
    out.write_text(json.dumps({**found, 'operators': [{'operator': 'gaussian_blur'}]}))
    assert (
        'order.json: not what mmqpt writes'
        in run_command('level-order', photo_folder, '--weights', metric_weights, '--than', out, *options).err
    )
    assert all(frame['lowest'] <= frame['highest'] for frame in found['blank_frames'].values())
    assert 'Frames without a picture: black 0.' in done.out


def test_another_metric(run_command, photo_folder):
    options = ('--photos', 1, '--operators', 'gaussian_blur', '--device', 'cpu')
    done = run_command('level-order', photo_folder, '--metric', 'piqe', *options)
    assert done.returncode == 0
    assert '| gaussian_blur | ' in done.out


def test_mistakes_get_one_sentence(run_command, photo_folder, metric_weights):
    for arguments, message in (
        ([photo_folder, '--weights', metric_weights, '--operators', 'rain'], "unknown degradation operator 'rain'"),
        (['nowhere', '--weights', metric_weights], 'no such folder'),
        ([photo_folder, '--metric', 'ssim'], "no no-reference metric 'ssim'"),
        ([photo_folder, '--photos', 0], '--photos must be >= 1'),
    ):
        done = run_command('level-order', '--photos', 1, *arguments)
        assert done.returncode == 2
        assert message in done.err.splitlines()[-1]


def test_operators_of_ones_own(run_command, own_operator, metric_weights, photo_folder):
    options = ['--photos', 2, '--device', 'cpu', '--import', own_operator, '--operators', 'dead_rows']
    done = run_command('level-order', photo_folder, '--weights', metric_weights, *options)
    assert done.returncode == 0, done.err
    assert '| dead_rows | texture |' in done.out
