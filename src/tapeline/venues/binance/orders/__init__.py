"""The trading half of the family: what is asked, how it is signed, what comes back, and the venue's own side of it."""
