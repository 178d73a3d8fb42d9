"""The server: a thin HTTP app over the broker, made by `buildd_server.app.create_app`.

Nothing is imported here, so that listing the CLI's commands does not load a web framework.
"""
