SELECT EXISTS (SELECT FROM infinitas_access);
