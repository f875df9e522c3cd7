"""A table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re

from tabulate import tabulate

from lss.reporting.cards import escape_markdown
from lss.reporting.table_grid import Cell, Grid, grid_of, remarks
from lss.reporting.table_rows import Table

_LONG_LABEL = 16  # characters; a longer label is broken into lines
_A4 = 150  # characters of a line; where it would be longer, intervals stand under their values
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "–": "--", "—": "---", "†": r"\textdagger{}", "β": r"$\beta$",
    "≤": r"$\leq$", "≥": r"$\geq$", "\u00a0": "~",
}  # fmt: skip


def to_csv(table: Table) -> str:
    """Return long rows, full precision, an empty field where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, table.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows)
    return text.getvalue()


def to_markdown(table: Table, digits: int, caveats: list[str]) -> str:
    """Return the grid, then notes and caveats."""
    grid = grid_of(table, digits)
    body = [[_plain(cell) for cell in line] for line in grid.lines]
    text = tabulate(body, [_plain(cell, ", ") for cell in grid.headings], tablefmt="pipe", disable_numparse=True)
    notes = "\n".join(
        f"- {escape_markdown(' '.join(note.split()))}" for note in [*table.notes, *remarks(table), *caveats]
    )
    grid_text = f"{text}\n\n" if body else ""  # nothing was measured: the notes say why
    return f"# Table {table.number}. {table.title}\n\n{grid_text}{notes}\n"


def _plain(cell: Cell, between: str = " ") -> str:
    text = between.join(part for part in (cell.text, cell.small) if part)
    return escape_markdown(f"{text} †" if cell.note else text).replace("|", "\\|")


def to_latex(table: Table, digits: int, caveats: list[str]) -> str:
    """Return a `longtable` for A4 paper, a group of lines under each first label, then notes and caveats.

    It needs the packages array, booktabs, longtable and textcomp, all of them in every TeX distribution; letters that
    pdfTeX does not know (in a cohort's own caveat) need LuaTeX or XeTeX.
    """
    grid = grid_of(table, digits)
    stacked = _characters(grid) > _A4
    width = len(grid.headings) - 1
    head = " & ".join(_heading(cell) for cell in grid.headings[1:])
    lines = []
    group = None
    for line in grid.lines:
        if line[0].text != group:
            group = line[0].text
            lines.append(rf"\addlinespace\multicolumn{{{width}}}{{l}}{{\itshape {escape(group)}}}\\*")
        lines.append(" & ".join(_latex(cell, stacked) for cell in line[1:]) + r" \\")
    notes = " ".join(escape(note) for note in [*table.notes, *remarks(table), *caveats])
    if not lines:  # nothing was measured: the notes say why
        return rf"\noindent {escape(table.title)}. {notes}\par" + "\n"
    return "\n".join([
        "% \\usepackage{array,booktabs,longtable,textcomp}",
        r"\begingroup",
        r"\providecommand{\lssstack}[3]{\begin{tabular}[t]{@{}#1@{}}#2\\[-2pt]#3\end{tabular}}",
        r"\scriptsize\setlength{\tabcolsep}{2pt}\setlength{\LTcapwidth}{\linewidth}",
        rf"\begin{{longtable}}{{@{{}}{_columns(grid)}@{{}}}}",
        rf"\caption{{{escape(table.title)}}}\label{{tab:lss-{table.number}}}\\",
        rf"\toprule {head} \\ \midrule \endfirsthead",
        rf"\toprule {head} \\ \midrule \endhead",
        r"\bottomrule \endfoot",
        *lines,
        r"\end{longtable}",
        rf"\noindent {notes}\par",
        r"\endgroup",
        "",
    ])  # fmt: skip


def _characters(grid: Grid) -> int:
    """Return the length of the longest line that the columns but the first make."""
    columns = zip(grid.headings[1:], *(line[1:] for line in grid.lines), strict=True)
    return sum(2 + max(len(_plain(cell)) for cell in column) for column in columns)


def _columns(grid: Grid) -> str:
    """Return LaTeX's letters of the columns but the first: labels to the left, long ones in lines, numbers to the
    right.
    """
    letters = []
    for place, heading in enumerate(grid.headings[1:], start=1):
        longest = max((len(line[place].text) for line in grid.lines), default=0)
        if heading.kind == "label" and longest > _LONG_LABEL:
            letters.append(r">{\raggedright\arraybackslash}p{0.12\linewidth}")
        else:
            letters.append("r" if heading.kind in ("count", "paper") else "l")
    return "".join(letters)


def _heading(cell: Cell) -> str:
    if not cell.small:
        return escape(cell.text)
    return rf"\lssstack{{{'r' if cell.kind == 'paper' else 'l'}}}{{{escape(cell.text)}}}{{{escape(cell.small)}}}"


def _latex(cell: Cell, stacked: bool) -> str:
    text = escape(cell.text) + (r"\textdagger{}" if cell.note else "")
    if not cell.small:
        return text
    if stacked or cell.kind == "paper":
        return rf"\lssstack{{{'r' if cell.kind == 'paper' else 'l'}}}{{{text}}}{{\tiny {escape(cell.small)}}}"
    return f"{text} {escape(cell.small)}"


def escape(text: str) -> str:
    """Return a text as LaTeX prints it, every special character of it."""
    return re.sub(r"[\\&%_#$\{\}~^<>|\"–—†β≤≥\u00a0]", lambda match: _SPECIAL[match[0]], text)
