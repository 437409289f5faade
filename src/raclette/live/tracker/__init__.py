"""The tracker: a meeting place where peers learn of each other. A convenience, never needed for agreement.

`machine.py` is the tracker itself, pure; `service.py` hosts it over the transport; `client.py` is the peers' side.
"""
