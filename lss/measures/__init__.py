"""Millimetres of the thecal sac: area and diameter with intervals, cut-offs, change against a prior study."""
