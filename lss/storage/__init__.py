"""Files whole or not at all, tables with checked columns, shards."""
