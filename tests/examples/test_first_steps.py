"""The notebook: every cell parses, uses only names that exist, and runs."""

import ast
import builtins
import importlib
import json
import re
import warnings
from pathlib import Path

import pytest

from mmqpt.cli.commands import COMMANDS
from mmqpt.cli.configs import find_config

PATH = Path(__file__).parent.parent.parent / 'examples' / 'first_steps.ipynb'
NOTEBOOK = json.loads(PATH.read_text(encoding='utf-8'))
CODE = [''.join(cell['source']) for cell in NOTEBOOK['cells'] if cell['cell_type'] == 'code']
TRAINING = next(number for number, code in enumerate(CODE) if 'def call(' in code)
"""The first cell of the part that takes minutes."""


def test_is_a_notebook_without_outputs():
    assert (NOTEBOOK['nbformat'], NOTEBOOK['nbformat_minor']) == (4, 5)
    ids = [cell['id'] for cell in NOTEBOOK['cells']]
    assert len(set(ids)) == len(ids)
    for cell in NOTEBOOK['cells']:
        assert {'cell_type', 'id', 'metadata', 'source'} <= set(cell)
        if cell['cell_type'] == 'code':
            assert (cell['outputs'], cell['execution_count']) == ([], None)
    assert PATH.stat().st_size < 30_000


def test_uses_only_names_that_exist():
    known = set(dir(builtins))
    for number, code in enumerate(CODE):
        tree = ast.parse(code, f'cell {number}')
        stored = {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
        stored |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        stored |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)
                    stored.add(alias.asname or alias.name)
            elif isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f'{node.module}.{alias.name}'
                    stored.add(alias.asname or alias.name)
        known |= stored
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert used <= known, f'cell {number}'
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == 'mmqpt':
                assert hasattr(importlib.import_module('mmqpt'), node.attr), node.attr


def test_commands_configs_and_links_exist():
    calls = [
        [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        for code in CODE
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'call'
    ]
    assert [call[0] for call in calls] == ['pretrain', 'evaluate']
    assert {call[0] for call in calls} <= set(COMMANDS)
    assert Path(find_config(calls[0][1])).is_file()
    text = ''.join(''.join(cell['source']) for cell in NOTEBOOK['cells'] if cell['cell_type'] == 'markdown')
    links = [part.split(')')[0] for part in text.replace('\n', ' ').split('](')[1:]]
    assert len(links) >= 5
    assert [link for link in links if not (PATH.parent / link).is_file()] == []


def run(cells, names):
    import matplotlib.pyplot as plt

    for code in cells:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            exec(compile(code, 'cell', 'exec'), names)
    plt.close('all')
    return names


@pytest.fixture
def names(monkeypatch):
    import matplotlib

    monkeypatch.delenv('MMQPT_WEIGHTS', raising=False)
    monkeypatch.setattr('mmqpt.metric.weights._registered', {})
    matplotlib.use('Agg')
    return {'__name__': 'notebook'}


def test_scores_map_loss_and_degradations_run(names, capsys):
    run(CODE[:TRAINING], names)
    said = capsys.readouterr().out
    first, second = (float(part.split()[0]) for part in said.splitlines()[0].split(', '))
    assert first - second > 0.2
    rising = [float(line.split('score ')[1]) for line in said.splitlines() if line.startswith('step ')]
    assert rising[-1] > rising[0]
    assert 'Degrade(DegradationSpace(' in said
    left, right = names['found'].scores[:, 0].mean(), names['found'].scores[:, -1].mean()
    assert left - right > 0.2


@pytest.mark.slow
def test_training_and_distortions_run(names, capsys):
    run([CODE[0], *CODE[TRAINING:]], names)
    for page in ('pretrain/report.html', 'distortions/report.html'):
        assert (names['WORK'] / page).stat().st_size > 1000
    assert re.search(
        r'between QPT and ImageNet in level SRCC|QPT is \w+ than ImageNet in level SRCC', capsys.readouterr().out
    )
