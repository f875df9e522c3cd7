"""The vocabularies and formulas that every part shares: grades, disc levels, affected area."""
