"""The protocol can grow: either side ignores what it does not know yet."""

from typing import get_args

import pytest

from infinitas.core.errors import BadFrame
from infinitas.server.websocket.asyncapi import asyncapi_document
from infinitas.wire import frames
from infinitas.wire.frames import Beat, Capacity, Done, parse


def test_unknown_fields_are_ignored() -> None:
    assert parse('{"t":"beat","mood":"good"}') == [Beat(t="beat")]
    (done,) = parse('{"t":"done","id":"a","job":"j","attempt":1,"result":2,"cost":{"eur":3}}')
    assert done == Done(t="done", id="a", job="j", attempt=1, result=2)


def test_unknown_frames_are_ignored() -> None:
    assert parse('{"t":"of-the-future","what":1}') == []
    assert parse('[{"t":"of-the-future"},{"t":"beat"},{"t":"x"},{"t":"capacity","n":2}]') == [
        Beat(t="beat"),
        Capacity(t="capacity", n=2),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        '{"t":1}',
        '{"t":null}',
        '"of-the-future"',
        '{"t":"capacity"}',
        '[{"t":"of-the-future"},{"t":"capacity"}]',
        "[" + ",".join(['{"t":"x"}'] * 501) + "]",
    ],
)
def test_what_is_wrong_is_still_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        parse(text)


def test_every_kind_is_known() -> None:
    kinds = [get_args(each.__annotations__["t"])[0] for each in get_args(frames.Frame)]
    assert set(kinds) == frames.KINDS


def test_the_published_schemas_allow_new_fields() -> None:
    schemas = asyncapi_document()["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert closed <= {"Change", "Backoff", "Every", "Subscribe"}, "only rules of schedules, sent by clients"
