"""Frames that never reach the application: pings, pongs, fragments, bytes that are no text."""

import httpx
import pytest

from tests.server.attacks.floods import CONTROL, TEXT, RawSocket, frame
from tests.server.peer import Peer
from tests.server_fixtures import MakePeer, Server


@pytest.mark.parametrize("kind", CONTROL)
def test_a_flood_of_control_frames_is_cut_off(server: Server, kind: str) -> None:
    attacker = RawSocket(server.address)
    begins, repeated = CONTROL[kind]
    attacker.socket.sendall(begins)
    attacker.flood(repeated, 0.5)
    assert attacker.close_code() == 1008
    attacker.close()


def test_a_message_in_some_fragments_is_a_message(http: httpx.Client, server: Server) -> None:
    raw = RawSocket(server.address)
    text = b'{"t":"identify","tasks":[{"name":"honest","options":{}}],"capacity":1}'
    pieces = [text[place : place + 10] for place in range(0, len(text), 10)]
    raw.socket.sendall(frame(TEXT, pieces[0], fin=False))
    for piece in pieces[1:-1]:
        raw.socket.sendall(frame(0, piece, fin=False))
    raw.socket.sendall(frame(0, pieces[-1]))
    raw.receive_until(lambda: b'"welcome"' in raw.received)
    raw.close()


def test_half_a_character_closes_without_a_traceback(server: Server) -> None:
    raw = RawSocket(server.address)
    raw.socket.sendall(frame(TEXT, b'"\xe2\x82'))
    assert raw.close_code() == 1007
    raw.close()
    assert "Traceback" not in server.logs()


def test_messages_that_arrive_together_are_taken_in_order(http: httpx.Client, make_peer: MakePeer) -> None:
    """More than one slice, and more than one message in a slice."""
    peer: Peer = make_peer()
    peer.identify("honest")
    for n in range(300):
        peer.send("done", id=f"{n}", job="nobody", attempt=1, result="x" * (n % 7) * 100)
    for n in range(300):
        peer.expect("err", re=f"{n}", code="unknown_job")
