"""Holds the network of a function that asked for one. The function joins it without any rights to change it; what
clouds tell of themselves and their keys cannot be reached from there."""

import fcntl
import signal
import socket
import struct

SIOCADDRT = 0x890B
RTF_UP, RTF_HOST, RTF_REJECT = 0x1, 0x4, 0x200
BLOCKED = [("169.254.0.0", "255.255.0.0"), ("100.100.100.200", "255.255.255.255")]


def address(text):
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def reject(network, mask):
    flags = RTF_UP | RTF_REJECT | (RTF_HOST if mask == "255.255.255.255" else 0)
    # struct rtentry of <net/route.h>, with its padding on 64 bits.
    route = struct.pack(
        "@L16s16s16sHhLPhPLLH",
        0,
        address(network),
        address("0.0.0.0"),
        address(mask),
        flags,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCADDRT, route)


for network, mask in BLOCKED:
    reject(network, mask)
print("ready", flush=True)
signal.signal(signal.SIGTERM, lambda *_: exit(0))
signal.pause()
