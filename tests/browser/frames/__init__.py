"""How smoothly the dashboard draws while much happens on a large server."""
