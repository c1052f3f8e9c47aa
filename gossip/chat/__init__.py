"""Chat servers (server, doorstep), and a console for them (console, server_process)."""
