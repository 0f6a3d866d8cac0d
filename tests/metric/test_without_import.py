"""``create_metric('qpt')`` where nobody imports mmqpt: the ways that docs/metric.md tells, as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyiqa
import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / 'docs' / 'metric.md').read_text(encoding='utf-8')
PATCH = ROOT / 'docs' / 'pyiqa_plugins.patch'


def python(code, *args):
    return subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, check=False)


@pytest.fixture(scope='module')
def patched(tmp_path_factory):
    """The folder that holds a patched pyiqa: links to the installed one, but for the file that the patch changes."""
    if shutil.which('patch') is None:
        pytest.skip('needs patch')
    folder = tmp_path_factory.mktemp('patched')
    (folder / 'pyiqa').mkdir()
    for path in Path(pyiqa.__file__).parent.iterdir():
        if path.name != '__pycache__':
            (folder / 'pyiqa' / path.name).symlink_to(path)
    (changed,) = re.findall(r'^\+\+\+ b/(.*)$', PATCH.read_text(encoding='utf-8'), re.M)
    original = (folder / changed).resolve()
    (folder / changed).unlink()
    shutil.copy(original, folder / changed)
    with PATCH.open() as text:
        subprocess.run(['patch', '-p1', '--fuzz=0', '-d', folder], stdin=text, check=True, capture_output=True)
    return folder


def test_the_patched_pyiqa_knows_qpt(patched, photo_folder):
    code = (
        'import sys; sys.path.insert(0, sys.argv[1]); import pyiqa\n'
        'from pyiqa.pyiqa_cmd import main\n'
        'assert pyiqa.__file__.startswith(sys.argv.pop(1)), pyiqa.__file__\n'
        "assert 'mmqpt' not in sys.modules\n"
        "main()\nprint('listed', pyiqa.list_models(filter='qpt'))"
    )
    done = python(code, patched, 'qpt', '-t', photo_folder / 'coffee_0.jpg', '--device', 'cpu')
    assert done.returncode == 0, done.stderr
    assert re.search(r"\{'qpt': \{'mean': np\.float64\(0\.\d+\)\}\}", done.stdout)
    assert "listed ['qpt']" in done.stdout


def write_file(folder):
    """The page's command, on another folder than site-packages."""
    (command,) = re.findall(r'^echo "import.*?\.pth"$', PAGE, re.M | re.S)
    place = "$(python -c 'import site; print(site.getsitepackages()[0])')"
    assert place in command
    subprocess.run(['bash', '-c', command.replace(place, str(folder))], check=True)
    (made,) = folder.iterdir()
    return made


def test_the_file_that_imports_mmqpt_at_every_start(tmp_path):
    """As the page makes it, in a folder that is read as site-packages are."""
    made = write_file(tmp_path)
    assert made.name == 'mmqpt_pyiqa.pth'
    assert f'`{made.name}`' in PAGE
    done = python(
        'import sys, site; site.addsitedir(sys.argv[1])\n'
        "assert not {'numpy', 'torch', 'pyiqa'} & set(sys.modules)\n"
        "assert 'mmqpt' in sys.modules\n"
        'print([type(finder).__module__ for finder in sys.meta_path])',  # the one that waits for pyiqa
        tmp_path,
    )
    assert "'mmqpt.metric.register'" in done.stdout, done.stderr


def test_that_file_is_silent_once_mmqpt_is_gone(tmp_path):
    made = write_file(tmp_path)
    made.write_text(made.read_text().replace('mmqpt', 'no_such_package'))
    done = python('import sys, site; site.addsitedir(sys.argv[1])', tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
