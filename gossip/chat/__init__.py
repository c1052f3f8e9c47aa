"""Chat servers in a line, and a console that talks to them.

server.py and doorstep.py are a server, console.py and server_process.py the console. The program
`peer.py --chat` is in programs/.
"""
