"""Text that every store can hold: without NUL, and without halves of surrogate pairs."""


def clean(text: str) -> str:
    """`text` with what Postgres can't hold made visible; nearly always `text` itself."""
    if "\x00" in text:
        text = text.replace("\x00", "\\0")
    return text if text.isascii() else _paired(text)


def clean_json(text: str) -> str:
    """`clean` for JSON text, which stays JSON."""
    if "\x00" in text:
        text = text.replace("\x00", "\\u0000")
    return text if text.isascii() else _paired(text)


def _paired(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
