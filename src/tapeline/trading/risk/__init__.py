"""Risk: what each limit measures, how things stand, and whether an order may be sent. Pure."""
