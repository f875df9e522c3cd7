"""Codes used in the objects: SNOMED CT, DICOM's own, and one private scheme for the grades."""

from __future__ import annotations

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SPINAL_CANAL = Code("61853006", "SCT", "Spinal canal structure")
SPINAL_STENOSIS = Code("76107001", "SCT", "Spinal stenosis")
ANATOMICAL_STRUCTURE = codes.SCT.AnatomicalStructure
ABNORMAL_STRUCTURE = codes.SCT.MorphologicallyAbnormalStructure
LUMBAR_SPINE = Code("122496007", "SCT", "Lumbar spine structure")

AREA = codes.SCT.Area
DIAMETER = codes.SCT.Diameter

DISC_LEVELS = {
    "T12-L1": Code("243926009", "SCT", "Level of T12/L1 intervertebral disc"),
    "L1-L2": Code("243920003", "SCT", "Level of L1/L2 intervertebral disc"),
    "L2-L3": Code("243921004", "SCT", "Level of L2/L3 intervertebral disc"),
    "L3-L4": Code("243922006", "SCT", "Level of L3/L4 intervertebral disc"),
    "L4-L5": Code("243923001", "SCT", "Level of L4/L5 intervertebral disc"),
    "L5-S1": Code("243927000", "SCT", "Level of L5/S1 intervertebral disc"),
}

STENOSIS_GRADE = Code("lss-grade", "99LSS", "Grade of central stenosis (Schizas, B and C merged)")
GRADES = {
    "A": Code("lss-A", "99LSS", "Grade A, no or minor stenosis"),
    "BC": Code("lss-BC", "99LSS", "Grade B or C, moderate or severe stenosis"),
    "D": Code("lss-D", "99LSS", "Grade D, extreme stenosis"),
}
"""No standard coding scheme has the grades of Schizas 2010; 99 marks a private scheme (DICOM PS3.3, 8.2)."""
