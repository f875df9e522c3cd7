"""Metrics and statistics: plain functions on arrays and texts."""
