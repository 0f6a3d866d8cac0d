"""Hooks of mkdocs.yml: pages from outside of docs/, links to files of the repository, addresses out of setup.cfg."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {'CHANGELOG.md': 'changelog.md', 'CONTRIBUTING.md': 'contributing.md'}
"""Pages at the top of the repository, and what they are called in the site."""

_LINK = re.compile(r'(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)')
_ROLE = re.compile(r':(?:func|class|meth|attr|data|mod|exc):<code>~?(.*?)</code>')


def project_urls() -> dict[str, str]:
    """Name -> address, of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg', encoding='utf-8')
    lines = (line.split('=', 1) for line in config['metadata']['project_urls'].strip().splitlines())
    return {name.strip(): address.strip() for name, address in lines}


def on_config(config: Any) -> Any:
    """The addresses of the project."""
    urls = project_urls()
    config['repo_url'], config['site_url'] = urls['Source'], urls['Documentation'].rstrip('/') + '/'
    config['repo_name'] = 'Source'
    return config


def on_files(files: Files, config: Any) -> Files:
    """The changelog and the contributors' page."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding='utf-8')
        files.append(File.generated(config, page, content=_LINK.sub(_from_top, text)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that leave docs/ go to the other pages above, or to the repository."""
    return _LINK.sub(lambda found: _from_docs(found[1], config['repo_url']), markdown)


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Roles of docstrings become code."""
    return _ROLE.sub(r'<code>\1</code>', html)


def _from_top(found: re.Match[str]) -> str:
    """A link of a page at the top as one of docs/."""
    target = found[1]
    if target.startswith('docs/'):
        return target.removeprefix('docs/')
    return f'../{target}'


def _from_docs(target: str, repository: str) -> str:
    if not target.startswith('../'):
        return target
    path = target.removeprefix('../')
    if not (ROOT / path).exists():
        raise FileNotFoundError(f'a page links to {target}, which is not there')
    return PAGES.get(path, f'{repository.rstrip("/")}/blob/main/{path}')
