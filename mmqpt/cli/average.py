"""Average encoders that began at the same weights; the head is fitted anew.

Examples:
    mmqpt average qpt_efficientnet_lite0_side finetuned.safetensors --out between.safetensors
    mmqpt average a.safetensors b.safetensors c.safetensors --shares 0.5 0.25 0.25 --out soup.safetensors
    mmqpt average metric.safetensors --branch qpt_efficientnet_lite0_side --out beside.safetensors
    mmqpt average seed0.safetensors --branch seed1.safetensors seed2.safetensors --out three.safetensors
    PRETRAINED=between.safetensors mmqpt finetune CONFIG
"""

from __future__ import annotations

import argparse

from mmqpt.cli.options import add_overwrite, check_targets


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        'files',
        nargs='+',
        help='exported files, or names of encoders that come along: two or more, or one and --branch',
    )
    parser.add_argument('--out', required=True, help='file to write, ending with .safetensors')
    add_overwrite(parser)
    parser.add_argument('--shares', nargs='+', type=float, help='share of each file, together 1; by default equal ones')
    parser.add_argument(
        '--branch', nargs='+', default=[], help='files or encoders whose side branches join the average'
    )


def run(args: argparse.Namespace) -> None:
    """Writes the file."""
    from mmqpt.export.average import average_encoders
    from mmqpt.metric.encoders import find_encoder

    check_targets(args.overwrite, args.out, inputs=[*args.files, *args.branch])
    branches = [find_encoder(name) for name in args.branch]
    spec = average_encoders([find_encoder(name) for name in args.files], args.out, args.shares, branches)
    print(f'{args.out}: {spec}; fine-tune it on opinion scores, beginning with the head (HeadStartHook)')
