# cython: language_level=3
"""Numbers for pairs of owners, in the order in which they are first seen: a hash table with open addressing."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

cdef struct Slot:
    uint64_t key
    int64_t number  # of the pair, from 1 on; 0: free

cdef struct Pairing:
    Slot *slot
    Py_ssize_t slots  # a power of two
    uint64_t *key  # of each pair
    Py_ssize_t size


cdef inline uint64_t key_of(int32_t a, int32_t b) noexcept nogil:
    """One number that sorts as (a, b) does, -1 first."""
    return <uint64_t>(<uint32_t>a ^ <uint32_t>0x80000000) << 32 | (<uint32_t>b ^ <uint32_t>0x80000000)


cdef inline Py_ssize_t home_of(Pairing *pairing, uint64_t key) noexcept nogil:
    """The place of the table where the search for a key begins."""
    return ((key * <uint64_t>0x9E3779B97F4A7C15) >> 20) & (pairing.slots - 1)


cdef inline Py_ssize_t place_of(Pairing *pairing, uint64_t key) noexcept nogil:
    """The place of a key in the table, or the free place where it belongs."""
    cdef Py_ssize_t place = home_of(pairing, key)
    while pairing.slot[place].number and pairing.slot[place].key != key:
        place = (place + 1) & (pairing.slots - 1)
    return place


cdef inline bint widen(Pairing *pairing) noexcept nogil:
    """Twice the room; False when there is no memory."""
    cdef Py_ssize_t slots = 2 * pairing.slots if pairing.slots else 1024, i
    cdef uint64_t *key = <uint64_t *>realloc(pairing.key, slots // 2 * sizeof(uint64_t))
    if key != NULL:
        pairing.key = key
    cdef Slot *slot = <Slot *>calloc(slots, sizeof(Slot))
    if key == NULL or slot == NULL:
        free(slot)
        return False
    free(pairing.slot)
    pairing.slot = slot
    pairing.slots = slots
    for i in range(pairing.size):
        slot[place_of(pairing, key[i])] = Slot(key[i], i + 1)
    return True


cdef inline int64_t number_of(Pairing *pairing, int32_t a, int32_t b) noexcept nogil:
    """The number of a pair, which is `pairing.size - 1` afterwards if it is a new one; -1 when there is no memory."""
    cdef uint64_t key = key_of(a, b)
    cdef Py_ssize_t place
    if 2 * pairing.size >= pairing.slots and not widen(pairing):
        return -1
    place = place_of(pairing, key)
    if pairing.slot[place].number == 0:
        pairing.key[pairing.size] = key
        pairing.size += 1
        pairing.slot[place] = Slot(key, pairing.size)
    return pairing.slot[place].number - 1


cdef inline void release(Pairing *pairing) noexcept nogil:
    free(pairing.slot)
    free(pairing.key)
