"""What people and programs see: thin; they parse, call app, print."""
