"""Print a config with its base and the options of the command line in it.

Example:
    python tools/print_config.py configs/qpt/qpt_resnet18_1xb32-coslr_folder.py --cfg-options model.queue_length=1024
"""

import argparse

from mmqpt.engine.launch import add_common_options, load_config, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    add_common_options(parser)
    print(load_config(parser.parse_args()).pretty_text)


if __name__ == '__main__':
    run(main)
