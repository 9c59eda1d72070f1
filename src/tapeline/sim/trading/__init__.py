"""Trading days: engine, journal and live gateway against a paper exchange, with faults, from one seed."""
