"""Side by side with other memory stores: same embedder, same texts, same questions, same k.

Each side is a child process; the peers run in an environment of their own, made on demand, because
they need other versions of what the suite uses.
"""
