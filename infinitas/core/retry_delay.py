"""The delay before a failed attempt is retried."""

MAX_DELAY_MS = 3_600_000


def retry_delay_ms(first_s: float, failures: int, backoff: str, spread: float) -> int:
    """Milliseconds to wait after the `failures`-th failed attempt (1 is the first).

    "exponential" doubles each time, up to one hour; "fixed" stays. `spread` in [0, 1) adds up to a tenth,
    so that jobs that failed together are not retried together.
    """
    factor = 2.0 ** min(failures - 1, 40) if backoff == "exponential" else 1.0
    base = min(first_s * 1000 * factor, max(MAX_DELAY_MS, first_s * 1000))
    return round(base * (1 + spread / 10))
