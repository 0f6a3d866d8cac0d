"""The page of degradations says what the table says."""

import importlib.util
from pathlib import Path

from mmqpt.core.bundled import BUNDLED
from mmqpt.core.weights_file import read_weights
from mmqpt.datasets.rated.readers.table import SETS
from mmqpt.degradations import OPERATORS, PRESETS

ROOT = Path(__file__).parent.parent.parent


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'scripts' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_fresh():
    tool = load('generate_docs')
    stored = (ROOT / 'docs' / 'degradations.md').read_text(encoding='utf-8')
    assert stored == tool.page(), 'docs/degradations.md is stale: run python scripts/generate_docs.py'


def test_page_names_every_operator_and_preset():
    lines = load('generate_docs').page().split('\n')
    for name in (*OPERATORS, *PRESETS):
        assert sum(line.startswith(f'| `{name}` |') for line in lines) == 1, name


def test_model_zoo_is_fresh():
    stored = (ROOT / 'docs' / 'zoo.md').read_text(encoding='utf-8')
    assert stored == load('generate_docs').zoo_page(), 'stale: run python scripts/generate_docs.py'
    for path in BUNDLED.glob('*.safetensors'):
        tensors, spec = read_weights(path)
        (line,) = (line for line in stored.split('\n') if line.startswith(f'| `{path.name}` |'))
        count = sum(
            tensor.numel() for name, tensor in tensors.items() if 'running_' not in name and 'num_b' not in name
        )
        assert f'| {count:,} | {spec.dataset} | {spec.iterations:,} |' in line


def test_table_of_data_sets_is_fresh():
    stored = (ROOT / 'docs' / 'datasets.md').read_text(encoding='utf-8')
    assert stored == load('generate_docs').sets_page(stored), 'stale: run python scripts/generate_docs.py'
    for key, row in SETS.items():
        line = next(line for line in stored.split('\n') if line.startswith(f'| `{key}` |'))
        assert f'| {row.photos:,} |' in line
        assert row.source in line
