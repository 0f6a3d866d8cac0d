"""How good predicted scores are: ``statistics`` (functions of arrays), ``protocols`` (experiments over splits) and
``reports`` (tables, plots and pages made from their results).

Imports ``core``, ``degradations``, ``datasets`` and ``models``; each room only the rooms named before it.
"""
