"""Long responses end when their token is revoked."""

import threading

import httpx

from tests.server.calls import send
from tests.server_fixtures import MakeToken
from tests.support import eventually


def test_a_log_and_a_wait_end_with_their_token(http: httpx.Client, make_token: MakeToken) -> None:
    id = send(http, "dream")
    admin = {"Authorization": f"Bearer {make_token('admin')}"}
    token = make_token("read")
    reader = {"Authorization": f"Bearer {token}"}
    lines: list[str] = []
    codes: list[int] = []

    def follow() -> None:
        headers = {**reader, "Accept": "text/event-stream"}
        with http.stream("GET", f"/api/v1/jobs/{id}/logs", headers=headers) as response:
            lines.extend(response.iter_lines())

    def wait() -> None:
        answer = http.get(f"/api/v1/jobs/{id}", headers={**reader, "Prefer": "wait=60"})
        codes.append(answer.status_code)

    threads = [threading.Thread(target=each) for each in (follow, wait)]
    for each in threads:
        each.start()
    # Both have begun once the log was answered.
    eventually(lambda: http.get(f"/api/v1/jobs/{id}", headers=reader).status_code == 200)
    removed = http.delete(f"/api/v1/tokens/{token.split('_')[1]}", headers=admin)
    assert removed.status_code in (200, 204), removed.text
    for each in threads:
        each.join(20)
        assert not each.is_alive()
    assert codes == [401]
    assert any('"unauthorized"' in line for line in lines)
