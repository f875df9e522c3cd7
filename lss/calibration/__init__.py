"""Calibration of a model's grades: probabilities that match frequencies, and sets of grades that hold the true one."""
