"""No URL, right or wrong, shows its secret; a right one works, and an error names the remedy."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from infinitas import ConfigError
from infinitas.broker.connection import Connection
from infinitas.core.errors import InfinitasError
from infinitas.runtime.config import Settings, load_settings
from infinitas.runtime.masking import mask_text, mask_url

# No form below has these letters.
SECRETS = st.text("QXZJ7@#/?:% '\\=+", min_size=4, max_size=12).filter(str.strip)
PLACES = [
    "redis://:{}@h:6379/0",
    "redis://user:{}@h",
    "REDIS://{}@h",
    "rediss//:{}@h",
    "redis:/:{}@h",
    ":{}@h:6379",
    "{}@h",
    "redis://h/0?password={}",
    "redis://h?pasword={}",
    "redis://h:no_port?x={}",
    "redis://h/0#{}",
    "unix://:{}@/run/redis.sock",
    "valkey://:{}@h:6379",
    "redis+sentinel://:{}@h:26379,i/main/0",
    "rediss+sentinel://h,i:26379/main?sentinel_password={}",
    "unix:///run/redis.sock?password={}",
    "postgresql://user:{}@h/db",
    "postgresql://{}@h:5432,i:5433/db?sslmode=require",
    "postgresql://user:{}@[::1",
    "postgresql:///db?host=/run&password={}",
    "host=h password={}",
    "host=h password='{}' dbname=db",
    "http://user:{}@h",
]


def in_redis(url: str | None) -> dict[str, object]:
    """A URL as redis-py parses it."""
    pool: redis.ConnectionPool = redis.ConnectionPool.from_url(url or "")
    names = ("username", "password", "host", "port", "db")
    return {name: pool.connection_kwargs[name] for name in names if name in pool.connection_kwargs}


def shows(text: str, secret: str) -> bool:
    """Whether the secret or any longer piece of it can be read."""
    pieces = {secret, unquote(secret), *re.findall(r"[QXZJ7]{4,}", secret)}
    return any(len(piece) >= 4 and piece in text for piece in pieces)


@given(st.sampled_from(PLACES), SECRETS)
def test_no_url_shows_its_secret(place: str, secret: str) -> None:
    url = place.format(secret)
    assert not shows(mask_url(url), secret), mask_url(url)
    assert not shows(mask_text(f"can't use '{url}', or {url}.", url), secret)


# Only a URL reaches a client library.
@given(st.sampled_from([place for place in PLACES if not place.startswith("host=")]), SECRETS)
def test_no_client_library_error_shows_a_secret(place: str, secret: str) -> None:
    url = place.format(secret)
    texts = [f"failed to resolve host '{secret.partition('@')[2]}@h'", f"password authentication: {secret}"]
    for parse in (conninfo_to_dict, in_redis):
        try:
            parse(url)
        except (psycopg.Error, ValueError) as error:
            texts.append(str(error))
    for text in texts:
        assert not shows(mask_text(text, url), secret), text


@given(st.sampled_from(PLACES), SECRETS)
def test_a_setting_works_or_is_refused_without_its_secret(place: str, secret: str) -> None:
    url = place.format(secret)
    for name in ("redis_url", "postgres_url", "server"):
        try:
            load_settings({name: url}, {}, Path("absent.toml"))
        except ConfigError as error:
            refused = str(error).partition("; allowed: ")[0]
        else:
            refused = ""
        assert not shows(refused, secret), refused


# "%37" and the like: characters that need no encoding.
@given(st.text("QXZJ@%: '\\+ä", min_size=1, max_size=12).filter(str.strip))
def test_a_password_may_hold_what_a_url_can_carry(password: str) -> None:
    settings = load_settings(
        {"redis_url": f"redis://:{password}@h:1/2", "postgres_url": f"postgresql://u:{password}@h:1/d"},
        {},
        Path("absent.toml"),
    )
    assert in_redis(settings.redis_url) == {"password": password, "host": "h", "port": 1, "db": 2}
    found = conninfo_to_dict(settings.postgres_url or "")
    assert found == {"user": "u", "password": password, "host": "h", "port": "1", "dbname": "d"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12))
def test_an_encoded_password_may_hold_anything(password: str) -> None:
    encoded = quote(password, safe="")
    settings = load_settings({"redis_url": f"redis://:{encoded}@h"}, {}, Path("absent.toml"))
    assert in_redis(settings.redis_url)["password"] == password


@pytest.mark.parametrize("mark", list("#/?"))
@pytest.mark.parametrize("name", ["redis_url", "postgres_url"])
def test_an_error_names_characters_to_encode(name: str, mark: str) -> None:
    scheme = "redis" if name == "redis_url" else "postgresql"
    with pytest.raises(ConfigError, match="percent-encoded") as refused:
        load_settings({name: f"{scheme}://user:SEC{mark}RET1@h/0"}, {}, Path("absent.toml"))
    assert "RET1" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:p@ss@h:6379/1", "redis://***@h:6379/1"),
        ("postgresql://u:p@ss#w/ord@h/db", "postgresql://***@h/db"),
        ("postgresql://u@/postgres?host=/run/x&user=u", "postgresql://***@/postgres?host=/run/x&***"),
        ("unix:///tmp/a/redis.sock", "unix:///tmp/a/redis.sock"),
        ("redis+sentinel://:p@h:1,i/main/2?sentinel_password=x", "redis+sentinel://***@h:1,i/main/2?***"),
        ("localhost:6379", "localhost:6379"),
        ("redis://h:SECRET", "redis://***"),
        ("redis://h/0#@SECRET", "redis://***"),
    ],
)
def test_what_is_harmless_is_shown(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "query",
    [
        "ssl_cert_reqs=none",
        "max_connections=1",
        "socket_timeout=1",
        "sentinel=x",
        "db=many",
        "db",
        "x=1&db=2",
    ],
)
def test_unknown_and_harmful_options_are_refused(query: str) -> None:
    with pytest.raises(ConfigError, match="options"):
        load_settings({"redis_url": f"redis://h/0?{query}"}, {}, Path("absent.toml"))


@pytest.mark.parametrize("value", ["redis://h:0", "redis://h:70000", "redis://h/name", "unix://", "unix://p"])
def test_a_redis_url_leads_somewhere(value: str) -> None:
    with pytest.raises(ConfigError, match="redis_url"):
        load_settings({"redis_url": value}, {}, Path("absent.toml"))


async def test_tls_options_are_checked() -> None:
    url = "rediss://h?ssl_cert_reqs={}&ssl_check_hostname=no"
    found = load_settings({"redis_url": url.format("none")}, {}, Path("absent.toml"))
    await Connection(found.redis_url or "", "test").close()
    with pytest.raises(InfinitasError, match="redis_url"):
        Connection(url.format("perhaps"), "test")


def test_upper_case_and_surrounding_space_are_accepted() -> None:
    found: Settings = load_settings(
        {"redis_url": "REDIS://h\n", "postgres_url": " PostgreSQL://h/db\n", "server": "HTTPS://h\n"},
        {},
        Path("absent.toml"),
    )
    assert (found.redis_url, found.postgres_url, found.server) == (
        "redis://h",
        "postgresql://h/db",
        "wss://h",
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer inf_abcd1234_SECRETSECRET", "Authorization: ***"),
        ("{'Authorization': 'Basic U0VDUkVUOlNFQ1JFVA=='}", "{'Authorization': '***'}"),
        ("> bearer SECRETSECRET, then", "> bearer ***, then"),
        ("the token inf_abcd1234_SECRETSECRETSECRET is unknown", "the token inf_abcd1234_*** is unknown"),
        ('{"password": "SEC\\"RET", "user": "u"}', '{"password": ***, "user": "u"}'),
        ("{'db_passwd': 'SECRET'}", "{'db_passwd': ***}"),
        ("PGPASSWORD=SECRET psql", "PGPASSWORD=*** psql"),
        ("https://u:S@CRET@h/p?token=SECRET and on", "https://***@h/p?*** and on"),
        ("refused the password: WRONGPASS invalid pair", "refused the password: WRONGPASS invalid pair"),
        ("the authorization failed", "the authorization failed"),
    ],
)
def test_a_text_shows_no_token_and_no_password(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_settings_are_shown_without_urls() -> None:
    urls = {"redis_url": "redis://u:SECRET@h", "postgres_url": "postgres://u:SECRET@h/d"}
    settings = load_settings({**urls, "token": "SECRET"}, {}, Path("absent.toml"))
    assert "SECRET" not in repr(settings)
