"""Running the command in this process, and in its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def mmqpt(metric_weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command in this process, in the folder ``tmp_path``, with tiny weights under the name ``qpt``."""
    from mmqpt.cli.main import cli

    monkeypatch.setenv('MMQPT_WEIGHTS', str(metric_weights.parent))
    monkeypatch.chdir(tmp_path)

    def call(*args: object, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(cli, [*map(str, args)], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture) -> Callable[..., SimpleNamespace]:
    """Runs ``mmqpt NAME ...`` in this process, in the working folder: exit code, standard output and error."""
    from mmqpt.cli.main import cli

    def call(name: str, *args: object) -> SimpleNamespace:
        with pytest.raises(SystemExit) as stop:
            cli.main([name, *map(str, args)], prog_name='mmqpt')
        return SimpleNamespace(returncode=stop.value.code, **capsys.readouterr()._asdict())

    return call


@pytest.fixture
def start(metric_weights: Path, tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Starts the command in a process of its own, in the folder ``tmp_path``, with the weights of ``mmqpt``."""

    def call(*args: object, code: str = '') -> subprocess.Popen:
        # A shell that started the tests in the background made them, and what they start, deaf to SIGINT.
        hears = 'import signal; signal.signal(signal.SIGINT, signal.default_int_handler)'
        program = f'{hears}\n{code}\nfrom mmqpt.cli.main import main\nmain()'
        environment = {
            **os.environ,
            'MMQPT_WEIGHTS': str(metric_weights.parent),
            'OMP_NUM_THREADS': '1',
            'PYTHONPATH': str(ROOT),
        }
        command = [sys.executable, '-c', program, *map(str, args)]
        return subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return call


@pytest.fixture
def own_operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the example's operator, which stays registered for one test."""
    from mmqpt.degradations import registry

    monkeypatch.setattr(registry, '_REGISTERED', {})
    yield ROOT / 'examples' / 'my_operator.py'
    sys.modules.pop('my_operator', None)
