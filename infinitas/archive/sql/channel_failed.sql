UPDATE infinitas_channels
SET failures = failures + 1, failing_since = coalesce(failing_since, now()), last_error = %(answer)s,
    retry_at = now() + make_interval(secs =>
        greatest(least(%(first_s)s * power(2, least(failures, 20)), %(longest_s)s), %(wanted_s)s))
WHERE name = %(channel)s;
