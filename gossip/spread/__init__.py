"""How a message reaches everyone, once: the message list, flooding, rumors, anti-entropy.

Which links there are is decided in overlay/.
"""
