"""Which time-zone database this process uses."""

from importlib.metadata import version
from pathlib import Path
from zoneinfo import TZPATH

_NAMES_ITSELF = "tzdata.zi"


def zones_version() -> str:
    """The IANA version, such as "2026a"; "" where the system's database does not say."""
    for folder in map(Path, TZPATH):
        if (folder / "UTC").exists():
            return _version_of(folder / _NAMES_ITSELF)
    # `zoneinfo` falls back to the package, whose version 2026.1 is the database's 2026a.
    year, _, number = version("tzdata").partition(".")
    return year + chr(ord("a") + int(number.split(".")[0]) - 1)


def _version_of(source: Path) -> str:
    """Its first line is `# version 2026a`."""
    try:
        with source.open() as lines:
            words = lines.readline().split()
    except OSError:
        return ""
    return words[2] if words[:2] == ["#", "version"] and len(words) > 2 else ""
