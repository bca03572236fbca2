"""What a memory is and how it may change. Pure: no I/O, no clock, no randomness."""
