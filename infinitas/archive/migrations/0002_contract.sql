-- What a job carries with it, and why each attempt ended.
ALTER TABLE infinitas_jobs ADD COLUMN headers json, ADD COLUMN key text;
ALTER TABLE infinitas_attempts ADD COLUMN reason text, ADD COLUMN traceback text;
