"""What browsers get of the page, read once: one script, one style, an icon and the HTML, compressed."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from infinitas.server.page.modules import join_modules

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: `content` as it is, and `compressed` by gzip."""

    content: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by path, modules as one and styles as one.

    `version` is a digest: a new one is a new address, so browsers may keep each file.
    """

    files: Mapping[str, Asset]
    version: str


def load_assets() -> Assets:
    """Read the files of the page from the package."""
    found: dict[str, Asset] = {}
    for path, file in _walk(files(__package__) / "static", ""):
        suffix = path[path.rfind(".") :]
        if suffix in _TYPES:
            content = file.read_bytes()
            found[path] = _asset(content, suffix)
    # One request in place of one a file.
    styles = [found.pop(path) for path in sorted(found) if path.endswith(".css")]
    found["style.css"] = _asset(b"\n".join(each.content for each in styles), ".css")
    modules = {path: found.pop(path).content.decode() for path in sorted(found) if path.endswith(".js")}
    found["main.js"] = _asset(join_modules(modules, "main.js").encode(), ".js")
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(path.encode() + b"\0" + found[path].content)
    return Assets(found, digest.hexdigest()[:12])


def _asset(content: bytes, suffix: str) -> Asset:
    return Asset(content, gzip.compress(content, 9, mtime=0), _TYPES[suffix])


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        found += _walk(entry, f"{path}/") if entry.is_dir() else [(path, entry)]
    return found
