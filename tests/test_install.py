"""What an installation gets: locked versions with hashes, and a wheel that works away from the checkout."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mmqpt.version import __version__
from tests.test_packaging import build, copy_checkout

ROOT = Path(__file__).parent.parent
LOCKS = ('locked', 'oldest')
CONFIG = 'qpt_resnet18_1xb32-coslr_folder'
# Other packages of the same solution ask for newer ones: transformers for safetensors, and by way of typer for click.
NOT_AT_THE_BOUND = {'click', 'safetensors'}


def listed(block: str) -> list[Requirement]:
    lines = [line.strip() for line in block.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


def extras() -> dict[str, list[Requirement]]:
    """What each extra of setup.cfg asks for; the plain installation is called ''."""
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    found = {'': config['options']['install_requires'], **config['options.extras_require']}
    return {name: listed(block) for name, block in found.items()}


def requirements() -> list[Requirement]:
    """All that setup.cfg asks for, with and without extras; not the extras that an extra includes."""
    return [one for block in extras().values() for one in block if one.name != 'mmqpt']


def brought(extra: str) -> set[str]:
    """Packages of an extra and of those that it includes, besides the plain installation."""
    found = set()
    for one in extras()[extra]:
        found |= {name for inner in one.extras for name in brought(inner)} if one.name == 'mmqpt' else {one.name}
    return found


def locked(name: str) -> dict[str, tuple[Version, int]]:
    """Version and number of hashes of every package of a lock file."""
    text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    lines = re.sub(r' *\\\n *', ' ', re.sub(r'(?m)^ *#.*\n', '', text)).splitlines()
    found = {}
    for line in lines:
        requirement = Requirement(line.split(' --hash')[0])
        (pin,) = requirement.specifier
        assert pin.operator == '=='
        assert not requirement.url
        hashes = re.findall(r' --hash=sha256:[0-9a-f]{64}(?= |$)', line)
        assert line.count(' --') == len(hashes)
        found[canonicalize_name(requirement.name)] = (Version(pin.version), len(hashes))
    return found


@pytest.fixture(params=LOCKS)
def lock(request):
    return locked(request.param)


def test_every_locked_file_has_a_hash(lock):
    assert len(lock) > 100
    assert [name for name, (_, hashes) in lock.items() if not hashes] == []


def test_lock_covers_every_requirement(lock):
    for requirement in requirements():
        version, _ = lock[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f'{requirement}, locked is {version}; run make lock'


def test_a_plain_installation_scores_and_no_more():
    assert brought('') == {'click', 'numpy', 'onnxruntime', 'pillow', 'safetensors', 'tqdm'}


def test_opencv_comes_where_photos_are_degraded_or_compared():
    """pretrain has the other package of the same module, which mmengine asks for."""
    assert {extra for extra in extras() if 'opencv-python-headless' in brought(extra)} == {
        'degradations', 'evaluate', 'all'
    }  # fmt: skip
    assert {extra for extra in extras() if 'opencv-python' in brought(extra)} == {'pretrain', 'all'}


def test_pyiqa_comes_only_where_it_is_asked_for():
    """It may not be used for business."""
    assert {extra for extra in extras() if 'pyiqa' in brought(extra)} == {'pyiqa', 'all'}


def test_extras_bring_torch_where_it_is_needed():
    assert {extra for extra in extras() if 'torch' in brought(extra)} == {'torch', 'pyiqa', 'pretrain', 'onnx', 'all'}


def test_all_is_every_extra_that_users_need():
    parts = {inner for one in extras()['all'] for inner in one.extras}
    assert parts == set(extras()) - {'', 'all', 'demo', 'dev'}


def test_every_requirement_states_its_oldest_version():
    assert [str(r) for r in requirements() if '>=' not in str(r.specifier)] == []


def test_oldest_has_the_stated_bounds():
    oldest = locked('oldest')
    for requirement in requirements():
        (bound,) = [Version(part.version) for part in requirement.specifier if part.operator == '>=']
        version, _ = oldest[canonicalize_name(requirement.name)]
        # The stated 4.9 is 4.9.0.80, the first file of 4.9.
        assert version.release[: len(bound.release)] == bound.release or requirement.name in NOT_AT_THE_BOUND


def test_locks_name_no_index():
    for name in LOCKS:
        text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
        assert '://' not in text
        assert 'index' not in re.sub(r'model-?index', '', text)


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """The ``bin`` of an environment with the wheel, and this one's other packages; the checkout cannot be imported."""
    (wheel,) = build(copy_checkout(tmp_path_factory.mktemp('source')), '--wheel').glob('*.whl')
    folder = tmp_path_factory.mktemp('environment')
    execute(sys.executable, '-m', 'venv', '--without-pip', folder)
    (site,) = folder.glob('lib/python*/site-packages')
    # The .pth files of a folder that a .pth file names do not count, so an editable mmqpt in it is not seen.
    (site / 'dependencies.pth').write_text(sysconfig.get_paths()['purelib'], encoding='utf-8')
    pip = (sys.executable, '-m', 'pip', '--python', folder / 'bin' / 'python', '--disable-pip-version-check')
    execute(*pip, 'install', '--quiet', '--no-deps', '--no-index', '--ignore-installed', wheel)
    return folder / 'bin'


def execute(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Standard output and error of a command that must end well."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(('PYTHON', 'MMQPT'))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_installed_wheel_is_what_runs(installed, tmp_path):
    place = execute(installed / 'python', '-c', 'import mmqpt; print(mmqpt.__file__)', cwd=tmp_path).strip()
    assert Path(place).is_relative_to(installed.parent)
    assert execute(installed / 'mmqpt', '--version', cwd=tmp_path).strip() == f'mmqpt, version {__version__}'


def test_installed_wheel_scores_a_photo(installed, photo_folder, tmp_path):
    photo = sorted(photo_folder.iterdir())[0]
    score, name = execute(installed / 'mmqpt', 'score', photo, cwd=tmp_path).split()[:2]
    assert 0 < float(score) < 1
    assert photo.name in name


def test_installed_wheel_finds_configs_and_runs_tools_where_mim_looks(installed, tmp_path):
    code = (
        f'from mmqpt.cli.configs import find_config, shipped_configs; print(find_config({CONFIG!r}), shipped_configs())'
    )
    config, configs = map(Path, execute(installed / 'python', '-c', code, cwd=tmp_path).split())
    assert config.is_relative_to(installed.parent)
    assert config.is_file()
    help_of_train = execute(installed / 'python', configs.parent / 'tools' / 'train.py', '--help', cwd=tmp_path)
    assert help_of_train.startswith('usage: train.py ')


@pytest.mark.slow
def test_installed_wheel_pretrains_by_the_name_of_a_config(installed, photo_folder, tmp_path):
    options = (
        'train_cfg.max_epochs=1',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'model.queue_length=16',
    )
    execute(
        *(installed / 'mmqpt', 'pretrain', CONFIG, '--work-dir', 'run', '--cfg-options', *options),
        cwd=tmp_path,
        DATA_ROOT=str(photo_folder),
    )
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
