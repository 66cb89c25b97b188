"""Both tables of systems, for jobs and for cron jobs: what to install, and how each runs one worker."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("BENCH_ENVIRONMENTS", Path.home() / ".cache" / "infinitas-bench"))
PACKAGES = {
    "apscheduler": ("apscheduler<4", "redis", "hiredis"),
    "arq": ("arq", "hiredis"),
    "celery": ("celery[redis]", "hiredis", "sqlalchemy", "psycopg[binary]"),
    "docket": ("pydocket", "hiredis"),
    "dramatiq": ("dramatiq[redis]", "hiredis"),
    "huey": ("huey", "redis", "hiredis"),
    "procrastinate": ("procrastinate", "psycopg[binary]"),
    "rq": ("rq", "hiredis"),
    "saq": ("saq[redis,hiredis]", "typing_extensions", "uvloop"),
    "streaq": ("streaq", "uvloop"),
    "taskiq": ("taskiq", "taskiq-redis", "hiredis", "uvloop"),
}
"""From the registry, by the first part of a module's name; each set has an environment of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One way to run one system. `{bin}` in a command is the folder of its programs.

    Attributes:
        module: its file in this folder.
        worker: the command that runs one worker.
        bulk: the function of its module that sends many jobs.
        share: the part of the jobs that it drains; for the slow ones.
        settings: environment variables of its processes.
        postgres: it keeps its jobs in Postgres.
        before: a command that prepares its cron jobs and ends.
        scheduler: the command that runs its scheduler, if that is a process of its own.
        checkout: another checkout of ours, whose package it runs.
    """

    module: str
    worker: str
    bulk: str = "bulk"
    share: float = 1.0
    settings: dict[str, str] = field(default_factory=dict)
    postgres: bool = False
    before: str = ""
    scheduler: str = ""
    checkout: Path | None = None

    @property
    def name(self) -> str:
        return self.module.partition("_")[0]

    @property
    def ours(self) -> bool:
        return self.name not in PACKAGES

    @property
    def bin(self) -> Path:
        return Path(sys.executable).parent if self.ours else ENVIRONMENTS / self.name / "bin"

    def install(self) -> None:
        """Install it once, into an environment of its own."""
        if self.ours or (self.bin / ".installed").exists():
            return
        packages = PACKAGES[self.name]
        print(f"Installing {', '.join(packages)} into {self.bin.parent} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(self.bin.parent)], check=True)
        command = [str(self.bin / "pip"), "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(command, check=True)
        (self.bin / ".installed").touch()


INFINITAS = "{bin}/python -m infinitas"
"""Our commands, from the checkout on PYTHONPATH."""
_CELERY = "{bin}/celery -A celery_jobs worker --loglevel ERROR --without-gossip --without-mingle"
_RQ = "{bin}/rq worker --url {redis} --worker-class rq.SimpleWorker --logging_level ERROR"

OURS = System(module="infinitas_jobs", worker=f"{INFINITAS} worker infinitas_jobs:app -c 100 -l error")
# Early acknowledgement (Huey, Celery but celery-late): a job is lost with its worker.
SYSTEMS = {
    "infinitas": OURS,
    "infinitas-threads": System(
        module="infinitas_jobs",
        worker=f"{INFINITAS} worker infinitas_jobs:app -c 16 -l error",
        bulk="threads",
    ),
    "infinitas-processes": System(
        module="infinitas_jobs",
        worker=f"{INFINITAS} worker infinitas_jobs:app -c 4 -l error",
        bulk="processes",
        share=0.2,
    ),
    "celery": System(module="celery_jobs", worker=_CELERY),
    "celery-prefork-late": System(
        module="celery_jobs", worker=_CELERY, settings={"BENCH_LATE": "1"}, share=0.1
    ),
    "celery-threads": System(module="celery_jobs", worker=f"{_CELERY} --pool threads -c 8"),
    "celery-late": System(
        module="celery_jobs", worker=f"{_CELERY} --pool threads -c 8", settings={"BENCH_LATE": "1"}
    ),
    "dramatiq": System(
        module="dramatiq_jobs", worker="{bin}/dramatiq dramatiq_jobs --processes 1 --threads 8"
    ),
    "dramatiq-2": System(
        module="dramatiq_jobs",
        worker="{bin}/dramatiq dramatiq_jobs --processes 2 --threads 4",
        settings={"dramatiq_queue_prefetch": "100"},
    ),
    "arq": System(module="arq_jobs", worker="{bin}/arq arq_jobs.WorkerSettings"),
    "saq": System(module="saq_jobs", worker="{bin}/saq saq_jobs.settings"),
    "taskiq": System(
        module="taskiq_jobs",
        worker="{bin}/taskiq worker taskiq_jobs:broker --workers 1 --max-async-tasks 100 --max-prefetch 100 "
        "--log-level ERROR",
    ),
    "streaq": System(module="streaq_jobs", worker="{bin}/streaq run streaq_jobs:worker"),
    "docket": System(module="docket_jobs", worker="{bin}/python docket_jobs.py"),
    "rq": System(module="rq_jobs", worker=_RQ, share=0.1),
    "huey": System(module="huey_jobs", worker="{bin}/huey_consumer huey_jobs.huey -k thread -w 4 -q"),
    "procrastinate": System(
        module="procrastinate_jobs",
        worker="{bin}/procrastinate --app procrastinate_jobs.app worker --concurrency 100",
        share=0.1,
        postgres=True,
    ),
}
ARCHIVE_SYSTEMS = {
    "infinitas": OURS,
    "procrastinate": SYSTEMS["procrastinate"],
    "celery": replace(SYSTEMS["celery-late"], share=0.1),
}
"""Those that keep ended jobs in Postgres."""

CRON_SYSTEMS = {
    "infinitas": System(
        module="infinitas_cron",
        worker=f"{INFINITAS} worker infinitas_cron:app -c 100 -l error",
        before="{bin}/python infinitas_cron.py",
        scheduler=f"{INFINITAS} scheduler",
    ),
    "celery": System(
        module="celery_cron",
        worker="{bin}/celery -A celery_cron --quiet worker --loglevel ERROR --without-gossip "
        "--without-mingle --pool threads -c 8",
        scheduler="{bin}/celery -A celery_cron --quiet beat --loglevel ERROR --schedule {folder}/beat",
    ),
    "apscheduler": System(module="apscheduler_cron", worker="{bin}/python apscheduler_cron.py"),
    "arq": System(module="arq_cron", worker="{bin}/arq arq_cron.WorkerSettings"),
    "saq": System(module="saq_cron", worker="{bin}/saq saq_cron.settings"),
    "taskiq": System(
        module="taskiq_cron",
        worker="{bin}/taskiq worker taskiq_cron:broker --workers 1 --max-async-tasks 100 --log-level ERROR",
        scheduler="{bin}/taskiq scheduler taskiq_cron:scheduler --log-level ERROR",
    ),
    "streaq": System(module="streaq_cron", worker="{bin}/streaq run streaq_cron:worker"),
    "docket": System(module="docket_cron", worker="{bin}/python docket_cron.py"),
    "rq": System(
        module="rq_cron",
        worker=_RQ,
        scheduler="{bin}/rq cron --url {redis} --logging-level error rq_cron.py",
    ),
    "huey": System(module="huey_cron", worker="{bin}/huey_consumer huey_cron.huey -k thread -w 4 -q"),
    "procrastinate": System(
        module="procrastinate_cron",
        worker="{bin}/procrastinate --app procrastinate_cron.app worker --concurrency 100",
        postgres=True,
    ),
}
