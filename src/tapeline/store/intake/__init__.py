"""Files of others, and our own exports, as events: a row that cannot be read is a value too, and the rest goes on."""
