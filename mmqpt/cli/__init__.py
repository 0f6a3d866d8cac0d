"""The command line ``mmqpt``: a table of commands, a file for each, and one place where errors become exit codes.

Imports every folder, but nothing heavy before a command runs. To add a command, write its file (``add_options`` and
``run``) and its line in :mod:`mmqpt.cli.commands`.
"""
