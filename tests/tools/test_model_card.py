"""tools/model_card.py"""


def test_card(run_tool, metric_weights, tmp_path):
    out = tmp_path / 'card.md'
    done = run_tool('model_card.py', metric_weights, '--out', out, '--note', 'licence=CC-BY', 'authors=A = B')
    assert done.returncode == 0
    assert '| authors | A = B |' in out.read_text()
    assert run_tool('model_card.py', metric_weights).out.startswith('# Model card: ')


def test_mistakes_get_one_sentence(run_tool, metric_weights, tmp_path):
    (tmp_path / 'x.json').write_text('{')
    assert 'x.json: no JSON' in run_tool('model_card.py', metric_weights, '--order', tmp_path / 'x.json').returncode
    assert 'no such file' in run_tool('model_card.py', metric_weights, '--order', 'nowhere.json').returncode
    assert '--note must be NAME=TEXT' in run_tool('model_card.py', metric_weights, '--note', 'x').returncode
