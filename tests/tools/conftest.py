"""Running a tool in this process."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run_tool(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """Runs a tool in this process, as ``python tools/NAME ...`` would: imports take seconds."""

    def call(name: str, *args: object) -> SimpleNamespace:
        path = str(ROOT / 'tools' / name)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        try:
            runpy.run_path(path, run_name='__main__')
            code = 0
        except SystemExit as error:
            code = error.code
        return SimpleNamespace(returncode=code, **capsys.readouterr()._asdict())

    return call
