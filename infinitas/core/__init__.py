"""The pure core: records, rules and decisions. No I/O, no clock, no randomness."""
