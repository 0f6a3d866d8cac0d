"""The command line ``mmqpt``. Its modules import nothing heavy before a command runs."""
