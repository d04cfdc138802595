"""Reads event files with nothing but Python: framing, masked CRC32C, the protocol-buffers fields that we write.

Written from the definitions (TFRecord; protobuf's wire format; TensorBoard's event.proto and summary.proto), not from our writer.
Strict: a field that is not expected, a wrong wire type, a byte too many or a wrong checksum is a ValueError.
"""
import struct

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of this CRC


def records(data):
    at = 0
    while at < len(data):
        head = data[at : at + 12]
        if len(head) < 12 or struct.unpack_from("<I", head, 8)[0] != masked(head[:8]):
            raise ValueError(f"the length at byte {at} is damaged")
        (length,) = struct.unpack_from("<Q", head)
        body, tail = data[at + 12 : at + 12 + length], data[at + 12 + length : at + 16 + length]
        if len(tail) < 4 or struct.unpack("<I", tail)[0] != masked(body):
            raise ValueError(f"the record at byte {at} is damaged")
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def text(data):
    return data.decode("utf-8")


def double(data):
    return struct.unpack("<d", data)[0]


def message(kind):
    return lambda data: parse(data, kind)


# kind: {field number: (name, wire type, how it is read, whether it may be repeated)}; wire types: 0 varint, 1 and 5 fixed, 2 length
ANY = {2: ("number", 1, double, False), 3: ("text", 2, text, False)}
ENTRY = {1: ("key", 2, text, False), 2: ("value", 2, message(ANY), False)}
SESSION = {1: ("hparams", 2, message(ENTRY), True), 5: ("start", 1, double, False)}
HPARAMS = {3: ("session_start", 2, message(SESSION), False)}
PLUGIN = {1: ("name", 2, text, False), 2: ("content", 2, message(HPARAMS), False)}
METADATA = {1: ("plugin", 2, message(PLUGIN), False), 3: ("description", 2, text, False), 4: ("class", 0, int, False)}
VALUE = {1: ("tag", 2, text, False), 2: ("value", 5, bytes, False), 9: ("metadata", 2, message(METADATA), False)}
SUMMARY = {1: ("values", 2, message(VALUE), True)}
EVENT = {1: ("time", 1, double, False), 2: ("step", 0, int, False), 3: ("version", 2, text, False), 5: ("summary", 2, message(SUMMARY), False)}


def parse(data, kind):
    found, at = {name: [] for name, _, _, repeated in kind.values() if repeated}, 0
    while at < len(data):
        key, at = varint(data, at)
        name, wire_type, read, repeated = kind.get(key >> 3, (None,) * 4)
        if name is None or wire_type != key & 7 or (name in found and not repeated):
            raise ValueError(f"field {key >> 3} of wire type {key & 7} has no place here")
        if wire_type == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire_type)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError(f"field {name} ends behind its message")
        if repeated:
            found[name].append(read(value))
        else:
            found[name] = read(value)
    return found


def read(path):
    """The events of a file, values as the four bytes of their floats."""
    with open(path, "rb") as file:
        return [parse(record, EVENT) for record in records(file.read())]
