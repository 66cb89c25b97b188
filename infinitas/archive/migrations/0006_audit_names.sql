-- The names of the audit's event and of its JSON.
ALTER TABLE infinitas_audit RENAME COLUMN who TO actor;
ALTER TABLE infinitas_audit RENAME COLUMN what TO action;
ALTER TABLE infinitas_audit RENAME COLUMN why TO reason;
