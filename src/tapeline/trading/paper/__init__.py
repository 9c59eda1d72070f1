"""A paper exchange: accounts, orders, matching and margin as a venue has them. Pure and exact."""
