"""Shipped configs by their names."""

import pytest

from mmqpt.cli.configs import find_config


@pytest.mark.parametrize('text', ['configs/qpt/{}.py', 'qpt/{}.py', '{}.py', '{}'])
def test_shipped_configs_are_found_by_name(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    name = 'qpt_resnet18_1xb32-coslr_folder'
    given = text.format(name)
    found = find_config(given)
    assert found.endswith(f'/configs/qpt/{name}.py')
    (tmp_path / given).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / given).write_text('')
    assert find_config(given) == given  # one's own goes first


@pytest.mark.parametrize('arg', ['--amp', 'none', 'x=qpt_resnet18_1xb32-coslr_folder', 'default_runtime', '../configs'])
def test_other_arguments_stay(arg):
    assert find_config(arg) == arg
