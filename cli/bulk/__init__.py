"""Memories as files of one JSON object a line (NDJSON), out of a tenant and into one."""
