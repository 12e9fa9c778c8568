// What CUDA C++ has beyond C++, for one thread of the host that runs all blocks, one after the other. The threads of a block are
// fibres that take turns at barriers; a barrier that not all of them reach ends the program with an error.
#define EMULATED
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>
#include <ucontext.h>
#include <unistd.h>
#include <utility>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
// One block runs at a time.
#define __shared__ static

struct Dim {
    unsigned x, y, z;
};
static Dim threadIdx, blockIdx, blockDim, gridDim;

template <class... A> [[noreturn]] static void fail(const char* format, A... args) {
    putchar(1);
    printf(format, args...);
    fflush(stdout);
    _exit(3);
}

#define CHECK_ALIGNED(pointer, bytes) \
    if (reinterpret_cast<uintptr_t>(pointer) % ((bytes) < 16 ? (bytes) : 16) != 0) fail("a wide access that is not aligned")

enum State { RUNNABLE, AT_BLOCK, AT_WARP, DONE };

struct Fibre {
    ucontext_t start;
    jmp_buf at;
    State state;
    bool started;
    int parity;
};

enum { MAX_THREADS = 1024, STACK = 64 << 10 };
static Fibre fibres[MAX_THREADS];
static jmp_buf scheduler;
static int current;
// What every thread of the launch does.
static void (*body)(void*);
static void* body_data;

static void wait_at(State state) {
    fibres[current].state = state;
    if (!_setjmp(fibres[current].at)) _longjmp(scheduler, 1);
}

static void fibre_main() {
    for (;;) {
        body(body_data);
        wait_at(DONE);
    }
}

static void resume(int i) {
    current = i;
    threadIdx = {i % blockDim.x, i / blockDim.x, 0};
    Fibre& fibre = fibres[i];
    if (_setjmp(scheduler)) return;
    if (fibre.started) _longjmp(fibre.at, 1);
    fibre.started = true;
    getcontext(&fibre.start);
    fibre.start.uc_stack.ss_sp = malloc(STACK);
    fibre.start.uc_stack.ss_size = STACK;
    makecontext(&fibre.start, fibre_main, 0);
    setcontext(&fibre.start);
}

static void run_block(int threads) {
    for (int i = 0; i < threads; ++i) fibres[i].state = RUNNABLE, fibres[i].parity = 0;
    // Every other time the last thread goes first, so that a missing barrier shows.
    for (bool forwards = true;; forwards = !forwards) {
        for (int n = 0; n < threads; ++n) {
            const int i = forwards ? n : threads - 1 - n;
            if (fibres[i].state == RUNNABLE) resume(i);
        }
        int done = 0, at_block = 0;
        for (int i = 0; i < threads; ++i) done += fibres[i].state == DONE, at_block += fibres[i].state == AT_BLOCK;
        if (done == threads) return;
        bool released = false;
        for (int warp = 0; warp + 32 <= threads; warp += 32) {
            bool all = true;
            for (int i = warp; i < warp + 32; ++i) all = all && fibres[i].state == AT_WARP;
            for (int i = warp; all && i < warp + 32; ++i) fibres[i].state = RUNNABLE, released = true;
        }
        if (at_block == threads)
            for (int i = 0; i < threads; ++i) fibres[i].state = RUNNABLE, released = true;
        if (!released) fail("a barrier that not all threads reach");
    }
}

static void __syncthreads() { wait_at(AT_BLOCK); }

template <class T> static T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    if (mask != 0xffffffffu) fail("a shuffle of part of a warp");
    static T slots[2][MAX_THREADS];
    // Two sets in turns: a thread may be one shuffle ahead of another.
    const int me = current, set = fibres[me].parity ^= 1;
    slots[set][me] = value;
    wait_at(AT_WARP);
    return slots[set][me ^ lanes];
}

static float __uint_as_float(unsigned x) {
    float y;
    memcpy(&y, &x, 4);
    return y;
}
static unsigned __float_as_uint(float x) {
    unsigned y;
    memcpy(&y, &x, 4);
    return y;
}
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned __int128)a * b >> 64; }
// Blocks run one after the other, and memory is everybody's at once.
static void __threadfence() {}
static unsigned atomicAdd(unsigned* to, unsigned x) {
    const unsigned before = *to;
    *to += x;
    return before;
}
template <class T> static T __ldcg(const T* from) { return *from; }
static float __fdividef(float a, float b) { return a / b; }
static float without_subnormal(float x) { return fabsf(x) < 1.17549435e-38f ? 0 * x : x; }
static float fast_exp2(float x) { return without_subnormal(exp2f(x)); }
static float fast_reciprocal(float x) { return without_subnormal(1 / x); }
// C23's headers have a function of this name.
#define rsqrtf(x) (1.0f / sqrtf(x))
static int max(int a, int b) { return a > b ? a : b; }
static int min(int a, int b) { return a < b ? a : b; }
