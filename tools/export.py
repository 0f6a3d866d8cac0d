"""Turn a checkpoint into files that need no OpenMMLab.

Examples:
    python tools/export.py work_dirs/x/epoch_12.pth qpt.safetensors
    python tools/export.py work_dirs/x/epoch_200.pth resnet50.pth --to torchvision
"""

import argparse

from mmengine.logging import MMLogger

from mmqpt.engine.launch import run
from mmqpt.export.convert import export_backbone, export_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='checkpoint of a pre-training or fine-tuning run')
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--to',
        choices=['mmqpt', 'timm', 'torchvision'],
        default='mmqpt',
        help='mmqpt: what the metric loads; timm, torchvision: the plain backbone',
    )
    parser.add_argument('--backbone-name', help="timm's name of the backbone, where it is not known")
    args = parser.parse_args()
    MMLogger.get_current_instance().setLevel('WARNING')  # backbones announce their stages
    if args.to == 'mmqpt':
        spec = export_checkpoint(args.checkpoint, args.out, args.backbone_name)
        print(f'{args.out}: {spec}')
        if spec.kind == 'backbone':
            print('this is a backbone without a quality head: fine-tune it on opinion scores before scoring photos')
    else:
        print(f'{args.out}: {export_backbone(args.checkpoint, args.out, args.to)} of {args.to}')


if __name__ == '__main__':
    run(main)
