"""mmqpt model-card"""


def test_card(run_command, metric_weights, tmp_path):
    out = tmp_path / 'card.md'
    done = run_command('model-card', metric_weights, '--out', out, '--note', 'licence=CC-BY', 'authors=A = B')
    assert done.returncode == 0
    assert '| authors | A = B |' in out.read_text()
    assert run_command('model-card', metric_weights).out.startswith('# Model card: ')


def test_mistakes_get_one_sentence(run_command, metric_weights, tmp_path):
    (tmp_path / 'x.json').write_text('{')
    for arguments, message in (
        (['--order', tmp_path / 'x.json'], 'x.json: not JSON'),
        (['--order', 'nowhere.json'], 'no such file: nowhere.json'),
        (['--note', 'x'], "--note must be NAME=TEXT, got 'x'"),
    ):
        done = run_command('model-card', metric_weights, *arguments)
        assert done.returncode == 2
        assert message in done.err
