"""Another checkout of ours beside this one: a folder, or a git ref in a temporary worktree."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def checkout(name: str) -> Iterator[Path]:
    """The folder of a checkout that a path or a git ref names; the worktree of a ref is removed again."""
    # Both sides start from compiled code, also where Python is not to write any by itself.
    _compile(ROOT)
    if (Path(name) / "infinitas" / "__init__.py").is_file():
        yield _ready(Path(name).resolve())
        return
    with tempfile.TemporaryDirectory(prefix="infinitas-bench-") as folder:
        path = Path(folder) / "checkout"
        _git("worktree", "add", "--quiet", "--detach", str(path), "--", name)
        try:
            yield _ready(path)
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    ran = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        print(f"git {' '.join(arguments)}: {ran.stderr.strip()}", file=sys.stderr)
        raise SystemExit(2)


def _compile(path: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(path / "infinitas")], check=True)


def _ready(path: Path) -> Path:
    """Check that Python imports the package from there, and compile it, so that no round has to."""
    _compile(path)
    command = [sys.executable, "-c", "import infinitas; print(infinitas.__file__)"]
    ran = subprocess.run(
        command, env={"PYTHONPATH": str(path)}, cwd=path.parent, capture_output=True, text=True, check=True
    )
    if not ran.stdout.startswith(f"{path}/"):
        raise SystemExit(f"Python imports {ran.stdout.strip()}, not the package in {path}.")
    return path
