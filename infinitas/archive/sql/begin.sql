-- Limits for this transaction alone: a pooler in between may give the session to others.
BEGIN;
SET LOCAL lock_timeout = {lock_ms};
SET LOCAL statement_timeout = {statement_ms};
SET LOCAL idle_in_transaction_session_timeout = {idle_ms};
