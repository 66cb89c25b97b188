SELECT name, succeeded, failed FROM infinitas_tasks;
