"""A reading as DICOM objects of the study that was read: segmentations, a report, a PDF, secondary captures.

Every object carries the patient's and the study's identity, as its source images do: where these may not go, the
objects may not go either.
"""
