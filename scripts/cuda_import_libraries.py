"""Archives to link against in place of CUDA's shared libraries, so that a binary starts where there are none.

    cuda_import_libraries.py TOOLKIT OUT

For every function of the driver, cuBLAS, cuRAND and NVRTC the archive holds an entry that jumps through a slot. At first a slot
leads to a piece of code that puts all argument registers aside, asks `find` (C, below) for the real function, writes it into the
slot and jumps on to it; from then on the entry is one indirect jump. Where a library or a function is missing, the call returns
that library's own code for "no device" or "not initialised", so the caller reports an error instead of the loader refusing to
start. The CUDA runtime needs none of this: its static version, which the toolkit brings, looks for the driver by itself.

x86-64 Linux; needs gcc, ar and nm.
"""

import pathlib
import re
import shutil
import subprocess
import sys

FIND = r"""
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { NAMES };
static const char *const sonames[] = { SONAMES };
extern void *SLOTS[] __attribute__((visibility("hidden")));
static int absent(void) { return ABSENT; }

/* Folders of a colon-separated list, one after the other. */
static void *open_in(const char *soname, const char *folders) {
    void *library = NULL;
    char path[4096];
    while (folders && *folders && !library) {
        size_t length = strcspn(folders, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)length, folders, soname);
        library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        folders += length + (folders[length] == ':');
    }
    return library;
}

static void *open_library(void) {
    for (size_t i = 0; i < sizeof sonames / sizeof *sonames; i++) {
        void *library = dlopen(sonames[i], RTLD_NOW | RTLD_GLOBAL);
        if (!library) library = open_in(sonames[i], getenv("CUDA_LIB_DIRS"));
        if (!library) library = open_in(sonames[i], "/usr/local/cuda/lib64:/usr/local/nvidia/lib64");
        if (library) return library;
    }
    if (getenv("CUDA_LIB_DEBUG")) fprintf(stderr, "%s: %s\n", sonames[0], dlerror());
    return NULL;
}

__attribute__((visibility("hidden"))) void *FIND_NAME(long i) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static void *library;
    static int tried;
    pthread_mutex_lock(&lock);
    if (!tried) {
        library = open_library();
        tried = 1;
    }
    pthread_mutex_unlock(&lock);
    void *found = library ? dlsym(library, names[i]) : NULL;
    if (library && !found) fprintf(stderr, "%s has no function %s\n", sonames[0], names[i]);
    if (!found) found = (void *)absent;
    SLOTS[i] = found;
    return found;
}
"""

# On entry the stack holds the function's number above the caller's return address. 7 registers and 136 bytes keep it aligned.
ASIDE = ["rdi", "rsi", "rdx", "rcx", "r8", "r9", "rax"]


def assembly(tag, names):
    lines = [".text"]
    for i, name in enumerate(names):
        lines += [f".globl {name}", f".type {name}, @function", f"{name}:", f"    jmp *{tag}_slots+{8 * i}(%rip)"]
    for i in range(len(names)):
        lines += [f"{tag}_first_{i}:", f"    push ${i}", f"    jmp {tag}_look_up"]
    lines += [f"{tag}_look_up:"] + [f"    push %{r}" for r in ASIDE] + ["    sub $136, %rsp"]
    lines += [f"    movups %xmm{i}, {16 * i}(%rsp)" for i in range(8)]
    lines += ["    mov 192(%rsp), %rdi", f"    call {tag}_find", "    mov %rax, 192(%rsp)"]
    lines += [f"    movups {16 * i}(%rsp), %xmm{i}" for i in range(8)]
    lines += ["    add $136, %rsp"] + [f"    pop %{r}" for r in reversed(ASIDE)] + ["    ret"]
    lines += ['.section .data.rel, "aw"', ".balign 8", f".globl {tag}_slots", f".hidden {tag}_slots", f"{tag}_slots:"]
    lines += [f"    .quad {tag}_first_{i}" for i in range(len(names))]
    lines += ['.section .note.GNU-stack, "", @progbits', ""]
    return "\n".join(lines)


def archive(out, library, sonames, absent, names):
    tag = f"bedside_{library}"
    c = FIND.replace("FIND_NAME", f"{tag}_find").replace("SLOTS", f"{tag}_slots").replace("ABSENT", str(absent))
    c = c.replace("SONAMES", ", ".join(f'"{s}"' for s in sonames)).replace("NAMES", ", ".join(f'"{n}"' for n in names))
    (out / f"{library}.S").write_text(assembly(tag, names))
    (out / f"{library}.c").write_text(c)
    objects = []
    for suffix in ("S", "c"):
        target = out / f"{library}_{suffix}.o"
        subprocess.run(["gcc", "-O2", "-fPIC", "-w", "-c", out / f"{library}.{suffix}", "-o", target], check=True)
        objects.append(target)
    path = out / f"lib{library}.a"
    path.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", path, *objects], check=True)
    print(f"{path.name}: {len(names)} functions")


def exported(path):
    listed = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    parts = (line.split() for line in listed.splitlines())
    return {p[2].split("@")[0] for p in parts if len(p) == 3 and p[1] in "TtWi"}


def declared(header):
    """The driver's library comes with the driver, so its functions are read from the header: by name and by version of it."""
    text = header.read_text()
    return set(re.findall(r"\b(cu[A-Z]\w*)\s*\(", text)) | set(re.findall(r"\b(cu[A-Z]\w*_v\d+(?:_ptsz|_ptds)?)\b", text))


def main():
    toolkit, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    lib = toolkit / "lib"
    # CUDA_ERROR_NO_DEVICE, NVRTC_ERROR_INTERNAL_ERROR, CURAND_STATUS_INITIALIZATION_FAILED, CUBLAS_STATUS_NOT_INITIALIZED
    libraries = [
        ("cuda", ["libcuda.so.1"], 100, declared(toolkit / "include" / "cuda.h")),
        ("nvrtc", ["libnvrtc.so.13"], 11, exported(lib / "libnvrtc.so.13")),
        ("curand", ["libcurand.so.10"], 203, exported(lib / "libcurand.so.10")),
        ("cublas", ["libcublas.so.13"], 1, exported(lib / "libcublas.so.13")),
        ("cublasLt", ["libcublasLt.so.13"], 1, exported(lib / "libcublasLt.so.13")),
    ]
    taken = set()
    for library, sonames, absent, names in libraries:
        own = sorted(n for n in names - taken if re.fullmatch(r"(cu|nvrtc|curand|cublas)[A-Z_]\w*", n))
        taken |= set(own)
        archive(out, library, sonames, absent, own)
    shutil.copy(lib / "libcudart_static.a", out / "libcudart.a")


if __name__ == "__main__":
    main()
