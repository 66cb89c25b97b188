-- What each change through the server has changed: field → [before, after].
ALTER TABLE infinitas_audit ADD COLUMN changes json;
