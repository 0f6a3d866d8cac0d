"""The fuzzing tool itself: every target knows right from wrong, a finding is one, and a crash does not end the run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from mmqpt.core.errors import InputError
from tests.fuzz import __main__ as tool
from tests.fuzz.mutate import _apply, damaged
from tests.fuzz.targets import TARGETS, Target, run

ROOT = Path(__file__).parent.parent.parent
REFUSED = {
    'spec',
    'labels',
    'weights',
    'scores',
    'export',
    'variable',
    'options',
}  # some of their seeds are no whole file


@pytest.mark.parametrize('name', TARGETS)
def test_whole_files_are_read(name, tmp_path):
    target = TARGETS[name]
    told = [run(target, data, tmp_path) for data in target.seeds()]
    assert told
    assert name == 'spec' or any(told)
    assert name in REFUSED or all(told)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(draws=damaged([b'0123456789' * 10], is_text=True))
def test_damage_is_bytes(draws):
    assert isinstance(draws, bytes)


@pytest.mark.parametrize(
    ('edits', 'wanted'),
    [
        ([], b'abcdef'),
        ([('byte', 0.5, 88)], b'abcXef'),
        ([('number', 0.0, 258, 2, 'big')], b'\1\2cdef'),
        ([('cut', 0.5, 0.0)], b'abcef'),
        ([('cut', 0.0, 1.0)], b''),
        ([('copy', 0.0, 0.5, 0.05)], b'defabcdef'),
        ([('splice', 1.0, b'xyz', 1.0, 0.0)], b'abcdefxyz'),
        ([('token', 0.5, b'--', 2)], b'abc--f'),
        ([('cut', 0.0, 1.0), ('byte', 0.7, 65), ('token', 0.0, b'B', 0)], b'BA'),
    ],
)
def test_edits(edits, wanted):
    assert _apply(b'abcdef', edits) == wanted


@pytest.mark.parametrize('error', [InputError('another.csv: bad'), ValueError('fuzzed: bad')])
def test_an_error_that_names_no_file_or_is_not_ours_is_a_finding(error, tmp_path):
    def check(data, folder):
        raise error

    with pytest.raises((AssertionError, ValueError), match=r'does not name the file|fuzzed: bad') as found:
        run(Target(list, check), b'', tmp_path)
    assert not isinstance(found.value, InputError)


def test_findings_are_kept_and_made_small(tmp_path, monkeypatch):
    def check(data, folder):
        if len(data) > 3:
            raise KeyError('too long')

    monkeypatch.setitem(TARGETS, 'ratings', Target(lambda: [b'ab', b'abc'], check))
    (tmp_path / 'work').mkdir()
    tool.child('ratings', 0, 3.0, tmp_path / 'work')
    told = json.loads((tmp_path / 'work' / 'report.json').read_text())
    [finding] = told['findings']
    assert finding.startswith('KeyError at test_fuzz.py:')
    kept = tmp_path / finding.rsplit('/', 1)[1].removesuffix(')')
    assert len(kept.read_bytes()) == 4


def fake_child(tmp_path, monkeypatch, code):
    """Children of the tool are this code, in the folder of their work."""
    real = subprocess.Popen

    def start(command, **options):
        work = command[command.index('--out') + 1]
        return real([sys.executable, '-c', f'work = {work!r}\n{code}'], **options)

    monkeypatch.setattr(tool.subprocess, 'Popen', start)
    return tool.watch('photo list', 0, 0.1, tmp_path)


def test_a_crash_is_a_finding_with_its_input(tmp_path, monkeypatch):
    code = 'open(work + "/input.bin", "wb").write(b"boom")\nimport os\nos.abort()'
    _, _, [finding] = fake_child(tmp_path, monkeypatch, code)
    assert finding.startswith('the process ended with -6: ')
    [kept] = tmp_path.glob('photo_list_*.bin')
    assert kept.read_bytes() == b'boom'


def test_a_hang_is_a_finding_with_its_input(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'HANG', 0.5)
    code = 'open(work + "/input.bin", "wb").write(b"slow")\nimport time\ntime.sleep(60)'
    _, _, [finding] = fake_child(tmp_path, monkeypatch, code)
    assert re.match(r'no end after [34] s: ', finding)
    [kept] = tmp_path.glob('photo_list_*.bin')
    assert kept.read_bytes() == b'slow'


def test_all_memory_taken_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'MEMORY', 1 << 20)
    code = 'open(work + "/input.bin", "wb").write(b"big")\nimport time\ntime.sleep(60)'
    _, _, [finding] = fake_child(tmp_path, monkeypatch, code)
    assert 'MiB taken: ' in finding


def test_a_run_of_the_tool(tmp_path):
    command = [sys.executable, '-m', 'tests.fuzz', '--minutes', '0.03', '--target', 'ratings', 'recipe']
    done = subprocess.run(
        [*command, '--out', str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(':')[0] for line in lines[:2]] == ['ratings', 'recipe']
    assert lines[0].endswith(' 0 findings')
    (tmp_path / 'x.csv').write_text('name,mos\na.jpg,nan\n')
    done = subprocess.run(
        [*command[:3], '--target', 'ratings', '--input', str(tmp_path / 'x.csv'), '--out', str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == 'refused, as it should be\n'
    done = subprocess.run([*command[:3], '--target', 'nope'], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'no such target: nope; there are: photo, ' in done.stderr
