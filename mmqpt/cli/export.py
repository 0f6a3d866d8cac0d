"""Turn a checkpoint into files that need no OpenMMLab.

Examples:
    mmqpt export work_dirs/x/epoch_12.pth qpt.safetensors
    mmqpt export work_dirs/x/epoch_12.pth qpt.safetensors --half
    mmqpt export work_dirs/x/epoch_200.pth resnet50.pth --to torchvision
    mmqpt export qpt.safetensors qpt.onnx --onnx
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        'checkpoint', help='checkpoint of a pre-training or fine-tuning run; for ONNX also .safetensors'
    )
    parser.add_argument('out', help='file to write')
    add_overwrite(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        '--to',
        choices=['mmqpt', 'timm', 'torchvision', 'onnx'],
        default='mmqpt',
        help='mmqpt: what the metric loads; timm, torchvision: the plain backbone; onnx: the metric for onnxruntime',
    )
    kind.add_argument('--onnx', dest='to', action='store_const', const='onnx', help='the same as --to onnx')
    parser.add_argument('--backbone-name', help="timm's name of the backbone, where it is not known")
    parser.add_argument(
        '--half', action='store_true', help='mmqpt: float16 weights, half the size; scores change by up to about 0.001'
    )


def run(args: argparse.Namespace) -> None:
    """Writes the file; needs OpenMMLab for checkpoints only."""
    if args.half and args.to != 'mmqpt':
        raise InputError('--half is for the file of the metric (--to mmqpt) only')
    if args.to != 'onnx' and Path(args.checkpoint).suffix == '.safetensors':
        raise InputError(
            f'{args.checkpoint}: is exported already; a .safetensors file can only be turned into ONNX (--onnx)'
        )
    check_targets(args.overwrite, args.out, inputs=[args.checkpoint])
    if args.to == 'onnx':
        to_onnx(args)
        return
    from mmqpt.export.convert import export_backbone, export_checkpoint
    from mmqpt.models.logs import silence_mmengine

    silence_mmengine()
    if args.to == 'mmqpt':
        spec = export_checkpoint(args.checkpoint, args.out, args.backbone_name, args.half)
        print(f'{args.out}: {spec}')
        if spec.kind == 'backbone':
            print('this is a backbone without a quality head: fine-tune it on opinion scores before scoring photos')
    else:
        print(f'{args.out}: {export_backbone(args.checkpoint, args.out, args.to)} of {args.to}')


def to_onnx(args: argparse.Namespace) -> None:
    """Write the metric for onnxruntime."""
    from mmqpt.metric.onnx_export import export_onnx

    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(args.checkpoint)
        if weights.suffix != '.safetensors':
            from mmqpt.export.convert import export_checkpoint
            from mmqpt.models.logs import silence_mmengine

            silence_mmengine()
            weights = Path(scratch) / f'{weights.stem}.safetensors'
            spec = export_checkpoint(args.checkpoint, weights, args.backbone_name)
            if spec.kind != 'metric':
                raise InputError(f'{args.checkpoint}: a backbone without a quality head; fine-tune it first')
        file = export_onnx(weights, args.out)
    print(f'{args.out}: {file}')
