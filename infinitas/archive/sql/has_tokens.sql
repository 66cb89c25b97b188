SELECT EXISTS (SELECT FROM infinitas_tokens);
