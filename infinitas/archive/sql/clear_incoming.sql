TRUNCATE {incoming}_jobs, {incoming}_attempts, {incoming}_logs;
