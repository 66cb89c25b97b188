"""The peers: what to install, how each runs one worker, and in an environment of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(os.environ.get("BENCH_ENVIRONMENTS", Path.home() / ".cache" / "infinitas-bench"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One way to run one system.

    Attributes:
        module: its file in `peers/`.
        packages: from the registry; none: our own environment.
        worker: the command that runs one worker, with `{bin}` for where its programs are.
        share: of the jobs that the others drain; for the slow ones.
        settings: environment variables of its worker and its sender.
        postgres: it keeps its jobs in Postgres.
        acknowledges: a job whose worker dies is not lost.
        how: the way in which it sends many.
        environment: the module whose environment it shares; its own, if there is none.
        before, scheduler: commands of `clock_rivals.py`; the first ends by itself.
    """

    module: str
    packages: tuple[str, ...] = ()
    worker: str
    share: float = 1.0
    settings: dict[str, str] = field(default_factory=dict)
    postgres: bool = False
    acknowledges: bool = True
    how: str = "bulk"
    environment: str = ""
    before: str = ""
    scheduler: str = ""

    @property
    def bin(self) -> Path:
        if not self.packages:
            return Path(sys.executable).parent
        return ENVIRONMENTS / (self.environment or self.module) / "bin"

    def install(self) -> None:
        """Into an environment of its own, once."""
        if not self.packages or (self.bin / ".installed").exists():
            return
        print(f"Installing {', '.join(self.packages)} into {self.bin.parent} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(self.bin.parent)], check=True)
        command = [str(self.bin / "pip"), "install", "-q", "--disable-pip-version-check", *self.packages]
        subprocess.run(command, check=True)
        (self.bin / ".installed").touch()

    def version(self) -> str:
        name = self.packages[0].partition("[")[0] if self.packages else "infinitas"
        look = f"from importlib.metadata import version; print(version({name!r}))"
        found = subprocess.run(
            [str(self.bin / "python"), "-c", look], capture_output=True, text=True, check=True
        )
        return found.stdout.strip()


_CELERY_PACKAGES = ("celery[redis]", "hiredis")
_DRAMATIQ_PACKAGES = ("dramatiq[redis]", "hiredis")
_CELERY = "{bin}/celery -A celery_peer worker --loglevel ERROR --without-gossip --without-mingle"
_INFINITAS = "{bin}/infinitas worker infinitas_peer:app -c 100 -l error"
RIVALS = {
    "infinitas": Rival(module="infinitas_peer", worker=_INFINITAS),
    "infinitas-threads": Rival(
        module="infinitas_peer",
        worker="{bin}/infinitas worker infinitas_peer:app -c 16 -l error",
        how="threads",
    ),
    "celery": Rival(module="celery_peer", packages=_CELERY_PACKAGES, worker=_CELERY, acknowledges=False),
    "celery-threads": Rival(
        module="celery_peer",
        packages=_CELERY_PACKAGES,
        worker=_CELERY + " --pool threads -c 8",
        acknowledges=False,
    ),
    "celery-late": Rival(
        module="celery_peer",
        packages=_CELERY_PACKAGES,
        worker=_CELERY + " --pool threads -c 8",
        settings={"BENCH_LATE": "1"},
    ),
    "dramatiq": Rival(
        module="dramatiq_peer",
        packages=_DRAMATIQ_PACKAGES,
        worker="{bin}/dramatiq dramatiq_peer --processes 1 --threads 8",
    ),
    "dramatiq-2": Rival(
        module="dramatiq_peer",
        packages=_DRAMATIQ_PACKAGES,
        worker="{bin}/dramatiq dramatiq_peer --processes 2 --threads 4",
        settings={"dramatiq_queue_prefetch": "100"},
    ),
    "arq": Rival(module="arq_peer", packages=("arq", "hiredis"), worker="{bin}/arq arq_peer.WorkerSettings"),
    "saq": Rival(
        module="saq_peer",
        packages=("saq[redis,hiredis]", "typing_extensions", "uvloop"),
        worker="{bin}/saq saq_peer.settings",
    ),
    "taskiq": Rival(
        module="taskiq_peer",
        packages=("taskiq", "taskiq-redis", "hiredis", "uvloop"),
        worker="{bin}/taskiq worker taskiq_peer:broker --workers 1 --max-async-tasks 100 --max-prefetch 100 "
        "--log-level ERROR",
    ),
    "streaq": Rival(
        module="streaq_peer", packages=("streaq", "uvloop"), worker="{bin}/streaq run streaq_peer:worker"
    ),
    "docket": Rival(
        module="docket_peer",
        packages=("pydocket", "hiredis"),
        worker="{bin}/python docket_peer.py",
    ),
    "rq": Rival(
        module="rq_peer",
        packages=("rq", "hiredis"),
        worker="{bin}/rq worker --url {redis} --worker-class rq.SimpleWorker --logging_level ERROR",
        share=0.1,
    ),
    "huey": Rival(
        module="huey_peer",
        packages=("huey", "redis", "hiredis"),
        worker="{bin}/huey_consumer huey_peer.huey -k thread -w 4 -q",
        acknowledges=False,
    ),
    "procrastinate": Rival(
        module="procrastinate_peer",
        packages=("procrastinate", "psycopg[binary]"),
        worker="{bin}/procrastinate --app procrastinate_peer.app worker --concurrency 100",
        share=0.1,
        postgres=True,
    ),
}
