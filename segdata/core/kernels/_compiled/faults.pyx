# cython: language_level=3
"""Pages of mapped files that are no longer there: they read as zeros, instead of ending the process.

When a file that is mapped is cut, its pages behind the new end can no longer be read: the processor faults, the system
sends SIGBUS, and the process ends. The handler here maps pages of zeros over what is gone, and the reader goes on; it
must look afterwards whether the file is still as long as it was. A fault anywhere else ends the process as before.
"""

from libc.stdint cimport uintptr_t

cdef extern from *:
    """
    #if defined(__unix__) || defined(__APPLE__)
    #include <signal.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <unistd.h>
    #define MAX_GUARDED_RANGES 64
    static struct { volatile uintptr_t begin, end; } guarded[MAX_GUARDED_RANGES];
    static struct sigaction before;
    static uintptr_t page;

    static void give_zeros(int number, siginfo_t *info, void *context) {
        uintptr_t place = (uintptr_t)info->si_addr, first = place & ~(page - 1);
        int i;
        for (i = 0; i < MAX_GUARDED_RANGES; i++)
            if (guarded[i].begin && guarded[i].begin <= place && place < guarded[i].end
                && mmap((void *)first, guarded[i].end - first, PROT_READ,
                        MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                return;
        sigaction(SIGBUS, &before, NULL);  /* returning faults again, and there */
        if (info->si_code <= 0)
            raise(number);
    }

    static int guard(uintptr_t begin, uintptr_t size) {
        struct sigaction action;
        int i;
        page = (uintptr_t)sysconf(_SC_PAGESIZE);
        if (sigaction(SIGBUS, NULL, &action) || action.sa_sigaction != give_zeros) {
            memset(&action, 0, sizeof(action));
            action.sa_sigaction = give_zeros;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK;
            sigemptyset(&action.sa_mask);
            if (sigaction(SIGBUS, &action, &before))
                return 0;
        }
        for (i = 0; i < MAX_GUARDED_RANGES; i++)
            if (!guarded[i].begin) {
                guarded[i].end = begin + size;
                guarded[i].begin = begin;
                return 1;
            }
        return 0;
    }

    static void unguard(uintptr_t begin) {
        int i;
        for (i = 0; i < MAX_GUARDED_RANGES; i++)
            if (guarded[i].begin == begin)
                guarded[i].begin = 0;
    }
    #else  /* no other program can cut a file that is mapped */
    #include <stdint.h>
    static int guard(uintptr_t begin, uintptr_t size) { return 1; }
    static void unguard(uintptr_t begin) {}
    #endif
    """
    bint guard(uintptr_t begin, uintptr_t size)
    void unguard(uintptr_t begin)


def guard_pages(begin, size):
    """Let pages of a mapped file read as zeros: see the numpy reference."""
    return bool(guard(begin, size))


def release_pages(begin):
    """End that: see the numpy reference."""
    unguard(begin)
