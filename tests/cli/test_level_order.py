"""mmqpt level-order"""

import json


def test_table_and_json(run_command, metric_weights, photo_folder, tmp_path):
    out = tmp_path / 'order.json'
    options = ('--photos', 2, '--operators', 'gaussian_blur', 'brightness', '--device', 'cpu')
    done = run_command('level-order', photo_folder, '--weights', metric_weights, '--out', out, *options)
    assert done.returncode == 0
    assert done.out.startswith('2 photos; ')
    assert 'of 3 operators and directions' in done.out
    for name in ('gaussian_blur', 'brightness +', 'brightness -'):
        assert f'| {name} | ' in done.out
    found = json.loads(out.read_text())
    assert len(found['photos']) == 2
    assert [row['operator'] for row in found['operators']] == ['gaussian_blur', 'brightness', 'brightness']
    assert all(len(row['drop']) == 5 for row in found['operators'])
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
