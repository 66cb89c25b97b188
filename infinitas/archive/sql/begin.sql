-- SET LOCAL: a pooler between may give the session to other clients.
BEGIN;
SET LOCAL jit = off;
SET LOCAL lock_timeout = {lock_ms};
SET LOCAL statement_timeout = {statement_ms};
SET LOCAL idle_in_transaction_session_timeout = {idle_ms};
