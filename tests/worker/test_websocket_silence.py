"""When a worker gives its connection up: early enough to be back within the lease, and never a slow one."""

import itertools
from collections.abc import Iterable

from infinitas.worker.transport.websocket_silence import Silence

BEAT_S = 2.0
LEASE_BEATS = 4
STEP_S = 0.1


def gives_up_at(frames: Iterable[float], answers: Iterable[float] = ()) -> float:
    """In beats, where beats are sent at 0, 1, 2, …, frames and answers to beats arrive then."""
    events = [(at, False) for at in frames] + [(at, True) for at in answers]
    silence = Silence(0.0)
    now = 0.0
    for step in itertools.count():
        now = step * STEP_S
        for at, answers_beat in events:
            if now - STEP_S < at * BEAT_S <= now:
                silence.note_frame(now, answers_beat=answers_beat)
        if silence.is_dead(now, BEAT_S) or now > 20 * BEAT_S:
            break
        if step % round(BEAT_S / STEP_S) == 0:
            silence.note_beat(now)
    return now / BEAT_S


def test_a_frame_just_before_the_cut_changes_nothing() -> None:
    """The server got the beat of 0, and none since: the lease ends at 4."""
    assert gives_up_at([], answers=[0.1]) < LEASE_BEATS - 1
    assert gives_up_at([0.5, 0.95], answers=[0.1]) < LEASE_BEATS - 1


def test_a_slow_server_is_not_given_up() -> None:
    late = [n + 1.4 for n in range(20)]
    assert gives_up_at([], answers=late) > 20, "each answer more than a beat late"
    busy = [n * 0.9 for n in range(30)]
    assert gives_up_at(busy) > 20, "other frames arrive"


def test_the_workers_own_delay_is_forgiven() -> None:
    silence = Silence(0.0)
    silence.note_beat(0.0)
    silence.forgive(10.0)
    assert not silence.is_dead(10.0 + BEAT_S, BEAT_S)
    assert silence.is_dead(10.0 + 2 * BEAT_S, BEAT_S)
