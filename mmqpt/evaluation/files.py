"""Files that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmqpt.core.files import replacing


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file; the folder is made when needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        Path(partial).write_text(json.dumps(value, indent=2) + '\n', encoding='utf-8')
