"""Plugins: hooks around every job, in the sender and in the worker.

A plugin is added to the app, `Infinitas(plugins=[…])`, or found through the entry-point group
`infinitas.plugins` (a `Plugin` class or instance). One that raises is reported and breaks no job.
"""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from infinitas.core.errors import ConfigError
from infinitas.core.incident import Incident
from infinitas.core.lists import several
from infinitas.core.names import shorten
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.runtime.error_text import traceback_text
from infinitas.runtime.logging import get_logger
from infinitas.tasks.job import Job

_log = get_logger("plugins")
GROUP = "infinitas.plugins"


class Plugin:
    """Override the hooks that you need. Hooks are plain functions and, but for `around_code`, must not block.

    `before_run`, `after_run` and the hooks of failures run in the job's own context: a context
    variable that `before_run` sets is set for an async processor and for one in a thread.

    >>> from infinitas import Infinitas, Plugin
    >>> class Tracing(Plugin):
    ...     def before_send(self, task, headers):
    ...         headers["trace"] = "4bf92f35"
    >>> traced = Infinitas(plugins=[Tracing()])
    """

    def on_declare(self, task: TaskDefinition) -> None:
        """A task was added to the app."""

    def before_send(self, task: TaskDefinition, headers: MutableMapping[str, str]) -> None:
        """A job is about to be sent; what is put into `headers` travels with it."""

    def after_send(self, task: TaskDefinition, job: str) -> None:
        """A job was accepted under this id."""

    def before_run(self, job: Job) -> None:
        """An attempt begins; `job.headers` are those of the sender."""

    def around_code(self, job: Job) -> AbstractContextManager[None]:
        """Entered in the thread, or the process, that runs the code of a job; left when it has returned.

        For what belongs to a thread, such as the connections of an ORM; it may block. It is part of the
        code: what the processor raises passes through it, and what it raises itself fails the attempt.
        Not entered for an async processor in the worker's event loop: `before_run` runs in its thread.
        """
        return nullcontext()

    def after_run(self, job: Job, verdict: Verdict) -> None:
        """An attempt has ended, and its verdict is stored in Redis."""

    def on_failure(self, job: Job, verdict: Verdict) -> None:
        """The job has failed for good."""

    def on_retry(self, job: Job, verdict: Verdict) -> None:
        """The attempt failed; another follows after `verdict.delay_ms`."""

    def on_lost(self, job: Job) -> None:
        """The attempt before this one died with its worker; this one begins."""

    def on_worker_start(self, worker: str) -> None:
        """A worker has joined under this name."""

    def on_worker_stop(self, worker: str) -> None:
        """A worker has stopped."""

    def on_incident(self, incident: Incident) -> None:
        """An incident was opened. In the notifier, in a thread of its own; it may block for ten seconds.

        Rules, mutes and quiet hours do not apply. At least once: again where the notifier died meanwhile.
        """

    def on_recovery(self, incident: Incident) -> None:
        """An incident is over, after its `on_incident`; see there."""


class Plugins:
    """The plugins of one app, those of the entry points included."""

    def __init__(self, given: Iterable[Plugin]) -> None:
        own = several(given, "plugins", ConfigError)
        for plugin in own:
            if not isinstance(plugin, Plugin):
                raise ConfigError(f"plugins has {shorten(plugin)}; allowed: objects of infinitas.Plugin.")
        self._plugins = [*own, *_installed()]
        self.around_any_code = any(type(p).around_code is not Plugin.around_code for p in self._plugins)
        """Whether a plugin has the hook `around_code`."""
        self.hear_incidents = any(
            type(p).on_incident is not Plugin.on_incident or type(p).on_recovery is not Plugin.on_recovery
            for p in self._plugins
        )
        """Whether a plugin has a hook for incidents."""

    @contextmanager
    def around_code(self, job: Job) -> Iterator[None]:
        """The hooks `around_code`, those of the first plugin outermost."""
        with ExitStack() as stack:
            for plugin in self._plugins:
                stack.enter_context(plugin.around_code(job))
            yield

    def __bool__(self) -> bool:
        return bool(self._plugins)

    def call(self, hook: str, *arguments: object) -> None:
        """Call one hook of every plugin, in the caller's own code: a Ctrl-C ends it."""
        self._call(Exception, hook, arguments)

    def call_in_job(self, hook: str, *arguments: object) -> None:
        """`call` around a job in a worker: not even a SystemExit ends the job or its worker."""
        self._call(BaseException, hook, arguments)

    def _call(self, caught: type[BaseException], hook: str, arguments: Sequence[object]) -> None:
        for plugin in self._plugins:
            try:
                getattr(plugin, hook)(*arguments)
            except caught as error:
                _log.error("Plugin %s failed in %s.\n%s", type(plugin).__name__, hook, traceback_text(error))


def _installed() -> list[Plugin]:
    # Imported here, as it takes longer than all of this package's own modules.
    from importlib.metadata import entry_points

    found: list[Plugin] = []
    for entry in entry_points(group=GROUP):
        try:
            loaded = entry.load()
            plugin = loaded() if isinstance(loaded, type) else loaded
        except Exception:  # noqa: BLE001 - a broken package must not stop the app
            _log.exception("Plugin %s could not be loaded.", entry.value)
            continue
        if isinstance(plugin, Plugin):
            found.append(plugin)
        else:
            _log.error("Plugin %s is no infinitas.Plugin.", entry.value)
    return found
