"""benchmarks/scoring.py: tables of the right shape; the times themselves are not tested."""

import re

import pytest


def test_networks(run_script, metric_weights):
    options = ('--metrics', 'cnniqa', '--repeats', 1, '--batch', 1, 2, '--device', 'cpu')
    done = run_script('benchmarks/scoring.py', 'networks', '--weights', metric_weights, *options)
    assert done.returncode == 0
    assert re.search(r'^\| metric \| batch 1 \| batch 2 \| best qpt is faster by \|$', done.out, re.M)
    rows = dict(re.findall(r'^\| (qpt \(torch\)|qpt \(ONNX\)|cnniqa) \| ([\d.]+) \|', done.out, re.M))
    assert set(rows) == {'qpt (torch)', 'qpt (ONNX)', 'cnniqa'}
    assert all(float(rate) > 0 for rate in rows.values())


@pytest.mark.slow
def test_folder(run_script, metric_weights):
    options = ('--photos', 3, '--repeats', 1, '--device', 'cpu')
    done = run_script('benchmarks/scoring.py', 'folder', '--weights', metric_weights, *options)
    assert done.returncode == 0
    rows = re.findall(
        r'^\| (pyiqa|mmqpt score --runtime \w+) \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| [\d.]+ \(', done.out, re.M
    )
    assert [name for name, *_ in rows] == ['pyiqa', 'mmqpt score --runtime torch', 'mmqpt score --runtime onnx']
    assert all(float(seconds) > 0 and float(cpu) > 0 for _, seconds, cpu in rows)


@pytest.mark.slow
def test_memory(run_script, metric_weights, photo_folder):
    options = ('--photos', 2, 4, '--photo-folder', photo_folder, '--device', 'cpu')
    done = run_script('benchmarks/scoring.py', 'memory', '--weights', metric_weights, *options)
    assert done.returncode == 0
    rows = re.findall(r'^\| (\d) \| (onnx|torch) \| (\d+) \|$', done.out, re.M)
    assert [row[:2] for row in rows] == [('2', 'onnx'), ('2', 'torch'), ('4', 'onnx'), ('4', 'torch')]
    assert all(int(peak) > 10 for *_, peak in rows)


def test_too_few_photos(run_script, metric_weights, photo_folder):
    options = ('--photo-folder', photo_folder, '--photos', 7)
    done = run_script('benchmarks/scoring.py', 'folder', '--weights', metric_weights, *options)
    assert (done.returncode, done.err) == (2, f'error: {photo_folder}: has 6 photos, fewer than 7\n')


def test_no_such_folder(run_script, metric_weights):
    done = run_script('benchmarks/scoring.py', 'folder', '--weights', metric_weights, '--photo-folder', 'nowhere')
    assert (done.returncode, done.err) == (2, 'error: no such folder: nowhere\n')
