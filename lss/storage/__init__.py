"""Atomic files, tables with checked columns, shards."""
