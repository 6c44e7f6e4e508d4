//! The edge towards agents: the MCP server.
