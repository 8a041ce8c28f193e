# cython: language_level=3
"""Horizontal spans, as drawing libraries paint them; `spans.pyx` makes vertical runs of them."""

from libc.stdint cimport int64_t

from segdata.core.kernels._compiled.room cimport grow

cdef struct Span:
    int64_t y
    int64_t left
    int64_t right  # the first pixel after it

cdef struct Strip:
    int64_t x
    int64_t top
    int64_t bottom  # the first pixel below it

cdef struct Column:
    int64_t opened  # the row in which the column's current run begins, or -1
    Py_ssize_t place  # how many strips there are, then where the next one goes

cdef struct Painting:
    int64_t height
    int64_t width
    bint lacking  # memory was, and so pixels are
    Span *span  # of the current segment, in any order; they may overlap
    Py_ssize_t spans
    Py_ssize_t span_room
    Span *ordered  # the same by row
    Py_ssize_t ordered_room
    Py_ssize_t *row  # where the spans of each row go among the ordered ones
    Py_ssize_t row_room
    int64_t *side  # the sides of the pixels that are covered in the row above, and in this one
    Py_ssize_t side_room
    Column *column
    Py_ssize_t column_room
    Strip *strip  # of the current segment, by row where they end
    Py_ssize_t strips
    Py_ssize_t strip_room
    int64_t *start  # of the runs of all segments so far
    Py_ssize_t start_room
    int64_t *length
    Py_ssize_t length_room
    Py_ssize_t runs

# Draws some rings: `count` of them, ring j from number ring[j] to ring[j + 1]; `scratch` is its own.
ctypedef void (*Draw)(
    Painting *painting, void *scratch, const double *xy, const int64_t *ring, Py_ssize_t count
) noexcept nogil


cdef void begin(Painting *painting) noexcept nogil
cdef void settle(Painting *painting) noexcept nogil
cdef object finish(Painting *painting, object ends)
cdef void release(Painting *painting) noexcept nogil

cdef object paint_segments(
    Draw draw,
    void *scratch,
    const double[::1] xy,
    const int64_t[::1] ring,
    const int64_t[::1] segment,
    const int64_t[::1] height,
    const int64_t[::1] width,
)


cdef inline void paint(Painting *painting, int64_t y, int64_t left, int64_t right) noexcept nogil:
    """Cover the pixels from `left` to `right`, both included, as far as they lie in the image."""
    left, right = max(left, 0), min(right + 1, painting.width)
    if y < 0 or y >= painting.height or left >= right:
        return
    if not grow(<void **>&painting.span, &painting.span_room, painting.spans + 1, sizeof(Span)):
        painting.lacking = True
        return
    painting.span[painting.spans] = Span(y, left, right)
    painting.spans += 1
