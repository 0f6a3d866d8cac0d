"""Print a config with its base and the options of the command line in it.

Example:
    mmqpt print-config qpt_resnet18_1xb32-coslr_folder --cfg-options model.queue_length=1024
"""

from __future__ import annotations

import argparse

from mmqpt.cli.options import add_common_options, add_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_config(parser)
    add_common_options(parser)


def run(args: argparse.Namespace) -> None:
    """Prints the config."""
    from mmqpt.engine.launch import load_config

    print(load_config(args).pretty_text)
