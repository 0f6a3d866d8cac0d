"""mmqpt export to ONNX: from a checkpoint, and from an exported file without OpenMMLab."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from mmqpt.metric.open import Scorer

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from mmqpt.metric.onnx_file import read_onnx
from mmqpt.metric.onnx_scorer import OnnxScorer

TOOL = Path(__file__).parent.parent.parent / 'tools' / 'export.py'
WITHOUT_OPENMMLAB = """
import runpy, sys
for name in ('mmengine', 'mmcv', 'mmpretrain', 'onnxscript'):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.fixture
def tool(monkeypatch):
    def run(*args):
        monkeypatch.setattr(sys, 'argv', list(map(str, [TOOL, *args])))
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        return stop.value.code

    return run


def without_openmmlab(*args):
    """In a process of its own: exit code and the last line of errors."""
    command = [sys.executable, '-c', WITHOUT_OPENMMLAB, str(TOOL), *map(str, args)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr[-2000:]


def test_from_a_checkpoint_and_from_an_exported_file(
    tool, finetuned_checkpoint, metric_weights, photo_folder, tmp_path, capsys
):
    assert tool(finetuned_checkpoint, tmp_path / 'a.onnx', '--onnx') == 0
    said = capsys.readouterr().out
    assert 'metric of ' in said
    assert 'takes any size' in said
    code, errors = without_openmmlab(metric_weights, tmp_path / 'b.onnx', '--to', 'onnx')
    assert code == 0, errors
    one, other = read_onnx(tmp_path / 'a.onnx'), read_onnx(tmp_path / 'b.onnx')
    assert one.spec == other.spec
    assert one.weights_checksum == other.weights_checksum
    ours, theirs = Scorer(metric_weights, 'cpu'), OnnxScorer(tmp_path / 'a.onnx', 'cpu')
    for path in photo_folder.iterdir():
        assert theirs.score(path) == pytest.approx(ours.score(path), abs=1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['a.onnx', 'b.onnx']


def test_mistakes_get_one_sentence(tool, pretrained_checkpoint, metric_weights, tmp_path, capsys):
    for args, message in (
        ((pretrained_checkpoint, tmp_path / 'x.onnx', '--onnx'), 'a backbone without a quality head'),
        ((metric_weights, tmp_path / 'x.pt', '--onnx'), 'must end with .onnx'),
        ((metric_weights, tmp_path / 'x.safetensors'), 'exported already'),
        ((metric_weights, tmp_path / 'x.onnx', '--onnx', '--to', 'timm'), 'not allowed with argument'),
    ):
        assert tool(*args) == 2
        assert message in capsys.readouterr().err.strip().splitlines()[-1]
    code, errors = without_openmmlab(metric_weights, tmp_path / 'x.pt', '--onnx')
    assert code == 2
    assert 'Traceback' not in errors
    assert errors.strip().splitlines()[-1].startswith('error: the exported file must end with .onnx')
    assert not list(tmp_path.iterdir())
