// Runs one launch after the other, until standard input ends: reads a kernel's name, its sizes, parts of buffers and arguments from it,
// writes to standard output 0 and what was to be written, or else 1 and what went wrong. The function `start`, which finds a kernel by
// its name, comes after.

static const char* name_of(const float*) { return "f32"; }
static const char* name_of(const double*) { return "f64"; }
static const char* name_of(const bf16*) { return "bf16"; }
static const char* name_of(const u8*) { return "u8"; }
static const char* name_of(const u32*) { return "u32"; }
static const char* name_of(const u64*) { return "u64"; }

template <class T> static char kind_of() {
    if (std::is_same<T, float>::value) return 'f';
    if (std::is_class<T>::value) return 'w';
    return sizeof(T) == 8 ? 'l' : 'i';
}

// An argument: 'p'ointer or '0', or else a value of `size` bytes.
struct Given {
    char kind, word[8], value[256];
    uint32_t size;
    char* pointer;
};

template <class T> struct As {
    static void check(const Given& given, int place) {
        if (given.kind != kind_of<T>() || given.size != sizeof(T)) fail("argument %d is of another type than the kernel's parameter", place);
    }
    static T of(const Given& given) {
        T value;
        memcpy(&value, given.value, sizeof(T));
        return value;
    }
};
template <class T> struct As<T*> {
    static void check(const Given& given, int place) {
        const char* word = name_of((T*)nullptr);
        if (given.kind != '0' && given.kind != 'p') fail("argument %d is no pointer", place);
        if (given.kind == 'p' && strcmp(given.word, word))
            fail("argument %d points to %s, the kernel's parameter to %s", place, given.word, word);
    }
    static T* of(const Given& given) { return given.kind == '0' ? nullptr : reinterpret_cast<T*>(given.pointer); }
};

// All blocks, from the last to the first: none may wait for an earlier one.
static void run_grid() {
    for (unsigned z = gridDim.z; z-- > 0;)
        for (unsigned y = gridDim.y; y-- > 0;)
            for (unsigned x = gridDim.x; x-- > 0;) {
                blockIdx = {x, y, z};
                run_block(blockDim.x * blockDim.y);
            }
}

template <class... A, size_t... I>
static void run_with(void (*kernel)(A...), const Given* given, unsigned count, std::index_sequence<I...>) {
    if (count != sizeof...(A)) fail("%u arguments for %u parameters", count, (unsigned)sizeof...(A));
    (As<A>::check(given[I], I), ...);
    auto thread = [=] { kernel(As<A>::of(given[I])...); };
    body = [](void* data) { (*static_cast<decltype(thread)*>(data))(); };
    body_data = &thread;
    run_grid();
}
template <class... A> static void run(void (*kernel)(A...), const Given* given, unsigned count) {
    run_with(kernel, given, count, std::index_sequence_for<A...>());
}

static void start(const char* entry, const Given* given, unsigned count);

static void read_bytes(void* to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes) fail("the input ends early");
}
template <class T> static T read_value() {
    T value;
    read_bytes(&value, sizeof(T));
    return value;
}
template <size_t N> static void read_text(char (&text)[N]) {
    const uint32_t length = read_value<uint32_t>();
    if (length >= N) fail("a text of %u bytes", length);
    read_bytes(text, length);
    text[length] = 0;
}

// Before and after each part lie bytes that must not change; as numbers they are NaN.
enum : size_t { GUARD = 4096, ALIGNMENT = 256 };

// A part of a buffer. What of it may be written are the ranges in `written`, in order.
struct Part {
    char *memory, *bytes;
    uint64_t size;
    uint32_t n_written;
    uint64_t (*written)[2];
    uint64_t others;

    void read() {
        // It starts where it does in its buffer, seen from a multiple of the alignment.
        const uint64_t skew = read_value<uint64_t>() % ALIGNMENT;
        size = read_value<uint64_t>();
        memory = (char*)aligned_alloc(ALIGNMENT, (skew + size + 2 * GUARD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        bytes = memory + GUARD + skew;
        n_written = read_value<uint32_t>();
        written = new uint64_t[n_written][2];
        read_bytes(written, n_written * sizeof(*written));
        memset(bytes - GUARD, 0xff, GUARD);
        read_bytes(bytes, size);
        memset(bytes + size, 0xff, GUARD);
        others = hash_of_others();
    }

    // Of all bytes that may not be written.
    uint64_t hash_of_others() const {
        uint64_t hash = 0, at = 0;
        for (uint32_t i = 0; i <= n_written; ++i) {
            const uint64_t end = i < n_written ? written[i][0] : size;
            for (uint64_t word; at < end; at += sizeof(word)) {
                word = 0;
                memcpy(&word, bytes + at, end - at < sizeof(word) ? end - at : sizeof(word));
                hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
                hash ^= hash >> 32;
            }
            if (i < n_written) at = written[i][1];
        }
        return hash;
    }

    void check() const {
        for (size_t i = 0; i < GUARD; ++i)
            if (bytes[-1 - (long)i] != (char)0xff || bytes[size + i] != (char)0xff) fail("writes outside its views");
        if (others != hash_of_others()) fail("writes to what it is given to read only");
    }

    void write() const {
        for (uint32_t i = 0; i < n_written; ++i) fwrite(bytes + written[i][0], 1, written[i][1] - written[i][0], stdout);
        delete[] written;
        free(memory);
    }
};

static void run_launch(const char* entry) {
    for (unsigned* size : {&gridDim.x, &gridDim.y, &gridDim.z, &blockDim.x, &blockDim.y}) *size = read_value<uint32_t>();
    blockDim.z = 1;
    const uint32_t n_parts = read_value<uint32_t>();
    Part* parts = new Part[n_parts];
    for (uint32_t p = 0; p < n_parts; ++p) parts[p].read();
    const uint32_t count = read_value<uint32_t>();
    Given* given = new Given[count];
    for (uint32_t i = 0; i < count; ++i) {
        Given& arg = given[i];
        arg.kind = read_value<char>();
        if (arg.kind == 'p') {
            const uint32_t part = read_value<uint32_t>();
            if (part >= n_parts) fail("argument %u points nowhere", i);
            arg.pointer = parts[part].bytes + read_value<uint64_t>();
            read_text(arg.word);
        } else if (arg.kind != '0') {
            arg.size = read_value<uint32_t>();
            if (arg.size > sizeof(arg.value)) fail("a value of %u bytes", arg.size);
            read_bytes(arg.value, arg.size);
        }
    }
    start(entry, given, count);
    for (uint32_t p = 0; p < n_parts; ++p) parts[p].check();
    putchar(0);
    for (uint32_t p = 0; p < n_parts; ++p) parts[p].write();
    fflush(stdout);
    delete[] parts;
    delete[] given;
}

int main() {
    for (int next; (next = getchar()) != EOF;) {
        ungetc(next, stdin);
        char entry[64];
        read_text(entry);
        run_launch(entry);
    }
    return 0;
}
