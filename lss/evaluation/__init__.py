"""From predictions to numbers: cases, measures with intervals, curves, tests. Plain functions; no files."""
