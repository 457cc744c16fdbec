# Users' own ops: rows behind the op table.


def set_op(int id, str kind, int inputs, bint commutative, bint keeps_zero, double cost,
           uint32_t salt, uintptr_t f64, uintptr_t f32):
    """Makes op `id`, behind the op table, an elementwise op on registers of one kind.

    `f64` and `f32` are addresses of functions that stay for the life of the process (see
    ElementFunction). Different ops need different salts.
    """
    cdef CustomFunctions functions
    functions.f64 = <ElementFunction> f64
    functions.f32 = <ElementFunction> f32
    set_custom_op(id, <char> ord(kind), inputs,
                  (OP_COMMUTATIVE if commutative else 0) | (OP_KEEPS_ZERO if keeps_zero else 0),
                  cost, salt, functions)


def call_element_function(uintptr_t function, const uint8_t[::1] a, const uint8_t[::1] b,
                          uint8_t[::1] out):
    """out[i] = f(a[i], b[i]) on the numbers in these bytes, of equal number and multiples of 64."""
    (<ElementFunction> function)(out.shape[0] // 64, &a[0], &b[0], &out[0])
