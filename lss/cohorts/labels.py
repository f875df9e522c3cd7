"""Names of patients and files where several archives are one cohort: the archive's label, "/", and the name there."""

from __future__ import annotations

from collections.abc import Container


def labelled(label: str, name: str) -> str:
    """Return a patient's or file's name in the whole cohort; a single archive has the label "".

    >>> labelled("rsna", "7"), labelled("", "7")
    ('rsna/7', '7')
    """
    return f"{label}/{name}" if label else name


def unlabelled(name: str, labels: Container[str]) -> tuple[str, str]:
    """Return the label, one of `labels`, and the name in that archive; "" and the name itself where it bears none.

    >>> unlabelled("rsna/7/1.dcm", {"rsna"}), unlabelled("rsna/7/1.dcm", set())
    (('rsna', '7/1.dcm'), ('', 'rsna/7/1.dcm'))
    """
    label, slash, own = name.partition("/")
    return (label, own) if slash and label in labels else ("", name)
