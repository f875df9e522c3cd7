"""A folder cohort of phantom patients, full of identifiers that stand nowhere else in the world: the canaries."""

from __future__ import annotations

import csv
import gzip
import shutil
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset

from lss.phantom.archive import IMAGES, Plan, write_patient

ROOT = "data/raw/Archiv Hollerstauden"
TABLE = "Liste Wendelborn.csv"
SLICES = "Ebenen Krummbeck.csv"
STUDY = "Quorfink_Bolsewin.zip"
"""The study for `lss read`, beside the cohort."""

NAMES = [
    "Quixwobble^Tamsindra", "Größwünschel^Jörglinde", "Vandrazzi^Mirobella^Quint", "O'Zurrigan^Flavienne",
    "Plenkowitz-Abrazin^Torvaldine", "Xanderup^Wilbrecht", "Yttergaard^Solveiga", "Zmijewczak^Bronimir",
]  # fmt: skip
"""DICOM names, family name first, of the patients in turn."""

GRADES = ["A", "BC", "D", "A", "BC", "D", "A", "BC"]
PICTURES, VOLUME = 6, 7
"""Places in NAMES of the patient whose slices are PNG files, and of the one whose slices are a NIfTI volume."""

CANARIES: dict[str, list[str]] = {
    "name of a patient": [
        "Quixwobble",
        "Tamsindra",
        "Größwünschel",
        "Jörglinde",
        "Vandrazzi",
        "Mirobella",
        "Zurrigan",
        "Flavienne",
        "Plenkowitz",
        "Abrazin",
        "Torvaldine",
        "Xanderup",
        "Wilbrecht",
        "Yttergaard",
        "Solveiga",
        "Zmijewczak",
        "Bronimir",
        "Groesswuenschel",
        "Joerglinde",
        "Grosswunschel",
    ],
    "id of a patient": ["KRZ-8830417", "KRZ8830417", "8830417", "OPQ-5519372", "5519372", "66204913"],
    "another name": ["Mellingvoss", "Krautenhofer"],
    "birth date": ["19130611", "1913-06-11", "11.06.1913", "06/11/1913", "June 11, 1913"],
    "study date": ["19470823", "1947-08-23", "23.08.1947", "08/23/1947", "Aug 23, 1947", "031757"],
    "institution": ["Zorbenthal", "Hufeisengasse"],
    "physician": ["Vornhagel", "Ulbrichtsen", "Pfefferkamm", "Nachtigaller"],
    "operator": ["Drosselhuber"],
    "number": ["ACC-7730915", "7730915", "SID-40713", "SN-991827", "991827", "776655443322"],
    "private tag": ["Geheimnisvoll"],
    "free text of a header": ["Flurberger", "Dorfmuelleritz", "Haselmausig"],
    "phone, mail, web": ["079-5553127", "5553127", "+49 761 8842", "zorbenthal.example", "tamsi@"],
    "cell of the table": ["Ringelnatzig", "Kieselbronn", "Tannhaeuserweg", "AOK-99120037", "99120037"],
    "file or folder": ["QXTQZ", "Schmidtkehr", "Handschriftlich"],
    "zip": ["Quorfink", "Bolsewin", "Kommentarius"],
    "picture": ["Pixelmannig", "Exifeld"],
    "volume": ["Voxelmannig", "Auxfeldig", "Intentfeld"],
    "file of the split": ["Splitmannig"],
}
"""Kind of identifier to what is searched for."""

SETTINGS = ["Hollerstauden", "Wendelborn", "Krummbeck"]
"""What the names of the cohort's folder and tables hold: they stand in params.yaml, and in records of it."""

REMAINS = "Ottokarina"
"""A name in a note that nothing announces and neither header nor table knows: it stays, as docs/reliability.md says."""


def header_of(number: int) -> dict[str, Any]:
    """Identifying attributes of a patient's DICOM files."""
    item = Dataset()
    item.RequestingPhysician = "Pfefferkamm^Balthasar"
    item.RequestedProcedureDescription = "LWS Haselmausig"
    item.ReasonForTheRequestedProcedure = "Frau Flurberger, Tel. 079-5553127"
    return {
        "PatientName": NAMES[number], "PatientID": f"KRZ-8830417-{number}", "PatientBirthDate": "19130611",
        "OtherPatientIDs": "OPQ-5519372", "OtherPatientNames": "Mellingvoss^Ada",
        "PatientBirthName": "Krautenhofer^Eva",
        "PatientAddress": "Tannhaeuserweg 5", "PatientTelephoneNumbers": "079-5553127", "PatientComments": "Flurberger",
        "AdditionalPatientHistory": "fell at Dorfmuelleritz", "InstitutionName": "Praxis Zorbenthal",
        "InstitutionAddress": "Hufeisengasse 7", "ReferringPhysicianName": "Vornhagel^Kunibert",
        "PerformingPhysicianName": "Nachtigaller^Ute", "OperatorsName": "Drosselhuber^Ina",
        "AccessionNumber": "ACC-7730915", "StudyID": "SID-40713", "DeviceSerialNumber": "SN-991827",
        "StationName": "Haselmausig", "StudyDescription": "LWS Quixwobble Flurberger", "ImageComments": "Haselmausig",
        "ProtocolName": "t2_tse_tra Drosselhuber", "StudyDate": "19470823", "SeriesDate": "19470823",
        "AcquisitionDate": "19470823", "ContentDate": "19470823", "StudyTime": "031757.880000",
        "AcquisitionTime": "031757.880000", "RequestAttributesSequence": [item],
    }  # fmt: skip


def note_of(number: int) -> str:
    """A note that grades a patient and names everybody, in many ways."""
    family, given, *_ = NAMES[number].split("^")
    level = {"A": "L3-L4, L4-L5 and L5-S1: no significant compression.",
             "BC": "L4-L5: moderate spinal canal stenosis. L3-L4 and L5-S1: no significant compression.",
             "D": "L4-L5: severe spinal canal stenosis. L3-L4 and L5-S1: no significant compression."}  # fmt: skip
    by_header = "" if number in (PICTURES, VOLUME) else "formerly Krautenhofer, Praxis Zorbenthal. "
    return (
        f"{family}, {given}, born 11.06.1913. MRI of 23.08.1947 for Dr. Vornhagel (Tel. 079-5553127, "
        f"tamsi@zorbenthal.example, www.zorbenthal.example/q). {level[GRADES[number]]} "
        f"{given} {family} was seen before; {family.upper()} {given.upper()}, MRN 66204913, KRZ-8830417-{number}, "
        f"ACC-7730915. {given[0]}. {family}, insured as AOK-99120037, Tannhaeuserweg 5, copy to Kieselbronn. "
        f"{by_header}Came with {REMAINS}. Reported by Prof. Ulbrichtsen; operator: Drosselhuber, "
        "phone +49 761 8842 17. Dated Aug 23, 1947."
    )


def plant(project: Path) -> None:
    """Write the cohort of eight patients and the study for `lss read`."""
    made = project.parent / "made"
    levels = [{"L3-L4": "A", "L4-L5": grade, "L5-S1": "A"} for grade in GRADES]
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(write_patient, Plan(number + 1, grades), made, 300 + number)
            for number, grades in enumerate(levels)
        ]
        for job in jobs:
            job.result()
    root = project / ROOT
    for number, name in enumerate(NAMES):
        patient = root / folder_of(number)
        files = sorted((made / IMAGES / f"{number + 1:04d}").rglob("*.ima"))
        axial, sagittal = (
            [file for file in files if plane in file.parent.name] for plane in ("T2_TSE_TRA", "T2_TSE_SAG")
        )
        if number == PICTURES:
            _write_pictures(axial, patient / "axial_t2_Schmidtkehr")
        elif number == VOLUME:
            _write_volume(axial, patient / "axial_t2_QXTQZ.nii.gz")
        else:
            for file in [*axial[::3], sagittal[3]]:
                _rewrite(
                    file, patient / f"LWS_19470823_031757/{file.parent.name}_Schmidtkehr/QXTQZ_{file.name}", number
                )
        assert name and any(patient.rglob("*")), name
    _write_faults(root)
    _write_tables(root)
    with zipfile.ZipFile(project.parent / STUDY, "w") as archive:
        archive.comment = b"Kommentarius Quorfink"
        for file in sorted((root / folder_of(0)).rglob("*.ima")):
            archive.write(file, f"Bolsewin/{file.relative_to(root).as_posix()}")
    shutil.rmtree(made)


def folder_of(number: int) -> str:
    """A patient's folder, which is his id in the table."""
    family, given, *_ = NAMES[number].split("^")
    return f"{family}_{given}_19130611"


def _rewrite(file: Path, target: Path, number: int, **more: Any) -> None:
    image = pydicom.dcmread(file)
    for keyword, value in (header_of(number) | more).items():
        setattr(image, keyword, value)
    block = image.private_block(0x0029, "Geheimnisvoll", create=True)
    block.add_new(0x10, "LO", f"Geheimnisvoll {NAMES[number]}")
    block.add_new(0x11, "UN", NAMES[number].encode("utf-8"))
    image.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        if keyword in image:
            setattr(image, keyword, f"{image[keyword].value[:44]}.776655443322")
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(target, enforce_file_format=True)


def _write_pictures(files: list[Path], folder: Path) -> None:
    """PNG slices with text chunks and EXIF."""
    folder.mkdir(parents=True)
    for file in files[::2]:
        pixels = pydicom.dcmread(file).pixel_array.astype(float)
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Author", "Pixelmannig, Yttergaard Solveiga")
        texts.add_itxt("Description", "Pixelmannig, Größwünschel 11.06.1913", zip=True)
        exif = Image.Exif()
        exif[0x010E], exif[0x013B] = "Exifeld", "Exifeld, Praxis Zorbenthal"
        grey = Image.fromarray(np.rint(pixels / pixels.max() * 255).astype(np.uint8))
        grey.save(folder / f"QXTQZ_{file.stem}.png", pnginfo=texts, exif=exif)


def _write_volume(files: list[Path], target: Path) -> None:
    """The slices of one block as a NIfTI volume whose header names people."""
    slices = np.stack([pydicom.dcmread(file).pixel_array.T[::-1, ::-1] for file in files[:4]], axis=-1)
    volume = nibabel.Nifti1Image(slices.astype(np.int16), np.diag([0.6875, 0.6875, 4.4, 1.0]))
    volume.header["descrip"], volume.header["aux_file"] = b"Voxelmannig 19130611", b"Auxfeldig"
    volume.header["intent_name"], volume.header["db_name"] = b"Intentfeld", b"Voxelmannig"
    comment = nibabel.nifti1.Nifti1Extension("comment", b"Voxelmannig, Zmijewczak")
    volume.header.extensions.append(comment)
    target.parent.mkdir(parents=True)
    target.write_bytes(gzip.compress(volume.to_bytes(), mtime=0))


def _write_faults(root: Path) -> None:
    """Files that cannot be used, or may not: their rejects go to tables, logs and terminal."""
    whole = sorted((root / folder_of(0)).rglob("*TRA*.ima"))
    folder = root / folder_of(1) / "Handschriftlich Schmidtkehr"
    folder.mkdir()
    (folder / "QXTQZ_cut.ima").write_bytes(whole[0].read_bytes()[:3000])
    shutil.copy(whole[0], whole[0].with_name("QXTQZ_Schmidtkehr_again.ima"))
    _rewrite(whole[1], folder / "QXTQZ_burnt.ima", 1, BurnedInAnnotation="YES")
    _rewrite(whole[1], folder / "QXTQZ_kind.ima", 1, Modality="HASELMAUSIG")
    (folder / "Größwünschel Brief.txt").write_text("Größwünschel, Jörglinde, 11.06.1913, Zorbenthal")
    (folder / "QXTQZ.pdf").write_bytes(b"%PDF-1.4 Groesswuenschel")
    (root / "QXTQZ Handschriftlich.doc").write_bytes(b"Zorbenthal")
    (folder / "gone.ima").symlink_to("Quixwobble")


def _write_tables(root: Path) -> None:
    with (root / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["patient_id", "note", "Name", "Geburtsdatum", "Anschrift", "Phone", "Versicherung", "Remark", "Hausarzt"]
        )
        for number, name in enumerate(NAMES):
            cells = [folder_of(number), note_of(number), name.replace("^", " "), "11.06.1913", "Tannhaeuserweg 5",
                     "079-5553127", "AOK-99120037", "Ringelnatzig", "Kieselbronn"]  # fmt: skip
            writer.writerow(cells)
        writer.writerow(["Splitmannig_Bolsewin", note_of(0), "Quorfink", "", "", "", "", "", ""])  # without images
        writer.writerow([folder_of(0), "second row of Ringelnatzig", "Quorfink", "", "", "", "", "", ""])
    with (root / SLICES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "weighting", "level", "comment"])
        pictures = sorted((root / folder_of(PICTURES)).rglob("*.png"))
        for place, picture in enumerate(pictures):
            level = ("L3-L4", "L4-L5", "L5-S1")[3 * place // len(pictures)]
            writer.writerow([picture.relative_to(root).as_posix(), "T2", level, "Ringelnatzig"])
        writer.writerow([f"{folder_of(2)}/Schmidtkehr_gone.ima", "T2", "L4-L5", "Ringelnatzig"])
        writer.writerow([f"{folder_of(3)}", "Ringelnatzig", "", ""])
