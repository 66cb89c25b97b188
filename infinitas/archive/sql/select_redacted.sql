SELECT name, definition::jsonb -> 'redact' FROM infinitas_tasks
WHERE name = ANY (%(names)s) AND jsonb_typeof(definition::jsonb -> 'redact') = 'array';
