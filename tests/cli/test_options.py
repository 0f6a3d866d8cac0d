"""Values of ``--cfg-options``, and files that commands write."""

import argparse
import importlib
import os
from pathlib import Path

import pytest

from mmqpt.cli.commands import COMMANDS
from mmqpt.cli.options import parse_value


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('77', 77), ('1e-3', 1e-3), ('true', True), ('None', None), ('1,2', [1, 2]), ('[(1,2),x]', [(1, 2), 'x']),
        ('[a, b]', ['a', 'b']), ('"f"', 'f'), ('', ''), ('my photos/new', 'my photos/new'), ('a b=c', 'a b=c'),
        ('"a, b"', 'a, b'), ("'[1, 2]'", '[1, 2]'), ('photos [2]', 'photos [2]'),
    ],
)  # fmt: skip
def test_values(text, expected):
    assert parse_value(text) == expected


def test_brackets_must_close():
    with pytest.raises(ValueError, match=r"brackets that do not close in '\[1,\(2\]'"):
        parse_value('[1,(2]')


CONFIG = 'finetune_efficientnet-lite0_1xb16-coslr_csv'
WRITERS = {
    'average': ['a.safetensors', '--branch', 'b.safetensors', '--out'],
    'export': ['a.pth'],
    'find-duplicates': ['photos', '--out'],
    'level-order': ['photos', '--out'],
    'make-photo-list': ['photos', '--clusters', 'a.csv', '--held-out', 'b.csv', '--split', 'c', '--out'],
    'model-card': ['a.safetensors', '--out'],
    'pretext-check': ['qpt_resnet18_1xb32-coslr_folder', 'a.pth', '--data-root', 'photos', '--out'],
    'profile': ['qpt_resnet18_1xb32-coslr_folder', '--out'],
    'replay-batch': ['a.json', '--out'],
    'test': [CONFIG, 'a.pth', '--out'],
}
"""Commands that write one file, and arguments up to its name; what they name is not there."""
OTHERS = {
    'browse': 'a folder of pictures, made anew',
    'evaluate': 'a folder that is resumed, where no result is replaced',
    'make-shards': 'a folder that is resumed',
    'prepare-dataset': 'has an --overwrite of its own',
}


@pytest.mark.parametrize(('name', 'args'), WRITERS.items(), ids=WRITERS)
def test_a_file_is_replaced_when_told_so_alone(name, args, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'mine.safetensors').write_text('mine')
    done = run_command(name, *args, 'mine.safetensors')
    assert (done.returncode, done.err.strip()) == (
        2,
        'error: mine.safetensors: exists already; --overwrite replaces it',
    )
    done = run_command(name, *args, 'folder')
    assert (done.returncode, done.err.strip()) == (2, 'error: folder: is a folder, where a file is to be written')
    done = run_command(name, *args, 'mine.safetensors/new.safetensors')
    reason = f'{tmp_path / "mine.safetensors"} is a file, not a folder'
    assert (done.returncode, done.err.strip()) == (2, f'error: mine.safetensors/new.safetensors: {reason}')
    done = run_command(name, *args, 'mine.safetensors', '--overwrite')
    assert done.returncode == 2
    assert 'exists already' not in done.err
    assert (tmp_path / 'mine.safetensors').read_text() == 'mine'


def test_what_is_read_is_not_replaced(run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.pth').write_bytes(b'mine')
    (tmp_path / 'b.pth').symlink_to('a.pth')
    done = run_command('export', 'b.pth', 'a.pth', '--to', 'timm', '--overwrite')
    reason = 'is read by this command, so it is not replaced: name another file'
    assert (done.returncode, done.err.strip()) == (2, f'error: a.pth: {reason}')


def test_a_folder_that_may_not_be_written_to_is_told_at_once(run_command, tmp_path, monkeypatch):
    (tmp_path / 'folder').mkdir()
    allowed = os.access
    monkeypatch.setattr(os, 'access', lambda path, mode: Path(path).name != 'folder' and allowed(path, mode))
    done = run_command('export', 'a.pth', tmp_path / 'folder' / 'new' / 'a.safetensors')
    assert done.returncode == 2
    assert done.err.strip().endswith(f'no permission to write to {tmp_path / "folder"}')


def test_a_file_is_replaced_and_folders_are_made(run_command, metric_weights, tmp_path):
    card = tmp_path / 'new' / 'er' / 'card.md'
    assert run_command('model-card', metric_weights, '--out', card).returncode == 0
    text = card.read_text()
    card.write_text('old')
    assert run_command('model-card', metric_weights, '--out', card).returncode == 2
    assert card.read_text() == 'old'
    assert run_command('model-card', metric_weights, '--out', card, '--overwrite').returncode == 0
    assert card.read_text() == text


def test_every_command_that_writes_a_file_is_among_them():
    found = set()
    for name, entry in COMMANDS.items():
        if ':' not in entry.where:
            parser = argparse.ArgumentParser()
            importlib.import_module(entry.where).add_options(parser)
            if 'out' in {action.dest for action in parser._actions}:
                found.add(name)
    assert found == {*WRITERS, *OTHERS} - {'evaluate'}
