"""Makes text storable everywhere: without NUL, and without lone surrogates."""


def clean(text: str) -> str:
    """`text` with NUL and lone surrogates, which Postgres can't hold, replaced visibly."""
    if "\x00" in text:
        text = text.replace("\x00", "\\0")
    return text if text.isascii() else _paired(text)


def clean_json(text: str) -> str:
    """`clean` for JSON text; the result is JSON too."""
    if "\x00" in text:
        text = text.replace("\x00", "\\u0000")
    return text if text.isascii() else _paired(text)


def _paired(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
