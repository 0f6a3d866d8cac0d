"""Predictions, and functions of predicted and opinion scores: correlations, logistic fits, intervals.

Imports only ``core``.
"""
