"""benchmarks/scoring.py: tables of the right shape; the times themselves are not tested."""

import re

import pytest


def test_networks(run_script, metric_weights):
    options = ('--metrics', 'cnniqa', '--repeats', 1, '--batch', 1, 2, '--device', 'cpu')
    done = run_script('benchmarks/scoring.py', 'networks', '--weights', metric_weights, *options)
    assert done.returncode == 0
    assert re.search(r'^\| metric \| batch 1 \| batch 2 \| best qpt is faster by \|$', done.out, re.M)
    rows = dict(re.findall(r'^\| (qpt|qpt \(ONNX\)|cnniqa) \| ([\d.]+) \|', done.out, re.M))
    assert set(rows) == {'qpt', 'qpt (ONNX)', 'cnniqa'}
    assert all(float(rate) > 0 for rate in rows.values())


@pytest.mark.slow
def test_folder(run_script, metric_weights):
    options = ('--photos', 3, '--repeats', 1, '--device', 'cpu')
    done = run_script('benchmarks/scoring.py', 'folder', '--weights', metric_weights, *options)
    assert done.returncode == 0
    assert re.search(r'^\| mmqpt score(, ONNX)? \| [\d.]+ \| [\d.]+ \| [\d.]+ \(', done.out, re.M)


def test_no_such_folder(run_script, metric_weights):
    done = run_script('benchmarks/scoring.py', 'folder', '--weights', metric_weights, '--photo-folder', 'nowhere')
    assert (done.returncode, done.err) == (2, 'error: no such folder: nowhere\n')
