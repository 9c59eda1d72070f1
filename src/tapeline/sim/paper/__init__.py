"""A paper exchange in a venue's own protocol: keys, orders, private streams."""
