"""What knowledge is and how it comes into force. Pure: no I/O, no clock, no randomness."""
