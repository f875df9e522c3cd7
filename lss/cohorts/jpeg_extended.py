"""JPEG Extended with 12 bits, by GDCM: a decoder to be added to pydicom's, which use GDCM for 8 bits of it alone.

GDCM's library for 8 bits remarks on the error stream that 12 are not its own, before that for 12 takes over.
"""

from __future__ import annotations

from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import UID, JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm",)}


def is_available(uid: UID) -> bool:
    """Return whether frames of this transfer syntax can be decoded here (asked by pydicom)."""
    try:
        import gdcm  # noqa: F401
    except ImportError:
        return False
    return uid == JPEGExtended12Bit


def decode_frame(encoded: bytes, runner: DecodeRunner) -> bytearray:
    """Return little-endian uint16 values of one grey frame of more than 8 and at most 12 bits, row by row."""
    import gdcm

    if runner.samples_per_pixel != 1 or not 8 < runner.bits_stored <= 12:
        raise NotImplementedError("grey frames of 9 to 12 bits only")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(grey)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, runner.pixel_representation))
    return bytearray(image.GetBuffer().encode("utf-8", "surrogateescape"))  # GDCM gives bytes as str
