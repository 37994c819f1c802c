// SPDX-License-Identifier: Apache-2.0
// libFuzzer's interface for programs with a main of their own (llvm.org/docs/LibFuzzer.html).
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*decode)(const uint8_t *data, size_t size));
