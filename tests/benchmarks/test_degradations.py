"""The benchmark of the degradations runs; how fast it is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

from mmqpt.degradations import LEVELS, OPERATORS

ROOT = Path(__file__).parent.parent.parent


def test_benchmark_runs(photo_folder, tmp_path):
    out = tmp_path / 'numbers.json'
    command = [sys.executable, str(ROOT / 'benchmarks' / 'degradations.py'), '--photos', str(photo_folder)]
    command += ['--json', str(out), '--repeats', '1', '--samples', '2']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for heading in ('Whole training samples', 'Operators at 512 x 384 px', 'Beside albumentations and kornia'):
        assert f'## {heading}' in done.stdout
    numbers = json.loads(out.read_text(encoding='utf-8'))
    assert set(numbers['operators']) == set(OPERATORS)
    for name, times in numbers['operators'].items():
        assert len(times) == len(OPERATORS[name].signs)
        assert all(len(levels) == len(LEVELS) for levels in times.values())
    assert numbers['samples']['qpt-paper']['per_second'] > 0
    assert numbers['samples']['large']['decodes'] > 1
    assert set(numbers['others']) == {'albumentations', 'kornia'}
    assert numbers['machine']['cores'] >= 1


def test_folder_that_is_not_there(tmp_path):
    command = [sys.executable, str(ROOT / 'benchmarks' / 'degradations.py'), '--photos', str(tmp_path / 'no')]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'no such folder' in done.stderr
    assert 'Traceback' not in done.stderr
