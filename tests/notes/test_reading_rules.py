"""Notes written for the tests, one or more per reading rule of the rubric; grades given by hand before running."""

from __future__ import annotations

import pytest

from lss.domain.grades import format_level_grades
from lss.notes.grading import grade_note

GRADE_A = [
    ("No evidence of disc herniation.", "A", ""),
    ("LSS MRI\nNo disc bulge, protrusion or herniation seen.", "A", ""),
    ("No definite thecal sac or nerve root compression.", "A", ""),
    ("Mild disc bulge at L3/L4 and small protrusion at L5-S1.", "A", "L3-L4:A;L5-S1:A"),
    ("Diffuse disc bulge noted at L4-L5 level, touching the thecal sac.", "A", "L4-L5:A"),
    ("Posterior osteophytes noted at L2-L3 level.", "A", "L2-L3:A"),
    ("L5-S1: disc extrusion with downward migration.", "A", "L5-S1:A"),
    ("Adequate spinal canal.", "A", ""),
    ("The thecal sac and nerve roots are intact.", "A", ""),
    ("Large disc protrusion noted at L4-L5 level, abutting the thecal sac.", "A", "L4-L5:A"),
    ("L4-L5: no significant spinal canal stenosis.", "A", "L4-L5:A"),
    ("No spinal canal stenosis or foraminal narrowing.", "A", ""),
    ("Thecal sac compression is not seen.", "A", ""),
    ("Disc bulge at L4-L5 level without thecal sac compression.", "A", "L4-L5:A"),
    ("Mild disc bulge at L4-L5, not compressing the thecal sac.", "A", "L4-L5:A"),
    ("Normal MRI of the lumbosacral spine.", "A", ""),
    ("Small sequestrated fragment noted at L4-L5 level.", "A", "L4-L5:A"),
    ("No evidence of disc herniation, nerve root compression or canal stenosis.", "A", ""),
]

GRADE_BC = [
    ("Disc protrusion at L4-L5 indenting the thecal sac.", "BC", "L4-L5:BC"),
    ("Disc bulge at L4-L5 with effacement of the thecal sac.", "BC", "L4-L5:BC"),
    ("Disc bulge displacing the right S1 nerve root at L5-S1 level.", "BC", "L5-S1:BC"),
    ("Moderate compression of the thecal sac at L3-L4.", "BC", "L3-L4:BC"),
    ("Disc bulge at L4/L5 partially compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Bilateral foraminal narrowing at L5/S1.", "BC", "L5-S1:BC"),
    ("Narrowing of the left lateral recess at L4-L5.", "BC", "L4-L5:BC"),
    ("Disc bulge encroaching both exits at L4-L5.", "BC", "L4-L5:BC"),
    ("Bilateral foraminal stenosis at L4-L5.", "BC", "L4-L5:BC"),
    ("Severe foraminal stenosis at L4-L5.", "BC", "L4-L5:BC"),
    ("L4-L5: Lt foraminal protrusion significantly narrowing the left foramen.", "BC", "L4-L5:BC"),
    ("Bulge at L4-L5 compressing the thecal sac and markedly narrowing the right foramen.", "BC", "L4-L5:BC"),
    ("L4-L5: bulge compressing the thecal sac and exit canals (largely the Rt one).", "BC", "L4-L5:BC"),
    ("L4-L5: bulge compressing the thecal sac, largely at the left side.", "BC", "L4-L5:BC"),
    ("Mild secondary spinal canal stenosis at L4-L5 level.", "BC", "L4-L5:BC"),
    ("Disc bulge at L4-L5 level with relative spinal canal stenosis.", "BC", "L4-L5:BC"),
    ("Bulge at L3/L4 leading to relatively secandary spinal canal stensois.", "BC", "L3-L4:BC"),
    ("Mild to moderate spinal canal stenosis at L4-L5.", "BC", "L4-L5:BC"),
    ("Narrowed spinal canal at L4-L5 level.", "BC", "L4-L5:BC"),
    ("The spinal canal appears narrow.", "BC", ""),
    ("Disc bulge at L4-L5 obliterating the anterior CSF space.", "BC", "L4-L5:BC"),
    ("Large disc bulge at L4-L5 level compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Significant disc protrusion noted at L5-S1, compressing the thecal sac.", "BC", "L5-S1:BC"),
    ("Multilevel disc bulges compressing the thecal sac, largest at L3-L4.", "BC", "L3-L4:BC"),
    ("L4-L5: bulge relatively compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Granulation tissue compressing the thecal sac at L5-S1.", "BC", "L5-S1:BC"),
    ("L2 fracture with retropulsed fragment compressing the thecal sac.", "BC", ""),
    ("Bulge at L4-L5 compressing the sac. Adequate spinal canal.", "BC", "L4-L5:BC"),
    ("Disc bulge at L4/5 with thecal sac compression.", "BC", "L4-L5:BC"),
    ("The thecal sac is mildly compressed at L3-L4 level.", "BC", "L3-L4:BC"),
    ("Disc bulge at L4-L5 with facet hypertrophy, narrowing the spinal canal.", "BC", "L4-L5:BC"),
    ("Marked degenerative changes. Disc bulge at L4-L5 compressing the thecal sac.", "BC", "L4-L5:BC"),
]

GRADE_D = [
    ("Disc protrusion at L4-L5 largely compressing the thecal sac.", "D", "L4-L5:D"),
    ("Significant compressing of the thecal sac at L4-L5.", "D", "L4-L5:D"),
    ("Markedly compressed thecal sac at L3-L4 level.", "D", "L3-L4:D"),
    ("L4-L5: severe narrowing of the spinal canal.", "D", "L4-L5:D"),
    ("The spinal canal is severely narrowed at L4-L5.", "D", "L4-L5:D"),
    ("Protrusion at L5-S1 filling the spinal canal.", "D", "L5-S1:D"),
    ("Extrusion at L4-L5 obliterating the thecal sac.", "D", "L4-L5:D"),
    ("Protrusion at L5-S1 compressing and filling the thecal sac.", "D", "L5-S1:D"),
    ("Spinal canal stenosis at L4-L5.", "D", "L4-L5:D"),
    ("Moderate spinal canal stenosis at L4-L5.", "BC", "L4-L5:BC"),
    ("Secondary canal stenosis noted at L3-L4 & L4-L5 levels.", "D", "L3-L4:D;L4-L5:D"),
    ("Severe lumbar canal stenosis.", "D", ""),
    ("Large compression of the thecal sac at L4-L5.", "D", "L4-L5:D"),
    ("Bulge at L4-L5 causing significant thecal sac and nerve root compression.", "D", "L4-L5:D"),
    ("L4-L5: protrusion compressing the thecal sac significantly.", "D", "L4-L5:D"),
    ("Disc protrusion at L4/L5\nlargly compresing Lt side of the thecal sca.", "D", "L4-L5:D"),
    ("Retropulsed fragment of L1 largely compressing the thecal sac.", "D", ""),
    ("Bulge at L4-L5 compressing the thecal sac and markedly narrowing the spinal canal.", "D", "L4-L5:D"),
    ("Protrusion at L5-S1 level, severely compressing the left S1 nerve root.", "D", "L5-S1:D"),
]

NO_GRADE = [
    ("", None, ""),
    (" \n ", None, ""),
    ("LSS MRI", None, ""),
    ("MRI OF THE LSS\nFeature of muscle spasm.", None, ""),
    ("Old compression fracture of L1 noted.", None, ""),
    ("Wedging of D12 vertebral body.", None, ""),
    ("Modic type II changes at L5-S1.", None, ""),
    ("Narrowed disc space noted at L5-S1 level.", None, ""),
    ("Grade I spondylolisthesis of L4 over L5.", None, ""),
    ("Small Tarlov cyst noted at S2 level. Lt renal cyst.", None, ""),
    ("No significant change since the previous study.", None, ""),
    ("Cervical MRI:\nDisc bulge at C5/C6 compressing the spinal cord.", None, ""),
    ("D SPINE MRI\nNo significant spinal cord compression.", None, ""),
    ("KNEE MRI: tear of the medial meniscus.", None, ""),
    ("Disc bulge at D10/D11 level, compressing the spinal cord.", None, ""),
]

DENIAL_SCOPE = [
    ("L4-L5: disc protrusion compressing the sac. L5-S1: no significant compression", "BC", "L4-L5:BC;L5-S1:A"),
    ("L4-L5: no compression.\nL5-S1: protrusion largely compressing the thecal sac.", "D", "L4-L5:A;L5-S1:D"),
    ("Bulge at L5-S1 indenting the thecal sac but not causing significant nerve root compression.", "BC", "L5-S1:BC"),
    ("No nerve root compression, but the thecal sac is compressed at L4-L5.", "BC", "L4-L5:BC"),
    ("No disc herniation at L3-L4, disc bulge at L4-L5 compressing the thecal sac.", "BC", "L3-L4:A;L4-L5:BC"),
    ("No significant compression at L4-L5 level.\nSpinal canal stenosis at L3-L4 level.", "D", "L3-L4:D;L4-L5:A"),
    ("No change of the disc bulge compressing the thecal sac at L4-L5.", "BC", "L4-L5:BC"),
    (
        "No evidence of disc herniation.\nCompression of the thecal sac by granulation tissue at L5-S1.",
        "BC",
        "L5-S1:BC",
    ),
    ("Disc bulge at L4-L5 compressing the sac with no nerve root compression.", "BC", "L4-L5:BC"),
    ("No evidence of disc herniation except at L5-S1, where the thecal sac is compressed.", "BC", "L5-S1:BC"),
]

LEVELS = [
    ("Bulges at L3/L4, L4/L5 & L5/S1 compressing the sac.", "BC", "L3-L4:BC;L4-L5:BC;L5-S1:BC"),
    ("L4-5 and L5-S1 levels: bulges compressing the sac.", "BC", "L4-L5:BC;L5-S1:BC"),
    ("L4-l5: bulge compressing the sac.", "BC", "L4-L5:BC"),
    ("Disc bulge atL4/L5 level compressing the sac.", "BC", "L4-L5:BC"),
    ("Bulge at L5/S 1 compressing the sac.", "BC", "L5-S1:BC"),
    ("Bulge at D12/L1 compressing the sac.", "BC", "T12-L1:BC"),
    ("Disc bulges from L2-L3 to L4-L5 compressing the sac.", "BC", "L2-L3:BC;L3-L4:BC;L4-L5:BC"),
    ("Multilevel bulges, noticeably at L4-L5, compressing the sac.", "BC", "L4-L5:BC"),
    ("Multilevel bulges at L2-L3 and L3-L4, noticeably at L3-L4, compressing the sac.", "BC", "L2-L3:BC;L3-L4:BC"),
    ("Bulges at L3-L4 and L4-L5 compressing the sac, with annular tear at L4-L5.", "BC", "L3-L4:BC;L4-L5:BC"),
    ("Spinal canal stenosis at L4-L5, and to a lesser degree at L3-L4.", "D", "L3-L4:BC;L4-L5:D"),
    ("L4-L5 level:\nBulge compressing the sac.\nL5-S1 level:\nMild bulge.", "BC", "L4-L5:BC;L5-S1:A"),
    ("L3-L4\nMild bulge\nL4-L5\nBulge largely compressing the sac", "D", "L3-L4:A;L4-L5:D"),
    ("Mild bulge at L4-L5 with modic changes at L5-S1.", "A", "L4-L5:A"),
    ("L3-L4: mild bulge with modic changes at L5-S1.", "A", "L3-L4:A"),
    ("L5-S1: spondylolisthesis. Bulge at L4-L5 compressing the sac.", "BC", "L4-L5:BC"),
    ("Bulges at L3-L4 and L4-L5 with narrowing of the left foramen at L4-L5.", "BC", "L3-L4:A;L4-L5:BC"),
    ("Narrowed disc space of L5/S1 with disc bulge compressing the sac.", "BC", "L5-S1:BC"),
    ("Bulges at D11/D12 and D12/L1 compressing the sac.", "BC", "T12-L1:BC"),
    ("Diffuse disc bulge at L4-L5.\nIt compresses the thecal sac.", "BC", "L4-L5:BC"),
    ("Diffuse disc bulge at L4-L5.\nWith secondary spinal canal stenosis.", "D", "L4-L5:D"),
    ("Spinal canal stenosis.\nMild bulge at L4-L5.", "D", "L4-L5:A"),
    ("L4-L5: bulge compressing the sac. L3-L4: bulge abutting it.", "BC", "L3-L4:A;L4-L5:BC"),
]

REGIONS = [
    ("C.SPINE MRI:\nC5/C6 bulge severely compressing the cord.\nLSS MRI:\nL4-L5: mild bulge.", "A", "L4-L5:A"),
    ("Cervical MRI:\nNo compression.\nLSS MRI:\nBulge at L4-L5 compressing the sac.", "BC", "L4-L5:BC"),
    ("LSS MRI:\nBulge at L4-L5 compressing the sac.\nRT KNEE MRI:\nNo compression.", "BC", "L4-L5:BC"),
    ("LSS AND PELVIS MRI\nNo disc herniation.", "A", ""),
    ("LSS MRI with contrast\nNo disc herniation.", "A", ""),
]

LANGUAGE = [
    ("No significant disc lesion seen.", "A", ""),
    ("Relative narrowing of the spinal canal at L3-L4.", "BC", "L3-L4:BC"),
    ("Disc bulge at L4-L5 leading to spinal stenosis.", "D", "L4-L5:D"),
    ("Bulge at L4-L5 with lateral canal stenosis.", "BC", "L4-L5:BC"),
    ("Bilateral exit canal stenosis at L5-S1.", "BC", "L5-S1:BC"),
    ("Disc bulge at L4-L5 pressing upon the thecal sac.", "BC", "L4-L5:BC"),
    ("Disc bulge at L4-L5 reducing the spinal canal diameter.", "BC", "L4-L5:BC"),
    ("Diffusely reduced signal of the bone marrow.", None, ""),
    ("Non compressive disc bulge at L4-L5.", "A", "L4-L5:A"),
    ("Non enhancing lesion at L4-L5 compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Free disc fragment at L5-S1 compressing the thecal sac.", "BC", "L5-S1:BC"),
    ("The canal is free of compression.", "A", ""),
    ("MRI without contrast: bulge at L4-L5 compressing the sac.", "BC", "L4-L5:BC"),
    ("Spinal canal stenosis of mild degree at L4-L5.", "BC", "L4-L5:BC"),
    ("Spinal canal stenosis (mild) at L4-L5.", "BC", "L4-L5:BC"),
    ("L4\\L5: bulge compressing the sac.", "BC", "L4-L5:BC"),
    ("L4-L5-S1: bulges compressing the sac.", "BC", "L4-L5:BC;L5-S1:BC"),
    ("Bulge at L4-L5 and protrusion at L5-S1, both compressing the sac.", "BC", "L4-L5:BC;L5-S1:BC"),
    ("Bulge at L4-L5 encroaching the left exit canal at L4-L5 and the right at L5-S1.", "BC", "L4-L5:BC;L5-S1:BC"),
    ("Bulges compressing the sac and exit canals, more marked at L4-L5.", "BC", "L4-L5:BC"),
    ("Lumbo-sacral MRI:\nAdequate decompression of the canal.", "A", ""),
    ("Cervical MRI:\nC5/C6 bulge.\nLumbo-sacral MRI:\nBulge compressing the sac.", "BC", ""),
    ("L5-S1 Rt. paracentral protrusion. compressing Rt. S1 root.", "BC", "L5-S1:BC"),
    ("DISC BULGE AT L4-L5 LARGELY COMPRESSING THE THECAL SAC", "D", "L4-L5:D"),
    ("Bulge at L4-L5; compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Epidural scar compressing the left side of the thecal sac at L5-S1.", "BC", "L5-S1:BC"),
    ("Compression fracture of L1 with retropulsion, largely narrowing the spinal canal.", "D", ""),
    ("Severe degenerative changes. No thecal sac compression.", "A", ""),
    ("Severe facet hypertrophy at L4-L5 narrowing the exit canals.", "BC", "L4-L5:BC"),
    ("Rt renal cyst compressing the ureter.", None, ""),
    ("Herniation at L5-S1 compressing the S1 nerve root and severely narrowing the canal.", "D", "L5-S1:D"),
    ("L4-L5: spinal canal: adequate. Disc: mild bulge.", "A", "L4-L5:A"),
    ("Disc bulge at L4-L5 level , compressing\nthe thecal sac and\nexit canals", "BC", "L4-L5:BC"),
    ("No significant thecal sac or nerve\nroot compression.", "A", ""),
    ("1. Disc bulge at L3-L4 compressing the sac 2. Mild bulge at L5-S1", "BC", "L3-L4:BC;L5-S1:A"),
    ("Moderate to severe spinal canal narrowing at L4-L5.", "D", "L4-L5:D"),
    ("Bulges at L2/L3 & L3/L4, mostly at L3/L4, with secondary spinal canal stenosis.", "D", "L2-L3:D;L3-L4:D"),
    ("Previous operation at L4-L5. No recurrent disc herniation.", "A", ""),
    ("L3-L4: mild secondary canal stenosis. L4-L5: severe secondary canal stenosis.", "D", "L3-L4:BC;L4-L5:D"),
    ("Bulge at L4-L5 largely encroaching upon the exit canals and compressing the thecal sac.", "BC", "L4-L5:BC"),
    ("Bulge at L4-L5 compressing the sac and largely the exit canals.", "BC", "L4-L5:BC"),
    ("Protrusion at L4-L5 largely compressing the sac, encroaching on the left exit canal.", "D", "L4-L5:D"),
    ("Bulge at L4-L5 compressing the sac with significant encroachment of the exit canals.", "BC", "L4-L5:BC"),
    ("L4-L5: significant thecal sac and mild nerve root compression.", "D", "L4-L5:D"),
    ("No significant thecal sac compression, mild encroachment on the left exit canal at L5-S1.", "BC", "L5-S1:BC"),
    ("L4-L5: mild thecal sac compression and severe bilateral foraminal narrowing.", "BC", "L4-L5:BC"),
    ("Spinal canal and foraminal stenosis at L4-L5.", "D", "L4-L5:D"),
    ("Severe lateral recess stenosis at L4-L5.", "BC", "L4-L5:BC"),
    ("Bulges at L3-L4 & L4-L5, largest at L4-L5 where it largely compresses the sac.", "D", "L3-L4:A;L4-L5:D"),
    ("L4-L5: bulge compressing the sac.\nL5-S1: No significant abnormality.", "BC", "L4-L5:BC;L5-S1:A"),
    ("Posterior protrusion at L5-S1 filling the Lt lateral recess.", "BC", "L5-S1:BC"),
    ("Cauda equina is compressed at L4-L5 by a large sequestrated disc.", "BC", "L4-L5:BC"),
    ("Thecal sac is compressed at L4-L5 and largely compressed at L5-S1.", "D", "L4-L5:BC;L5-S1:D"),
]

SPELLING_AND_QUESTIONS = [
    ("L4\u2212L5: severe canal stenosis. L5\u2011S1: no canal stenosis.", "D", "L4-L5:D;L5-S1:A"),
    ("?severe stenosis at L4/5", None, ""),
    ("L4-L5: severe canal stenosis ruled out.", "A", "L4-L5:A"),
]

ALL = SPELLING_AND_QUESTIONS + GRADE_A + GRADE_BC + GRADE_D + NO_GRADE + DENIAL_SCOPE + LEVELS + REGIONS + LANGUAGE


@pytest.mark.parametrize(("note", "grade", "levels"), ALL)
def test_reading_rule(note: str, grade: str | None, levels: str) -> None:
    graded = grade_note(note)
    assert (graded.grade, format_level_grades(graded.level_grades)) == (grade, levels), graded.evidence


@pytest.mark.parametrize("note", [
    "Severe stenosis at L4-L5, now decompressed.",
    "L4-L5: severe stenosis, which is now decompressed following laminectomy.",
    "The severe stenosis at L4-L5 has been surgically decompressed.",
    "L4-L5: severe stenosis is adequately decompressed.",
    "L4-L5: laminectomy, severe stenosis relieved.",
    "The canal, severely stenotic before surgery, is now decompressed.",
    "L4-L5: previously severe stenosis, no longer present.",
    "L4-L5: interval decompression of severe stenosis; the canal is now patent.",
])  # fmt: skip
def test_a_stenosis_that_surgery_ended_is_none(note: str) -> None:
    assert grade_note(note).grade == "A"


@pytest.mark.parametrize(("note", "grade"), [
    ("L4-L5: severe canal stenosis, relieved by flexion.", "D"),
    ("L4-L5: severe stenosis, not decompressed.", "D"),
    ("L4-L5: severe stenosis has not been decompressed.", "D"),
    ("L4-L5: severe stenosis, to be decompressed.", "D"),
    ("L4-L5: severe stenosis incompletely decompressed.", "D"),
    ("L4-L5: severe stenosis, previously decompressed.", "D"),
    ("Severe stenosis above the decompressed level.", "D"),
    ("Severe stenosis at L3-L4, L4-L5 decompressed.", "D"),
    ("Severe stenosis at L4-L5 and the L3-L4 level is decompressed.", "D"),
    ("Severe stenosis at L4-L5, resolved at L5-S1.", "D"),
    ("Sac compressed at L4-L5, decompressed at L5-S1.", "BC"),
    ("L3-L4 was decompressed but severe stenosis remains.", "D"),
    ("Surgical decompression of the severe stenosis at L4-L5 is advised.", "D"),
    ("Pain relieved. L4-L5: severe stenosis.", "D"),
])  # fmt: skip
def test_what_surgery_did_elsewhere_in_part_or_not_yet_ends_no_stenosis(note: str, grade: str) -> None:
    assert grade_note(note).grade == grade
