"""``python -m mmqpt``: the command line, where scripts are not on the path."""

from mmqpt.cli.main import main

if __name__ == '__main__':
    main()
