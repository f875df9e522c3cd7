"""What was read from a study as DICOM objects of that study: segmentations, a report, a PDF, a secondary capture.

Every object carries the patient's and the study's identity, as its source images do: where these may not go, the
objects may not go either.
"""
