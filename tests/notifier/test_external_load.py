"""An external task has no worker by design: its schedule alone opens no incident."""

from datetime import UTC, datetime, timedelta

import pytest

from infinitas.broker.inspect.loads import TaskLoad
from infinitas.core.task_definition import TaskDefinition
from infinitas.monitor.load_checks import CheckLimits, LoadChecks


@pytest.mark.parametrize(("external", "lacks"), [(True, False), (False, True)])
def test_only_a_task_with_a_processor_lacks_a_worker(external: bool, lacks: bool) -> None:
    hour = timedelta(hours=1)
    checks = LoadChecks(
        CheckLimits(backlog=hour, slow_factor=3, paused=hour, lacking=timedelta()), lambda: 0.0
    )
    load = TaskLoad(
        task="nightly",
        definition=TaskDefinition(name="nightly", external=external),
        has_worker=False,
        next_slot=True,
    )
    found, _ = checks.check([load], {}, datetime.now(UTC))
    assert bool(found) is lacks
