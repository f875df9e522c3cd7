"""Disc levels from anatomy: discs found on a mid-sagittal T2 slice, named from the sacrum up, put onto axial slices."""
