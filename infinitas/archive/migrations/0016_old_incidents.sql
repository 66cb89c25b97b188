-- What is too old to keep is found without reading all.
CREATE INDEX infinitas_incidents_closed ON infinitas_incidents (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX infinitas_notices_old ON infinitas_notices (created_at) WHERE state <> 'pending';
