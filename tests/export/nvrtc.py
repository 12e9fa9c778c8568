"""Compiles exported CUDA code with NVRTC: nvrtc.py FILE... . Ends with 77 where the library is not installed."""

import ctypes
import glob
import os
import site
import sys

MISSING = 77


def library():
    """libnvrtc of the packages that PyTorch brings."""
    for folder in site.getsitepackages() + sys.path:
        for path in sorted(glob.glob(os.path.join(folder, "nvidia", "**", "libnvrtc.so*"), recursive=True)):
            try:
                return ctypes.CDLL(path)
            except OSError:
                continue
    return None


def compile_file(nvrtc, path):
    """What is wrong with the file; None if nothing is."""
    with open(path, "rb") as file:
        source = file.read()
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, path.encode(), 0, None, None) == 0
    options = [b"--gpu-architecture=compute_80"]
    result = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    return text or f"error {result}" if result != 0 or "warning" in text else None


def main():
    nvrtc = library()
    if nvrtc is None:
        sys.exit(MISSING)
    for path in sys.argv[1:]:
        problem = compile_file(nvrtc, path)
        if problem:
            sys.exit(f"{path}: {problem}")
    print(f"nvrtc: {len(sys.argv) - 1} files compiled")


main()
