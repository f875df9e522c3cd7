"""Sentences in the style of lumbar spine reports, on which the tokenizers of the tiny checkpoints are trained.

Made from templates: no patient's words are among them.
"""

from __future__ import annotations

from itertools import product

LEVELS = ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1", "L1/2", "L2/3", "L3/4", "L4/5", "L5/S1", "D12-L1")
_DISC = (
    "diffuse disc bulge",
    "mild diffuse disc bulge",
    "broad based disc protrusion",
    "central disc protrusion",
    "right paracentral disc protrusion",
    "left paracentral disc extrusion",
    "posterior disc bulge with annular tear",
    "disc desiccation",
    "no disc herniation",
)
_EFFECT = (
    "indenting the thecal sac",
    "compressing the thecal sac",
    "causing severe compression of the thecal sac",
    "causing mild spinal canal stenosis",
    "causing moderate narrowing of the spinal canal",
    "with bilateral neural foraminal narrowing",
    "with right neural foraminal narrowing, compressing the exiting nerve root",
    "with left lateral recess narrowing, abutting the traversing nerve root",
    "without nerve root compression",
    "with facet joint arthropathy and ligamentum flavum hypertrophy",
)
_SENTENCES = (
    "No significant spinal canal stenosis, {number} % of the region is affected.",
    "Mild to moderate spinal canal compression, {number} % of the region is affected.",
    "Severe spinal canal stenosis, {number} % of the region is affected.",
    "Severe thecal sac compression with crowding of the cauda equina nerve roots at {level}.",
    "Mild thecal sac compression at {level}. Moderate thecal sac compression at {level}.",
    "Normal thecal sac; no compression of the nerve roots is seen at {level}.",
    "An axial magnetic resonance image of the lumbar spine with normal spinal canal at {level}.",
    "An axial MRI of the lumbar spine with mild, moderate, severe central canal stenosis at {level}.",
    "Clinical correlation is recommended. Feature of muscle spasm: loss of lumbar lordosis.",
    "The vertebral bodies show normal height, alignment and marrow signal intensity.",
    "Degenerative endplate changes (Modic type {number}) with anterior and posterior osteophytes.",
    "The conus medullaris and the cauda equina are normal. No fracture, no mass lesion, no collection.",
    "Spondylolisthesis of grade {number}; schmorl nodes; early spondylotic changes; straightening of lordosis.",
    "LSS MRI: Rt and Lt exit foramina narrowed at {level} with impingement on the nerve root bilaterally.",
    "Impression: multilevel degenerative disc disease, most marked at {level}, no evidence of infection.",
)


def sentences() -> list[str]:
    """Return the training text, always the same lines in the same order."""
    lines = [f"{level}: {disc} {effect}." for level, disc, effect in product(LEVELS, _DISC, _EFFECT)]
    lines += [
        sentence.format(level=level, number=f"{index * 7 % 100}.{index % 10}")
        for sentence in _SENTENCES
        for index, level in enumerate(LEVELS * 4)
    ]
    return lines
