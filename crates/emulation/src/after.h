// Runs one launch after the other: reads a kernel's name, sizes, buffers and arguments from standard input, writes the buffers to standard
// output. The function `start`, which finds a kernel by its name, comes after.

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

// Before and after each buffer lie bytes that must not change; as numbers they are NaN.
static const size_t GUARD = 4096;

struct Buffer {
    char *all, *bytes;
    uint64_t size;
};

static void run_launch(const char* entry) {
    for (unsigned* size : {&gridDim.x, &gridDim.y, &gridDim.z, &blockDim.x, &blockDim.y}) *size = read_value<uint32_t>();
    blockDim.z = 1;
    std::vector<Buffer> buffers(read_value<uint32_t>());
    for (Buffer& buffer : buffers) {
        const uint64_t size = read_value<uint64_t>();
        char* all = (char*)aligned_alloc(256, (size + 2 * GUARD + 255) / 256 * 256);
        memset(all, 0xff, GUARD);
        read_bytes(all + GUARD, size);
        memset(all + GUARD + size, 0xff, GUARD);
        buffer = {all, all + GUARD, size};
    }
    std::vector<Given> given(read_value<uint32_t>());
    for (Given& arg : given) {
        arg.kind = read_value<char>();
        if (arg.kind == 'p') {
            const uint32_t buffer = read_value<uint32_t>();
            arg.pointer = buffers[buffer].bytes + read_value<uint64_t>();
            read_text(arg.word);
        } else if (arg.kind != '0') {
            arg.size = read_value<uint32_t>();
            if (arg.size > sizeof(arg.value)) fail("a value of %u bytes", arg.size);
            read_bytes(arg.value, arg.size);
        }
    }
    start(entry, given.data(), given.size());
    for (const auto& [all, bytes, size] : buffers) {
        for (size_t i = 0; i < GUARD; ++i)
            if (bytes[-1 - (long)i] != (char)0xff || bytes[size + i] != (char)0xff) fail("%s writes outside its buffers", entry);
        fwrite(bytes, 1, size, stdout);
        free(all);
    }
    fflush(stdout);
}

int main() {
    for (;;) {
        const int first = getc(stdin);
        if (first == EOF) return 0;
        ungetc(first, stdin);
        char entry[64];
        read_text(entry);
        run_launch(entry);
    }
}
