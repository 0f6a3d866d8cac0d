"""Results for people: tables, plots, pages and model cards.

Imports the other two rooms of ``evaluation``, and what is below ``evaluation``.
"""
