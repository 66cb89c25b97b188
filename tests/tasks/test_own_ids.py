"""`using(id=…)`: the sender chooses the job's id."""

import pytest

from infinitas import BadArgs, Infinitas
from infinitas.client.job_ids import fresh_id


def test_the_same_id_again_makes_no_second_job(app: Infinitas) -> None:
    @app.task
    def work(number: int) -> None: ...

    id = fresh_id()
    assert [work.using(id=id).send(number).id for number in (1, 2)] == [id, id]
    assert [job.args for job in app.fetch_jobs(work)] == [[1]]
    with pytest.raises(BadArgs, match="is for one job"):
        work.using(id=id).send_many([(1,), (2,)])


@pytest.mark.parametrize("id", ["", "mine", "01M8D4ZWC82J2CJ2H47F98NZNW", 7])
def test_an_id_is_a_ulid(id: str) -> None:
    @Infinitas().task
    def work() -> None: ...

    with pytest.raises(BadArgs, match="a ULID in lower case"):
        work.using(id=id)
