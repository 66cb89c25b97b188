"""The pure core: words, rules and decisions. No I/O, no clock, no randomness."""
