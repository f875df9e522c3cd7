"""The embedded phantom cohort: synthetic lumbar MRI in the layout of the Lumbar Spine MRI Dataset.

From `anatomy` (who the patients are) over `axial`, `sagittal`, `coronal` (tissue pictures drawn from that anatomy),
`acquisition` (what the scanner makes of them), `headers` and `notes` (what stands around the pixels) to
`archive` (one patient's files). Everything is drawn from named random streams of one seed.

It shows that the chain works on images whose truth is known. It is no model of disease or of people: nothing
measured on it says how well anything works on patients.
"""
