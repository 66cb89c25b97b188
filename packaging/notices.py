"""Prints name, version, license and license texts of all packages in a folder: `notices.py SITE-PACKAGES`."""

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

_LICENSE = re.compile(r"(?i)^(licen[sc]e|copying|notice|authors)")


def license_of(package: Distribution) -> str:
    meta = package.metadata
    for field in ("License-Expression", "License"):
        if (text := meta.get(field)) and "\n" not in text.strip():
            return str(text).strip()
    classified = [each for each in meta.get_all("Classifier", []) if each.startswith("License")]
    return classified[0].rpartition(" :: ")[2] if classified else "see below"


def texts(package: Distribution) -> list[str]:
    """The license files that the package has, each once."""
    found = [each for each in package.files or [] if ".dist-info" in str(each) and _LICENSE.match(each.name)]
    read = [
        Path(str(package.locate_file(each))).read_text(errors="replace").strip() for each in sorted(found)
    ]
    return list(dict.fromkeys(read))


def main(folder: str) -> None:
    packages = sorted(distributions(path=[folder]), key=lambda each: each.name.lower())
    for package in packages:
        if package.name == "infinitas":
            continue
        print("=" * 100, f"{package.name} {package.version}: {license_of(package)}", "=" * 100, sep="\n")
        print(*texts(package), sep="\n\n", end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1])
