-- SET LOCAL: a pooler between may give the session to other clients. What a role, a database or the server's
-- configuration sets otherwise changes neither the meaning of our statements nor what the driver can read.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL jit = off;
SET LOCAL lock_timeout = {lock_ms};
SET LOCAL statement_timeout = {statement_ms};
SET LOCAL idle_in_transaction_session_timeout = {idle_ms};
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL standard_conforming_strings = on;
SET LOCAL extra_float_digits = 1;
