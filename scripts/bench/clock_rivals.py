"""How each system with a clock of its own runs cron jobs: a scheduler, if that is a process, and a worker."""

from rivals import RIVALS, Rival


def _beside(name: str, worker: str, **more: str) -> Rival:
    """The cron jobs of a rival, in the environment of its other jobs."""
    peer = RIVALS[name]
    module = peer.module.replace("_peer", "_cron")
    return Rival(
        module=module,
        environment=peer.module,
        packages=peer.packages,
        worker=worker,
        postgres=peer.postgres,
        **more,
    )


_CELERY = "{bin}/celery -A celery_cron --quiet"
CLOCKS = {
    "infinitas": _beside(
        "infinitas",
        "{bin}/infinitas worker infinitas_cron:app -c 100 -l error",
        before="{bin}/python infinitas_cron.py",
        scheduler="{bin}/infinitas scheduler",
    ),
    "celery": _beside(
        "celery",
        _CELERY + " worker --loglevel ERROR --without-gossip --without-mingle --pool threads -c 8",
        scheduler=_CELERY + " beat --loglevel ERROR --schedule {folder}/beat",
    ),
    "apscheduler": Rival(
        module="apscheduler_cron",
        packages=("apscheduler<4", "redis", "hiredis"),
        worker="{bin}/python apscheduler_cron.py",
    ),
    "arq": _beside("arq", "{bin}/arq arq_cron.WorkerSettings"),
    "saq": _beside("saq", "{bin}/saq saq_cron.settings"),
    "taskiq": _beside(
        "taskiq",
        "{bin}/taskiq worker taskiq_cron:broker --workers 1 --max-async-tasks 100 --log-level ERROR",
        scheduler="{bin}/taskiq scheduler taskiq_cron:scheduler --log-level ERROR",
    ),
    "streaq": _beside("streaq", "{bin}/streaq run streaq_cron:worker"),
    "docket": _beside("docket", "{bin}/python docket_cron.py"),
    "rq": _beside(
        "rq",
        "{bin}/rq worker --url {redis} --worker-class rq.SimpleWorker --logging_level ERROR",
        scheduler="{bin}/rq cron --url {redis} --logging-level error rq_cron.py",
    ),
    "huey": _beside("huey", "{bin}/huey_consumer huey_cron.huey -k thread -w 4 -q"),
    "procrastinate": _beside(
        "procrastinate", "{bin}/procrastinate --app procrastinate_cron.app worker --concurrency 100"
    ),
}
