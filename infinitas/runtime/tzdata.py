"""The version of the time-zone database that this process uses."""

from importlib.metadata import version
from pathlib import Path
from zoneinfo import TZPATH

_VERSION_FILE = "tzdata.zi"


def tzdata_version() -> str:
    """The IANA version, such as "2026a"; "" if the system's database has no version file."""
    for folder in map(Path, TZPATH):
        if (folder / "UTC").exists():
            return _version_of(folder / _VERSION_FILE)
    # `zoneinfo` falls back to the package, whose version 2026.1 is the database's 2026a.
    year, _, number = version("tzdata").partition(".")
    return year + chr(ord("a") + int(number.split(".")[0]) - 1)


def _version_of(source: Path) -> str:
    """The version in the file's first line, `# version 2026a`."""
    try:
        with source.open() as lines:
            parts = lines.readline().split()
    except OSError:
        return ""
    return parts[2] if parts[:2] == ["#", "version"] and len(parts) > 2 else ""
