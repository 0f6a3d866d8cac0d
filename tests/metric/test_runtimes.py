"""Which runtime scores: onnxruntime where it can, torch on a GPU or where asked; both give the same scores."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.metric import runtimes
from mmqpt.metric.onnx_export import export_onnx
from mmqpt.metric.onnx_file import read_onnx
from mmqpt.metric.onnx_scorer import OnnxScorer
from mmqpt.metric.open import open_scorer, scorer_class
from mmqpt.metric.runtimes import choose_runtime
from mmqpt.metric.score_many import score_many
from mmqpt.metric.torch_scorer import TorchScorer
from mmqpt.metric.weights import find_weights

HEAVY = ('torch', 'torchvision', 'timm', 'pyiqa', 'mmengine', 'mmcv', 'mmpretrain', 'cv2', 'onnx', 'scipy', 'pandas')


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.delenv('MMQPT_WEIGHTS', raising=False)


@pytest.fixture
def pair(metric_weights, tmp_path):
    """Weights with their ONNX file beside them."""
    path = tmp_path / 'mine.safetensors'
    shutil.copy(metric_weights, path)
    export_onnx(path, tmp_path / 'mine.onnx')
    return path


@pytest.fixture(scope='module')
def mixed(photos, tmp_path_factory):
    """Photos within the size bounds of the bundled weights, below and above them."""
    folder = tmp_path_factory.mktemp('mixed')
    for number, size in enumerate([(512, 384), (200, 301), (1900, 700), (64, 64)]):
        Image.fromarray(photos[number % 3]).resize(size).save(folder / f'{number}.jpg')
    return sorted(folder.iterdir())


def without(monkeypatch, *packages):
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)


def test_the_bundled_weights_have_their_onnx_file():
    path = find_weights()
    file = read_onnx(path.with_suffix('.onnx'))
    with safe_open(str(path), framework='numpy') as weights:
        assert file.weights_checksum == weights.metadata()['mmqpt_sha256'], (
            f'run: mmqpt export {path} {path.with_suffix(".onnx")} --onnx'
        )
    assert file.spec == read_weights(path)[1]
    assert path.with_suffix('.onnx').stat().st_size < 1.1 * path.stat().st_size  # half-precision, too
    assert choose_runtime() == ('onnx', path.with_suffix('.onnx'))


def test_both_runtimes_give_one_score(mixed):
    ours, theirs = open_scorer(device='cpu', runtime='onnx'), open_scorer(device='cpu', runtime='torch')
    assert (type(ours), type(theirs)) == (OnnxScorer, TorchScorer)
    wanted = [theirs.score(path) for path in mixed]
    assert np.ptp(wanted) > 0.05
    assert [ours.score(path) for path in mixed] == pytest.approx(wanted, abs=1e-4)
    for scorer in (ours, theirs):
        for batch in (1, 2):
            found = [row.score for row in score_many(scorer, mixed, batch=batch)]
            assert found == pytest.approx(wanted, abs=1e-4)
    for runtime in (None, 'onnx', 'torch'):
        assert mmqpt.score(mixed[0], device='cpu', runtime=runtime) == pytest.approx(wanted[0], abs=1e-4)


def test_who_scores(pair, metric_weights, monkeypatch):
    beside = pair.with_suffix('.onnx')
    assert choose_runtime(pair) == choose_runtime(pair, 'cpu') == choose_runtime(pair, 'cpu', 'onnx')
    assert choose_runtime(pair) == choose_runtime(beside) == ('onnx', beside)
    assert choose_runtime(pair, runtime='torch') == choose_runtime(pair, 'cuda:1') == ('torch', pair)
    assert choose_runtime(metric_weights) == ('torch', metric_weights)  # has no ONNX file beside it
    assert (scorer_class(pair), scorer_class(metric_weights)) == (OnnxScorer, TorchScorer)
    assert type(mmqpt.Scorer(pair)) is type(OnnxScorer(pair)) is OnnxScorer
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert choose_runtime(pair) == ('torch', pair)
    assert choose_runtime(pair, 'cpu') == ('onnx', beside)


def test_packages_that_are_missing(pair, metric_weights, monkeypatch):
    with monkeypatch.context() as patch:
        without(patch, 'onnxruntime')
        assert choose_runtime(pair) == ('torch', pair)
        with pytest.raises(InputError, match=r"mine\.onnx: an ONNX file needs onnxruntime, .* pip install 'mmqpt'$"):
            choose_runtime(pair.with_suffix('.onnx'))
    without(monkeypatch, 'torch')
    assert choose_runtime(pair)[0] == 'onnx'
    with pytest.raises(
        InputError, match=r"runtime torch \(mine\.safetensors\) needs torch.*pip install 'mmqpt\[torch\]'"
    ):
        choose_runtime(pair, runtime='torch')
    with pytest.raises(InputError, match=r"no qpt\.onnx beside it .*; or, for .*: pip install 'mmqpt\[torch\]'$"):
        choose_runtime(metric_weights)


def test_an_onnx_file_of_other_weights_is_not_taken(pair, monkeypatch):
    tensors, spec = read_weights(pair)
    write_weights(pair, {name: value * 0.9 for name, value in tensors.items()}, spec)
    assert choose_runtime(pair) == ('torch', pair)
    with pytest.raises(InputError, match=r'mine\.safetensors: .*mine\.onnx beside it was made from other weights'):
        choose_runtime(pair, runtime='onnx')
    for content in (b'', b'no ONNX', bytes(range(256))):
        pair.with_suffix('.onnx').write_bytes(content)
        assert choose_runtime(pair) == ('torch', pair)


def test_wrong_calls(pair, tmp_path):
    with pytest.raises(InputError, match="runtime must be onnx or torch, got 'openvino'"):
        choose_runtime(pair, runtime='openvino')
    with pytest.raises(InputError, match=r'mine\.onnx: an ONNX file, which the runtime torch can not run'):
        mmqpt.score('x.jpg', pair.with_suffix('.onnx'), runtime='torch')
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        choose_runtime(tmp_path / 'none.safetensors')
    (tmp_path / 'text.safetensors').write_text('text')
    (tmp_path / 'text.onnx').write_text('text')
    with pytest.raises(InputError, match=r'text\.safetensors \(sha256 \w+\): not a safetensors file'):
        choose_runtime(tmp_path / 'text.safetensors')
    save_file({'x': torch.zeros(1)}, tmp_path / 'text.safetensors')
    assert choose_runtime(tmp_path / 'text.safetensors')[0] == 'torch'


def test_no_driver_no_torch(monkeypatch):
    """Whether there is a GPU is asked of torch only where a driver is, since importing torch takes seconds."""
    monkeypatch.delitem(sys.modules, 'torch')
    monkeypatch.setattr(runtimes, '_has_driver', lambda: False)
    assert not runtimes._on_gpu(None)
    assert 'torch' not in sys.modules


PLAIN = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY}))
import mmqpt, numpy
"""


def run_plain(code, *args):
    """Standard output of a process in which the packages of a plain installation alone can be imported."""
    done = subprocess.run([sys.executable, '-c', PLAIN + code, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scores_without_torch(mixed):
    code = (
        'scorer = mmqpt.Scorer()\n'
        'kinds = [sys.argv[1], open(sys.argv[1], "rb").read()]\n'
        'from PIL import Image\n'
        'kinds += [Image.open(sys.argv[1]), numpy.asarray(Image.open(sys.argv[1]))]\n'
        'print(scorer.device, *{mmqpt.score(kind) for kind in kinds})\n'
        'print(*[mmqpt.score(path) for path in sys.argv[1:]])\n'
        'from mmqpt.metric.quality_map import quality_map\n'
        'print(quality_map(scorer, sys.argv[1], 128, 128).scores.tolist())\n'
        'try:\n    mmqpt.load_backbone\n'
        'except Exception as error:\n    print(type(error).__name__, error)\n'
    )
    first, second, places, refused = run_plain(code, *mixed).splitlines()
    scorer = open_scorer(device='cpu', runtime='torch')
    wanted = [scorer.score(path) for path in mixed]
    device, score = first.split()
    assert (device, float(score)) == ('cpu', pytest.approx(wanted[0], abs=1e-4))
    assert [float(part) for part in second.split()] == pytest.approx(wanted, abs=1e-4)
    assert places.startswith('[[0.')
    needs = "mmqpt.load_backbone needs torch, which is not installed: pip install 'mmqpt[torch]'"
    assert refused == f'InputError {needs}'


@pytest.mark.parametrize('command', ['score', 'report', 'map'])
def test_commands_without_torch(command, mixed, tmp_path):
    args = {
        'score': ['score', mixed[0].parent, '--csv', tmp_path / 'scores.csv'],
        'report': ['report', mixed[0].parent, '--out', tmp_path / 'report.html'],
        'map': ['map', mixed[0], '--out', tmp_path / 'map.png'],
    }[command]
    code = 'from mmqpt.cli.main import main\ntry:\n    main()\nexcept SystemExit as stop:\n    sys.exit(stop.code)'
    run_plain(code, *args)
    assert [path for path in tmp_path.iterdir() if path.suffix in ('.csv', '.html', '.png')]


TURNED = Image.Exif()
TURNED[0x0112] = 6
KINDS = {'jpg': {'exif': TURNED}, **{kind: {} for kind in ('png', 'webp', 'avif', 'tiff', 'gif', 'bmp', 'jp2', 'ppm')}}


def test_every_kind_of_photo_is_scored_without_opencv(photos, tmp_path):
    """And to the same score as here, where it is installed."""
    folder = tmp_path / 'kinds'
    folder.mkdir()
    for suffix, options in KINDS.items():
        Image.fromarray(photos[1]).save(folder / f'photo.{suffix}', **options)
    code = (
        'from pathlib import Path\n'
        'for path in sorted(Path(sys.argv[1]).iterdir()):\n    print(path.suffix, repr(mmqpt.score(path)))\n'
        'print(sorted(row.flags for row in mmqpt.score_folder(sys.argv[1])))\n'
    )
    *rows, flags = run_plain(code, folder).splitlines()
    assert [row.split()[0] for row in rows] == sorted(f'.{suffix}' for suffix in KINDS)
    for row in rows:
        suffix, score = row.split()
        assert float(score) == mmqpt.score(folder / f'photo{suffix}', device='cpu')
    assert flags == str([()] * (len(KINDS) - 1))  # a PPM is not searched for


def test_what_is_not_needed_is_not_imported_where_it_is_installed(mixed):
    code = (
        'import sys, mmqpt\n'
        'mmqpt.score(sys.argv[1], device="cpu")\n'
        'print([name for name in ("torch", "cv2", "scipy", "pandas") if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code, mixed[0]], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n'
