"""The live host: real clocks, sockets, threads and disks around the same node that the simulator runs.

Read `contract.py` (what a transport promises), then `host.py` (how events get in and effects get out), then
`transport.py` (TLS links). `process.py` puts a whole node process together.
"""
