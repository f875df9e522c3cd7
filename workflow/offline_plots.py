"""Copy Vega, Vega-Lite and Vega-Embed out of the package vl-convert-python, for `dvc plots show` without a network.

    make plots

`.dvc/plots/page.html`, DVC's page for plots in this project, looks for them in `.dvc/plots/vega.js`. They are other
people's code, so the file is made here and not kept in git.
"""

from __future__ import annotations

from pathlib import Path

from lss.storage.io import write_text

VEGA_LITE = "5.21"
"""Of the major version that DVC's templates are written for."""

TARGET = Path(__file__).resolve().parent.parent / ".dvc" / "plots" / "vega.js"


def main() -> None:
    """Write the scripts as one that a page may load from a file."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    write_text(TARGET, f"(() => {{{bundle}}})();\n")  # it is a module, which a page from a file may not load


if __name__ == "__main__":
    main()
