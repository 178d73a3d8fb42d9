"""The `claude` executor: a model of the Messages API works on the task with tools of its own."""
