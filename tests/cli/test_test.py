"""``mmqpt test``: where it writes."""

import json

from mmengine.runner import Runner


def test_it_writes_beside_its_run(monkeypatch, run_command, tiny_finetune, finetuned_checkpoint, tmp_path):
    config, run = tmp_path / 'config.py', tmp_path / 'run'
    cfg = tiny_finetune(run, **{'test_evaluator.out_file': 'work_dirs/predictions.csv'})
    cfg.work_dir = None
    cfg.dump(config)
    run.mkdir()
    (run / 'epoch_2.pth').write_bytes(finetuned_checkpoint.read_bytes())
    seen = []

    class Fake:
        def test(self):
            return {'iqa/SRCC': 0.5}

    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: seen.append(cfg) or Fake())
    monkeypatch.chdir(tmp_path)
    done = run_command('test', config, run / 'epoch_2.pth')
    assert done.returncode == 0, done.err
    assert json.loads((run / 'test' / 'metrics.json').read_text()) == {'iqa/SRCC': 0.5}
    assert seen[0].test_evaluator.out_file == str(run / 'test' / 'predictions.csv')
    assert not (tmp_path / 'work_dirs').exists()
    run_command('test', config, run / 'epoch_2.pth', '--work-dir', 'elsewhere')
    assert (tmp_path / 'elsewhere' / 'metrics.json').is_file()
    assert seen[1].test_evaluator.out_file == 'work_dirs/predictions.csv'
