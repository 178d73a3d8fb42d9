"""GitHub, spoken to with the server's own credentials. Nothing is imported before it is needed."""
