"""The `vm` runner: agents on a machine that is reached by SSH, each in a session of its own."""
