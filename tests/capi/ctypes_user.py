"""Uses libshmq.so through ctypes, as any language that can call C does. test: sentences about it, and
push, pop, create, hold for capi.sh. The library is $LIBSHMQ."""
import ctypes
import os
import signal
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

OK, FULL, EMPTY, TIMED_OUT, ENDED, REMOVED, TOO_LONG, INTERRUPTED, CORRUPT, FORKED = range(10)
MISUSED, NO_SUCH_RING, BAD_OPTION = 99, 100, 112
FOREVER, NO_WAIT = -1, 0


class Options(ctypes.Structure):  # as shmq_options
    _fields_ = [("struct_size", c_size_t), ("slots", c_uint64), ("slot_size", c_uint64), ("max_message", c_uint64)]
    _fields_ += [(name, c_uint32) for name in ("participants", "mode", "set_group", "group")]
    _fields_ += [("record", c_char_p)]
    _fields_ += [(name, c_uint32) for name in ("waiting", "if_exists", "fixed", "one_producer", "one_consumer", "broadcast", "overwrite", "timestamps", "ephemeral", "duplex", "lock_memory", "reserved")]


class Message(ctypes.Structure):  # as shmq_message
    _fields_ = [("struct_size", c_size_t), ("position", c_uint64), ("time_ns", c_uint64), ("sequence", c_uint64),
                ("lost", c_uint64), ("producer", c_uint32), ("redelivered", c_uint32)]


lib = ctypes.CDLL(os.environ["LIBSHMQ"])
handle, error = c_void_p, [c_char_p, c_size_t]
for name, result, arguments in (
    ("describe", c_char_p, [c_int]),
    ("create", c_int, [c_char_p, POINTER(Options)] + error),
    ("remove", c_int, [c_char_p, c_int] + error),
    ("producer_open", c_int, [POINTER(handle), c_char_p, c_void_p] + error),
    ("producer_close", None, [handle]),
    ("producer_push", c_int, [handle, c_char_p, c_size_t, c_int64]),
    ("producer_claim", c_int, [handle, c_size_t, POINTER(c_void_p), c_int64]),
    ("producer_commit", c_int, [handle, c_size_t]),
    ("producer_end", c_int, [handle]),
    ("producer_available", c_uint64, [handle]),
    ("consumer_open", c_int, [POINTER(handle), c_char_p, c_void_p] + error),
    ("consumer_close", None, [handle]),
    ("consumer_pop", c_int, [handle, POINTER(c_void_p), POINTER(c_size_t), c_int64]),
    ("consumer_copy", c_int, [handle, c_char_p, c_size_t, POINTER(c_size_t), c_int64]),
    ("consumer_message", c_int, [handle, POINTER(Message)]),
    ("consumer_release", c_int, [handle]),
    ("consumer_hand_back", c_int, [handle]),
    ("consumer_pending", c_uint64, [handle]),
):
    function = getattr(lib, "shmq_" + name)
    function.restype, function.argtypes = result, arguments


class Failed(Exception):
    pass


def opened(call, *arguments):
    """Calls what answers errors with a text."""
    text = ctypes.create_string_buffer(256)
    if call(*arguments, text, len(text)) != OK:
        raise Failed(text.value.decode())


def attach(call, ring):
    it = c_void_p()
    opened(call, byref(it), ring.encode(), None)
    return it


def popped(consumer, timeout=FOREVER):
    """The next message where it lies, as (outcome, bytes)."""
    data, size = c_void_p(), c_size_t()
    outcome = lib.shmq_consumer_pop(consumer, byref(data), byref(size), timeout)
    return outcome, ctypes.string_at(data, size.value) if outcome == OK else b""


def create(ring, **fields):
    opened(lib.shmq_create, ring.encode(), byref(Options(ctypes.sizeof(Options), **fields)))


def test():
    create("ring", slots=4, timestamps=1)
    producer, consumer = attach(lib.shmq_producer_open, "ring"), attach(lib.shmq_consumer_open, "ring")
    assert popped(consumer, NO_WAIT) == (EMPTY, b"")
    assert popped(consumer, 1000000) == (TIMED_OUT, b"")
    binary = bytes(range(40))
    assert lib.shmq_producer_push(producer, binary, len(binary), FOREVER) == OK
    assert lib.shmq_producer_available(producer) == 3 and lib.shmq_consumer_pending(consumer) == 1
    assert popped(consumer) == (OK, binary)
    assert lib.shmq_consumer_hand_back(consumer) == OK
    assert popped(consumer) == (OK, binary)
    message = Message(ctypes.sizeof(Message))
    assert lib.shmq_consumer_message(consumer, byref(message)) == OK and message.redelivered == 1 and message.time_ns > 0
    assert lib.shmq_consumer_release(consumer) == OK
    assert lib.shmq_consumer_release(consumer) == MISUSED

    room = c_void_p()
    assert lib.shmq_producer_claim(producer, 10, byref(room), NO_WAIT) == OK
    ctypes.memmove(room, b"in place", 8)
    assert lib.shmq_producer_commit(producer, 8) == OK
    buffer, size = ctypes.create_string_buffer(64), c_size_t()
    assert lib.shmq_consumer_copy(consumer, buffer, len(buffer), byref(size), FOREVER) == OK
    assert buffer.raw[: size.value] == b"in place"
    for _ in range(4):
        assert lib.shmq_producer_push(producer, b"x", 1, NO_WAIT) == OK
    assert lib.shmq_producer_push(producer, b"x", 1, NO_WAIT) == FULL
    assert lib.shmq_producer_end(producer) == OK
    for _ in range(4):
        assert popped(consumer) == (OK, b"x") and lib.shmq_consumer_release(consumer) == OK
    assert popped(consumer) == (ENDED, b"")
    lib.shmq_producer_close(producer)
    lib.shmq_consumer_close(consumer)
    opened(lib.shmq_remove, b"ring", 0)

    for call, text in ((lambda: opened(lib.shmq_remove, b"ring", 0), "ring: no such ring"), (lambda: create("ring", fixed=2), "fixed: found 2, expected 0 or 1")):
        try:
            call()
            raise AssertionError(text)
        except Failed as failed:
            assert str(failed) == text, failed
    assert lib.shmq_describe(NO_SUCH_RING) == b"no such ring" and lib.shmq_describe(BAD_OPTION) == b"an impossible option"


def push(ring, *texts):
    producer = attach(lib.shmq_producer_open, ring)
    for text in texts:
        outcome = lib.shmq_producer_push(producer, text.encode(), len(text.encode()), FOREVER)
        if outcome != OK:
            raise Failed(lib.shmq_describe(outcome).decode())
    lib.shmq_producer_close(producer)


def pop(ring, hold=False):
    consumer = attach(lib.shmq_consumer_open, ring)
    while True:
        outcome, message = popped(consumer)
        if outcome != OK:
            break
        print(message.decode(), flush=True)
        while hold:
            signal.pause()  # until killed
        lib.shmq_consumer_release(consumer)
    lib.shmq_consumer_close(consumer)
    if outcome != ENDED:
        raise Failed(lib.shmq_describe(outcome).decode())


try:
    what, *arguments = sys.argv[1:]
    {"test": test, "push": push, "pop": pop, "hold": lambda ring: pop(ring, hold=True), "create": lambda ring: create(ring, slots=256, slot_size=8, fixed=1)}[what](*arguments)
except Failed as failed:
    sys.exit(str(failed))
