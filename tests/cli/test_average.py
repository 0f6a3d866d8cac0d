"""The command that averages encoders; what it computes is tested with the function."""

from mmqpt.core.weights_file import read_weights


def test_files_and_names_are_averaged(run_command, metric_weights, tmp_path):
    out = tmp_path / 'between.safetensors'
    done = run_command('average', metric_weights, metric_weights, '--out', out, '--shares', 0.25, 0.75)
    assert done.returncode == 0, done.err
    assert done.out.startswith(f'{out}: encoder of test_resnet')
    assert read_weights(out)[1].kind == 'backbone'


def test_mistakes(run_command, metric_weights, tmp_path):
    done = run_command('average', metric_weights, 'nobody', '--out', tmp_path / 'x.safetensors')
    assert done.returncode == 2
    assert "no encoder called 'nobody'; there are: qpt_efficientnet_lite0_side" in done.err
    done = run_command('average', 'qpt_efficientnet_lite0_side', metric_weights, '--out', tmp_path / 'x.safetensors')
    assert done.returncode == 2
    assert 'only alike can be averaged' in done.err
