"""Tools used by hand beside the chain: plans, changes, doctor, inspections, kept runs."""
