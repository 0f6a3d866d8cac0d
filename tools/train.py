"""``mmqpt pretrain`` and ``mmqpt finetune``, under the name that OpenMMLab gives it."""

from mmqpt.cli.main import run_command

if __name__ == '__main__':
    run_command('pretrain')
