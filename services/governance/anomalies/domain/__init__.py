"""What is unusual in a stream of numbers. Pure, one point at a time, in constant memory."""
