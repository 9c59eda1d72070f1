"""A world in a box: any venue's server side, a seeded market, faults, virtual time."""
