"""Results for people: tables, plots, pages and model cards. Imports the other two rooms of ``evaluation``."""
