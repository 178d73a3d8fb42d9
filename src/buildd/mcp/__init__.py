"""buildd for agents that speak MCP: the tools, and the leases that are kept for whoever uses them.

`buildd mcp` serves them on standard input and output, `buildd_server` at `/mcp`; so they stand on
the floor below both. Only `protocol` knows the SDK, an extra that takes a second to load.
"""
