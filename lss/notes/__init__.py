"""Radiologists' free-text notes: cleaning, grading, reference texts and checks of generated reports."""
