"""What is going on in a pipeline now, read from Redis alone: for the live page and the terminal."""
