"""Millimetres of the thecal sac: area and diameter with intervals, cut-offs of the literature, change against a prior."""
